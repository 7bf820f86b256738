"""Checks of the block `evaluate.validity`."""

from collections.abc import Iterator, Mapping

from msml.recipe.messages import Problem
from msml.recipe.schema import TrainRecipe
from msml.validity.task import LOG_PT, reference_task


def check_momentum_task(
    recipe: TrainRecipe, shapes: Mapping[str, tuple[int, ...] | None]
) -> Iterator[Problem]:
    """Check that there is a task for the reference, if one is asked for, and its jets not turned.

    What is turned has another frame than its truth, which stays what it is.
    """
    if recipe.evaluate.validity is None:
        return
    found = reference_task(recipe.tasks, recipe.data.transform, shapes)
    if found is None:
        yield (
            "evaluate.validity",
            "expected a task with an input of pt, eta, phi, m, such as jets, and as many pt, eta, "
            f"phi as its target, such as taus, with data.transform '{LOG_PT}'; there is none",
        )
    elif recipe.data.align is not None and found.jets in recipe.data.align.columns:
        yield (
            "evaluate.validity",
            f"data.align turns '{found.jets}', but not the true '{found.taus}' that they are "
            f"compared with; expected data.align without '{found.jets}', or no validity",
        )
