"""Checks of the block `evaluate.validity`."""

from collections.abc import Iterator, Mapping

from msml.recipe.messages import Problem
from msml.recipe.schema import TrainRecipe
from msml.validity.task import LOG_PT, reference_task


def check_momentum_task(
    recipe: TrainRecipe, shapes: Mapping[str, tuple[int, ...] | None]
) -> Iterator[Problem]:
    """Check that there is a task for the reference, if one is asked for."""
    if recipe.evaluate.validity is None:
        return
    if reference_task(recipe.tasks, recipe.data.transform, shapes) is None:
        yield (
            "evaluate.validity",
            "expected a task with an input of pt, eta, phi, m, such as jets, and as many pt, eta, "
            f"phi as its target, such as taus, with data.transform '{LOG_PT}'; there is none",
        )
