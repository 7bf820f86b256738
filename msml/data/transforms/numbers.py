"""Transforms of single numbers: scales, logarithms, limits, missing values."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from msml.data.kinematics import Array
from msml.data.schema import Column
from msml.data.transforms.step import Learn, Numbers, State, Step, on, positions, renamed
from msml.domains import Finite, Natural, Positive
from msml.errors import RecipeError
from msml.registry import transforms
from msml.tensors import Values, functions

Components = Sequence[str | Natural]


def _moments(numbers: Numbers, column: Column, *, components: Components | None = None) -> State:
    """Mean and standard deviation, merged block by block.

    What is not finite is left out here: loading refuses it, and names its event.

    Source: Chan, Golub and LeVeque 1983.
    """
    count, mean, squares = 0, np.zeros(1), np.zeros(1)
    for block in numbers:
        values = np.asarray(block, np.float64)
        values = values[np.isfinite(values).all(axis=1)]
        if not len(values):
            continue
        shift = values.mean(axis=0) - mean
        total = count + len(values)
        squares = squares + ((values - values.mean(axis=0)) ** 2).sum(axis=0)
        squares = squares + shift**2 * count * len(values) / total
        mean = mean + shift * len(values) / total
        count = total
    deviation = np.sqrt(squares / max(count, 1))
    return {"mean": mean.tolist(), "deviation": np.where(deviation > 0, deviation, 1.0).tolist()}


@transforms.register("standardise", fit=_moments)
def standardise(column: Column, learn: Learn, *, components: Components | None = None) -> Step:
    """Subtract the mean of train and divide by its standard deviation.

    Both are taken for each position of the last axis by itself, or over all where a mask covers
    it. What is constant in train is only shifted.

    Args:
        column: What comes in.
        learn: Returns mean and deviation.
        components: Names or numbers of components; all where None.
    """
    places = positions(column, components)

    def constants() -> tuple[Array, Array]:
        mean, deviation = (np.asarray(learn()[key]) for key in ("mean", "deviation"))
        return (mean, deviation) if len(mean) == 1 else (mean[places], deviation[places])

    def forward(values: Values) -> Values:
        mean, deviation = constants()
        return (values - mean) / deviation

    def inverse(values: Values) -> Values:
        mean, deviation = constants()
        return values * deviation + mean

    after = renamed(column, places, "standardised", "1")
    return Step(on(places, column, forward), after, on(places, column, inverse), by_place=True)


@transforms.register("log")
def log(
    column: Column, learn: Learn, *, offset: Finite = 0.0, components: Components | None = None
) -> Step:
    """Take the natural logarithm of each number plus `offset`, in the column's unit."""
    places = positions(column, components)
    return Step(
        on(places, column, lambda values: functions(values).log(values + offset)),
        renamed(column, places, "log", "1"),
        on(places, column, lambda values: functions(values).exp(values) - offset),
        refusal=f"is not above {0.0 - offset:g}",
        by_place=True,
    )


@transforms.register("signed_log")
def signed_log(
    column: Column, learn: Learn, *, scale: Positive = 1.0, components: Components | None = None
) -> Step:
    """Take sign(x) log(1 + |x|/scale), with `scale` in the column's unit."""
    places = positions(column, components)

    def forward(values: Values) -> Values:
        xp = functions(values)
        return xp.sign(values) * xp.log1p(xp.abs(values) / scale)

    def inverse(values: Values) -> Values:
        xp = functions(values)
        return xp.sign(values) * xp.expm1(xp.abs(values)) * scale

    after = renamed(column, places, "log", "1")
    return Step(on(places, column, forward), after, on(places, column, inverse), by_place=True)


@transforms.register("clip")
def clip(
    column: Column,
    learn: Learn,
    *,
    low: Finite | None = None,
    high: Finite | None = None,
    components: Components | None = None,
) -> Step:
    """Bring numbers below `low` or above `high` to these limits; the inverse changes nothing."""
    if low is None and high is None:
        raise RecipeError("expected a limit, `low` or `high`")
    if low is not None and high is not None and not low < high:
        raise RecipeError(f"low: expected a number below {high:g}, got {low:g}")
    places = positions(column, components)
    least, most = -np.inf if low is None else low, np.inf if high is None else high
    clipped = on(places, column, lambda values: functions(values).clip(values, least, most))
    return Step(clipped, column, by_place=True)


def _means(numbers: Numbers, column: Column, **_: Any) -> State:
    """Means of what is not missing."""
    total, count = np.zeros(1), np.zeros(1)
    for block in numbers:
        present = np.isfinite(block)
        total = total + np.where(present, block, 0).sum(axis=0, dtype=np.float64)
        count = count + present.sum(axis=0)
    return {"mean": (total / np.maximum(count, 1)).tolist()}


@transforms.register("fill_missing", fit=_means, fills=True)
def fill_missing(
    column: Column,
    learn: Learn,
    *,
    value: Finite | Literal["mean"] = "mean",
    components: Components | None = None,
) -> Step:
    """Put a number, or the mean of train, in the place of NaN; the inverse changes nothing."""
    places = positions(column, components)

    def forward(values: Values) -> Values:
        number = np.asarray(learn()["mean"] if value == "mean" else [value])
        number = number if len(number) == 1 else number[places]
        xp = functions(values)
        return xp.where(xp.isnan(values), number, values)

    return Step(on(places, column, forward), column, by_place=True)
