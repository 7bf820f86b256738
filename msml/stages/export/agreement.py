"""How far two ways to compute the same outputs are apart, over any number of events."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from msml.data.events import Columns
from msml.data.kinematics import Array, wrap_phi
from msml.data.schema import Column

TOLERANCE = 1e-6
"""Largest difference of a number, in units of 1 and its spread: as `atol` and `rtol` of NumPy."""

_ANGLE = "rad"


@dataclass(frozen=True)
class Worst:
    """The number that is furthest off.

    Attributes:
        output: Name of the output.
        number: Of the last axis, by component or number; "" where there is one number an event.
        event: Row of the event.
        values: What both give.
        apart: How far they are apart; infinite where only one is a number.
        spread: Of the numbers of this unit.
    """

    output: str
    number: str
    event: int
    values: tuple[float, float]
    apart: float
    spread: float

    @property
    def difference(self) -> float:
        """How far they are apart in units of 1 and the spread."""
        return self.apart / (1 + self.spread)

    def __str__(self) -> str:
        """Say it in one line."""
        what = f"'{self.output}'" + (f", {self.number}," if self.number else "")
        one, other = self.values
        apart = f"apart by {self.apart:.2g} where the spread is {self.spread:.2g}"
        return f"event {self.event}: {what} is {one:.9g} and {other:.9g}, {apart}"


@dataclass
class _Numbers:
    """The numbers along the last axis of an output, as far as events were seen."""

    least: Array
    most: Array
    difference: Array
    event: Array
    values: Array


@dataclass
class Agreement:
    """Compares outputs batch by batch.

    The spread of a number is the largest value less the smallest one of all numbers of the output
    that have its unit. What is equal, or no number in both, is no difference. Angles, in rad, are
    apart the short way round.

    Attributes:
        outputs: The columns that are compared.
        events: How many were compared.
    """

    outputs: Mapping[str, Column]
    events: int = 0
    _found: dict[str, _Numbers] = field(default_factory=dict)

    def add(self, first: Columns, second: Columns) -> None:
        """Compare the next events."""
        for name, column in self.outputs.items():
            one, other = (_flat(each[name]) for each in (first, second))
            if one.size:
                self._add(name, column, one, other)
        self.events += len(next(iter(first.values())))

    def worst(self) -> Worst | None:
        """Find the number that is furthest off; None where nothing was compared."""
        return max(self._each(), key=lambda each: each.difference, default=None)

    def _add(self, name: str, column: Column, one: Array, other: Array) -> None:
        off = _difference(one, other, _units(column, one.shape[-1]) == _ANGLE)
        rows, numbers = off.max(axis=1), np.arange(one.shape[-1])
        finite = np.where(np.isfinite(one), one, np.nan)
        event = rows.argmax(axis=0)
        place = off[event, :, numbers].argmax(axis=1)
        values = np.stack([each[event, place, numbers] for each in (one, other)])
        least = np.fmin.reduce(finite, axis=(0, 1))
        most = np.fmax.reduce(finite, axis=(0, 1))
        here = _Numbers(least, most, rows.max(axis=0), event + self.events, values)
        before = self._found.get(name)
        if before is not None:
            kept = before.difference >= here.difference
            here = _Numbers(
                np.fmin(least, before.least),
                np.fmax(most, before.most),
                np.where(kept, before.difference, here.difference),
                np.where(kept, before.event, here.event),
                np.where(kept, before.values, here.values),
            )
        self._found[name] = here

    def _each(self) -> Iterator[Worst]:
        for name, found in self._found.items():
            column, spread = self.outputs[name], np.empty_like(found.difference)
            units = _units(column, len(spread))
            for unit in units:
                here = units == unit
                least, most = np.fmin.reduce(found.least[here]), np.fmax.reduce(found.most[here])
                spread[here] = np.nan_to_num(most - least)
            off = found.difference / (1 + spread)
            number = int(off.argmax())
            one, other = map(float, found.values[:, number])
            names = column.components or tuple(map(str, range(len(off))))
            label = names[number] if len(off) > 1 else ""
            yield Worst(
                name,
                label,
                int(found.event[number]),
                (one, other),
                float(found.difference[number]),
                float(spread[number]),
            )


def _units(column: Column, numbers: int) -> Array:
    """Unit of each number of the last axis."""
    several = len(column.units) == numbers
    return np.array(column.units if several else [*column.units[:1], ""][:1] * numbers)


def _flat(values: Array) -> Array:
    """Make `(events, numbers before the last axis, last axis) float64`."""
    exact = np.asarray(values, np.float64)
    if exact.ndim == 1:
        return exact[:, None, None]
    return exact.reshape(len(exact), int(np.prod(exact.shape[1:-1])), exact.shape[-1])


def _difference(one: Array, other: Array, angles: Array) -> Array:
    """How far apart numbers are; infinite where only one of them is a number."""
    with np.errstate(invalid="ignore"):
        off = np.abs(one - other)
        off = np.where(angles, np.abs(wrap_phi(one - other)), off)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    return np.where(same, 0.0, np.where(np.isnan(off), np.inf, off))
