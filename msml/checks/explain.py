"""Checks of the blocks `evaluate.importance` and `evaluate.dependence`."""

from collections.abc import Iterator

from msml.checks.features import described, single_features
from msml.checks.meaning import classes_of, not_comparable
from msml.checks.names import metric_problems
from msml.checks.wiring import Columns
from msml.recipe.expand import duplicates
from msml.recipe.messages import Problem, any_below, unknown
from msml.recipe.schema import TrainRecipe

_DATA = ("file", "files", "transform", "split", "events", "train_events")
_TASK = ("inputs", "target", "loss", "output", "each", "hide")


def check_explanations(recipe: TrainRecipe, columns: Columns, bad: set[str]) -> Iterator[Problem]:
    """Check that tasks, metric and features are there, and the metric one for the task.

    Args:
        recipe: The recipe.
        columns: The columns of its data.
        bad: Keys with a problem already; some leave no features to be listed.
    """
    for key, block in (
        ("evaluate.importance", recipe.evaluate.importance),
        ("evaluate.dependence", recipe.evaluate.dependence),
    ):
        if block is not None and block.task is not None and block.task not in recipe.tasks:
            yield f"{key}.task", unknown("task", block.task, recipe.tasks)
    yield from _check_metric(recipe, columns)
    if not any_below(bad, *_of_features(recipe)):
        yield from _check_features(recipe, columns)


def _of_features(recipe: TrainRecipe) -> Iterator[str]:
    """Yield the keys on which it depends what features there are."""
    yield from ("plugins", *(f"data.{name}" for name in _DATA))
    for task in recipe.tasks:
        yield from (f"tasks.{task}.{name}" for name in _TASK)


def _check_metric(recipe: TrainRecipe, columns: Columns) -> Iterator[Problem]:
    settings, key = recipe.evaluate.importance, "evaluate.importance.metric"
    if settings is None or settings.metric is None:
        return
    name, problems = _task(recipe, settings.task), metric_problems(settings.metric)
    if name is not None and not problems:
        text = not_comparable(settings.metric, recipe.tasks[name], columns)
        problems = [text] if text else []
    yield from ((key, problem) for problem in problems)


def _check_features(recipe: TrainRecipe, columns: Columns) -> Iterator[Problem]:
    settings, key = recipe.evaluate.dependence, "evaluate.dependence.features"
    name = None if settings is None else _task(recipe, settings.task)
    if settings is None or name is None:
        return
    classes = {each: classes_of(task, columns) for each, task in recipe.tasks.items()}
    inputs = described(recipe, name, columns, classes, {})
    objects = recipe.tasks[name].each is not None
    known = [feature.name for feature in single_features(inputs, objects)]
    for i, text in enumerate(settings.features):
        if text not in known:
            yield f"{key}.{i}", f"{unknown('feature', text, known)} (inputs of '{name}')"
    for text in duplicates(settings.features):
        yield key, f"'{text}' is there more than once"
    if not known and not settings.features:
        yield "evaluate.dependence", f"no input of '{name}' is a number of an event or an object"


def _task(recipe: TrainRecipe, task: str | None) -> str | None:
    """Name the task that a block is about; None where there is no such task."""
    names = list(recipe.tasks)
    return (names[-1] if names else None) if task is None else task if task in names else None
