"""Checks of the blocks `evaluate.calibrate` and `evaluate.conformal`."""

from collections.abc import Callable, Iterator, Sequence

from msml.calibration import OF_CLASSES
from msml.checks.meaning import kind_of
from msml.losses import classifies, estimates
from msml.recipe.expand import duplicates
from msml.recipe.messages import Problem, unknown
from msml.recipe.schema import TrainRecipe
from msml.registry import losses


def check_trust(recipe: TrainRecipe) -> Iterator[Problem]:
    """Check that tasks are there and of the kind that is wanted, and the method one for them."""
    if (calibrate := recipe.evaluate.calibrate) is not None:
        key = "evaluate.calibrate"
        yield from _check_tasks(recipe, key, calibrate.tasks, classifies, "a classification")
        if calibrate.method not in OF_CLASSES:
            yield from _check_labels(recipe, calibrate.method, calibrate.tasks)
    if (conformal := recipe.evaluate.conformal) is not None:
        key, kind = "evaluate.conformal", "one that estimates numbers"
        yield from _check_tasks(recipe, key, conformal.tasks, estimates, kind)


def _check_tasks(
    recipe: TrainRecipe, key: str, named: Sequence[str], fits: Callable[[str], bool], kind: str
) -> Iterator[Problem]:
    names = {task: str(spec.loss.get("name")) for task, spec in recipe.tasks.items()}
    known = {task: loss for task, loss in names.items() if loss in losses.names()}
    for i, task in enumerate(named):
        if task not in recipe.tasks:
            yield f"{key}.tasks.{i}", unknown("task", task, recipe.tasks)
        elif task in known and not fits(known[task]):
            yield f"{key}.tasks.{i}", f"'{task}' has the loss '{known[task]}'; expected {kind}"
    for task in duplicates(named):
        yield f"{key}.tasks", f"'{task}' is there more than once"
    if not named and names == known and not any(map(fits, known.values())):
        yield key, f"no task is {kind}"


def _check_labels(recipe: TrainRecipe, method: str, named: Sequence[str]) -> Iterator[Problem]:
    """Refuse classes for a method of labels."""
    for name, task in recipe.tasks.items():
        if (name in named or not named) and kind_of(task) == "classes":
            wanted = f"expected {' or '.join(OF_CLASSES)}"
            ending = "" if named else ", or evaluate.calibrate.tasks without it"
            message = f"'{method}' is for labels, 0 or 1; '{name}' has classes; {wanted}{ending}"
            yield "evaluate.calibrate.method", message
