"""Partial dependence: the mean answer of a task where a feature is the same for all events."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from msml.chain import probabilities, real_objects
from msml.checks.features import Feature, single_features
from msml.data.dataset import SplitData
from msml.data.kinematics import Array
from msml.data.schema import Column
from msml.metrics import estimate, replicate_means
from msml.recipe.expand import TaskSpec
from msml.registry import losses
from msml.stages.explanation.frozen import Change, FrozenTask
from msml.stages.session import Session

_TAIL = 0.01  # of the events, to each side, is left out


@dataclass(frozen=True)
class Answer:
    """The numbers that a task answers with, as people read them.

    Attributes:
        names: Of each.
        units: Of each; "1" for none.
        of: From an output to the sum over what each event has of each number,
            `(events, numbers)`, and to how many it has, `(events, numbers)` or `(events, 1)`.
    """

    names: Sequence[str]
    units: Sequence[str]
    of: Callable[[Array], tuple[Array, Array]]


def dependences(
    frozen: FrozenTask,
    answer: Answer,
    weight: Array,
    wanted: Sequence[str],
    points: int,
    bootstrap: tuple[int, int],
    before_each: Callable[[], None] = lambda: None,
) -> Iterator[dict[str, Any]]:
    """Measure the mean answer of a task at several values of each feature.

    All test events, or all real objects of all of them, get the same value of the feature, one
    after the other; all other inputs stay what they are.

    Args:
        frozen: The task.
        answer: What its answer is.
        weight: `(events,)`.
        wanted: Names of features; all where empty.
        points: Values at most: quantiles of the feature, each a value that it has.
        bootstrap: Number of replicas of the test events, and their seed.
        before_each: Called before each feature.

    Yields:
        Input, component and unit of a feature, its values `at`, and at each of them the estimates
        of all numbers of the answer.

    Source:
        Friedman, Greedy function approximation: a gradient boosting machine, 2001.
    """
    for feature in single_features(frozen.inputs, bool(frozen.spec.each)):
        if wanted and feature.name not in wanted:
            continue
        before_each()
        (place,) = feature.places
        at, seen = levels(frozen, feature, points)
        parts = [answer.of(frozen.output({place: fixed(frozen, feature, v)})) for v in seen]
        total, count = np.concatenate([part[0] for part in parts], axis=1), parts[0][1]
        count = count if count.shape[1] == 1 else np.tile(count, (1, len(at)))
        means, drawn = replicate_means(total, count, weight, *bootstrap)
        found = [estimate(float(m), d)._asdict() for m, d in zip(means, drawn.T, strict=True)]
        width = len(answer.names)
        yield {
            "input": feature.input,
            "component": feature.component,
            "unit": frozen.inputs[place].unit(feature.number),
            "at": at.tolist(),
            "answers": [found[i : i + width] for i in range(0, len(found), width)],
        }


def levels(frozen: FrozenTask, feature: Feature, points: int) -> tuple[Array, Array]:
    """Choose the values of a feature.

    Returns:
        As people read them, `(points,)`, rising, and as the model sees them, `(points, ...)` of the
        feature's axes. Fewer than asked for where quantiles are equal.
    """
    (place,) = feature.places
    values, steps = frozen.values[place], frozen.inputs[place].steps
    which = ... if feature.number is None else (..., feature.number)
    plain = values
    with np.errstate(all="ignore"):
        for step in reversed(steps):
            plain = step.inverse(plain)
        real = frozen.real(feature)
        numbers = np.ravel(plain[which] if real is None else plain[which][real])
        numbers = numbers[np.isfinite(numbers)].astype(np.float64)
        parts = np.linspace(_TAIL, 1 - _TAIL, points)
        at = np.unique(np.quantile(numbers, parts, method="nearest"))
        seen = np.repeat(np.asarray(plain[:1], np.float64), len(at), axis=0)
        seen[which] = at.reshape(-1, *(1,) * (seen[which].ndim - 1))
        for step in steps:
            seen = step.forward(seen)
    return at, seen[which].astype(np.float32)


def fixed(frozen: FrozenTask, feature: Feature, value: Array) -> Change:
    """Set a feature to a value, of its axes, for all events; padding stays what it is."""
    which = ... if feature.number is None else (..., feature.number)
    return partial(_set, which, value, frozen.real(feature))


def _set(which: Any, value: Array, real: Array | None, values: Array, rows: slice) -> Array:
    found = values[rows].copy()
    found[which] = value if real is None else np.where(real[rows], value, found[which])
    return found


def answer_of(session: Session, task: str, split: SplitData) -> Answer:
    """Say what a task answers with: probabilities, or numbers as the file has them."""
    spec = session.tasks[task]
    if losses.get(spec.loss).facts.get("classification"):
        names = [f"probability of class {k}" for k in range(spec.classes)] or ["probability"]
        return Answer(names, ["1"] * len(names), partial(_shares, spec, split))
    column, target = session.file.columns[spec.target], split.columns[spec.target]
    width = int(target.shape[-1]) if target.ndim > 1 + bool(spec.each) else 1
    return Answer(*named_numbers(column, width), partial(_numbers, session, spec, split))


def named_numbers(column: Column, width: int) -> tuple[list[str], list[str]]:
    """Name the numbers of a column along its last axis, of a `width`, and give their units."""
    names = [column.name]
    if width > 1:
        known = len(column.components) == width
        parts = column.components if known else map(str, range(width))
        names = [f"{column.name}.{part}" for part in parts]
    units = list(column.units) if len(column.units) == width else [*column.units, "1"][:1] * width
    return names, units


def _shares(spec: TaskSpec, split: SplitData, output: Array) -> tuple[Array, Array]:
    shares = np.asarray(probabilities(spec, output), np.float64)
    return _summed(
        spec, split, shares if spec.classes else shares.reshape(*_places(spec, split), 1)
    )


def _numbers(
    session: Session, spec: TaskSpec, split: SplitData, output: Array
) -> tuple[Array, Array]:
    target = split.columns[spec.target]
    point = losses.get(spec.loss).facts.get("point")
    found = np.reshape(output if point is None else point(output, **spec.loss_args), target.shape)
    if spec.target in session.pipelines:
        with np.errstate(all="ignore"):
            found = session.pipelines[spec.target].inverse(found)
    found = np.asarray(found, np.float64)
    return _summed(spec, split, found[..., None] if found.ndim == 1 + bool(spec.each) else found)


def _places(spec: TaskSpec, split: SplitData) -> tuple[int, ...]:
    """Number of events, and of the objects of a task of each."""
    return split.columns[spec.target].shape[: 1 + bool(spec.each)]


def _summed(spec: TaskSpec, split: SplitData, found: Array) -> tuple[Array, Array]:
    """Sum the numbers of each event, `(events, ..., numbers)`, over what is real; count that."""
    events, width = len(found), found.shape[-1]
    real = real_objects(spec, split.columns)
    if real is None and spec.mask:
        real = split.columns[spec.mask] != 0
    if real is None:
        return found.reshape(events, -1, width).mean(axis=1), np.ones((events, 1))
    mask = np.asarray(real)
    wide = np.broadcast_to(mask.reshape(*mask.shape, *(1,) * (found.ndim - mask.ndim)), found.shape)
    kept = np.where(wide, found, 0)
    total, count = (each.reshape(events, -1, width).sum(axis=1) for each in (kept, wide))
    return total, count
