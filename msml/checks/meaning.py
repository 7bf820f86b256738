"""What targets mean, and whether losses and metrics are made for them."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from msml.arguments import wants
from msml.checks.names import metric_problems
from msml.checks.wiring import Columns, mask_of
from msml.data.described import Source, paths
from msml.data.events import describe, file_state, read_blocks, read_masked
from msml.data.kinematics import Array
from msml.errors import DataError, RecipeError
from msml.metrics import find
from msml.recipe.expand import TOTAL, metric_of
from msml.recipe.messages import Problem
from msml.recipe.schema import Task, TrainRecipe
from msml.registry import Entry, losses

_MOMENTUM = ("pt", "eta", "phi")
_LOG_PT = "log_pt"
_WORDS = {
    "numbers": "numbers",
    "label": "a label, 0 or 1 for each event",
    "classes": "classes, whole numbers from 0",
    "momenta": "momenta: log pt, eta, phi",
}


def kind_of(task: Task) -> str:
    """Say what the target of a task is, by its loss: a key of `_WORDS`; empty where unknown."""
    name = str(task.loss.get("name"))
    return (*_targets(losses.get(name)), "")[0] if name in losses.names() else ""


def check_meaning(recipe: TrainRecipe, columns: Columns) -> Iterator[Problem]:
    """Check that targets are what losses are for, and losses what metrics are for."""
    for name, task in recipe.tasks.items():
        key, kind = f"tasks.{name}", kind_of(task)
        told = task.target == recipe.data.weight
        if kind and not told and columns.shapes.get(task.target) is not None:
            yield from ((f"{key}.target", text) for text in _check_target(recipe, task, columns))
            if text := _no_mask(losses.get(str(task.loss["name"])), task, columns):
                yield f"{key}.loss", text
        for i, metric in enumerate(task.metrics):
            if metric_problems(metric):
                continue
            text = _mismatch(find(metric), task) or _no_mask(find(metric), task, columns)
            if text:
                yield f"{key}.metrics.{i}", text
    yield from _check_select(recipe)


def classes_of(task: Task, columns: Columns) -> int:
    """Count the classes of a task's target; 0 where it has none, or where only the file tells."""
    if kind_of(task) != "classes" or columns.file is None:
        return 0
    if task.target in columns.pipelines:
        return columns.pipelines[task.target].classes
    return int(_values(columns.file, task.target).max(initial=-1)) + 1


def _targets(entry: Entry) -> tuple[str, ...]:
    found = entry.facts.get("target", ())
    return (found,) if isinstance(found, str) else tuple(found)


def _mismatch(metric: Entry, task: Task) -> str | None:
    """Say why a metric cannot measure a task's output."""
    kind, wanted = kind_of(task), _targets(metric)
    fits = kind in wanted or (kind == "momenta" and "numbers" in wanted)
    if not kind or not wanted or fits:
        return None
    expected = " or ".join(_WORDS[each] for each in wanted)
    loss = task.loss["name"]
    return f"'{metric.name}' is for {expected}; the loss '{loss}' is for {_WORDS[kind]}"


def _no_mask(entry: Entry, task: Task, columns: Columns) -> str | None:
    """Say that a loss or metric cannot leave out the padding of the target.

    Of a task with `each` it need not where the mask says of whole objects what is real.
    """
    mask = mask_of(task.target, columns)
    if not mask or wants(entry, "mask"):
        return None
    if task.each and len(columns.described[mask].sizes) == 1:
        return None
    return f"'{entry.name}' takes no mask, but '{task.target}' has the mask '{mask}'"


def _check_select(recipe: TrainRecipe) -> Iterator[Problem]:
    """Check that the ranking's metric is one for the output of its task."""
    if not recipe.tasks or recipe.select.metric == TOTAL:
        return
    task, name = metric_of(recipe.tasks, recipe.select.metric)
    known = task in recipe.tasks and not metric_problems(name)
    if not known:
        return
    if text := _mismatch(find(name), recipe.tasks[task]):
        yield "select.metric", text
    if text := _undecided(name):
        yield "select.metric", text


def not_comparable(metric: str, task: Task, columns: Columns) -> str | None:
    """Say why a metric, as recipes name it, cannot compare two outputs of a task."""
    found = find(metric)
    return _mismatch(found, task) or _no_mask(found, task, columns) or _undecided(metric)


def _undecided(metric: str) -> str | None:
    if find(metric).facts.get("better") in ("higher", "lower"):
        return None
    return f"'{metric}' does not say which of two chains is better"


def _check_target(recipe: TrainRecipe, task: Task, columns: Columns) -> Iterator[str]:
    kind, column = kind_of(task), task.target
    ending = f"the loss '{task.loss['name']}' is for {_WORDS[kind]}"
    if kind == "momenta":
        described = columns.described.get(column)
        told = described is not None and described.told
        components = described.components if described and told else _MOMENTUM
        if components[:3] != _MOMENTUM or (columns.shapes[column] or ())[-1:] != (3,):
            yield f"'{column}' has {', '.join(components) or 'no components'}; {ending}"
        elif recipe.data.transform.get(column) not in (_LOG_PT, [_LOG_PT], {"name": _LOG_PT}):
            yield f"'{column}' is not transformed; expected data.transform.{column}: {_LOG_PT}"
    elif column in columns.pipelines and kind in ("label", "classes"):
        classes = columns.pipelines[column].classes
        if not classes:
            yield f"'{column}' is transformed to numbers; {ending}"
        elif kind == "label" and classes != 2:
            yield f"'{column}' has {classes} categories; {ending}"
    elif kind in ("label", "classes") and columns.file is not None:
        try:
            values = _values(columns.file, column)
        except (DataError, RecipeError) as error:
            yield str(error)
            return
        if mask_of(column, columns):  # 0 may be for padding alone
            values = np.union1d(values, 0.0)
        yield from (f"'{column}' {text}; {ending}" for text in _wrong_classes(values, kind))


def _wrong_classes(values: Array, kind: str) -> Iterator[str]:
    """Say what is wrong with the values of a target that are classes."""
    if not np.array_equal(values, np.round(values)):
        yield f"holds {values[values != np.round(values)][0]:g}, which is no whole number"
    elif values.min(initial=0) < 0:
        yield f"holds {values.min():g}"
    elif kind == "label" and not set(values.tolist()) <= {0, 1}:
        yield f"holds {values[values > 1][0]:g}"
    elif kind == "classes" and len(values) != values.max(initial=-1) + 1:
        missing = next(n for n in range(len(values) + 1) if n not in values)
        yield f"goes up to {values.max():g} but has no event of class {missing}"


def _values(file: Source, column: str) -> Array:
    """The different values of a column, those of padding left out, sorted."""
    return _values_of(file, column, tuple(map(file_state, paths(file))))


@lru_cache(maxsize=64)
def _values_of(file: Source, column: str, _states: tuple[tuple[int, int], ...]) -> Array:
    about = describe(file, [column])
    if about.columns[column].mask:
        found = [np.unique(block[real]) for _, block, real in read_masked(about, column)]
    else:
        found = [np.unique(block) for _, block in read_blocks(file, column)]
    return np.unique(np.concatenate(found)).astype(np.float64)
