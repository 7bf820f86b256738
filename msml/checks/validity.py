"""Checks of the block `evaluate.validity`."""

import math
from collections.abc import Iterator, Mapping

from msml.recipe.messages import Problem, at_least_1
from msml.recipe.schema import TrainRecipe, Validity
from msml.validity.task import LOG_PT, reference_task


def check_settings(key: str, settings: Validity) -> Iterator[Problem]:
    """Check the numbers of a block."""
    for name in ("latents", "inducing", "epochs", "batch_size"):
        if getattr(settings, name) < 1:
            yield f"{key}.{name}", at_least_1(getattr(settings, name))
    for name in ("sigma", "learning_rate"):
        value = getattr(settings, name)
        if not 0 < value < math.inf:
            yield f"{key}.{name}", f"expected a number above 0, got {value:g}"
    if settings.seed < 0:
        yield f"{key}.seed", f"expected 0 or more, got {settings.seed}"


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
