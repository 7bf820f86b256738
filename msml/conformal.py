"""Intervals around estimates that hold the truth as often as is asked for: split conformal.

The guarantee needs new events that are like those of the fit: it is about all of them together,
not about each kind of them. Of weighted events the guarantee is approximate: fractions are of the
weight, and those events are the fewer, the more their weights differ.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from msml.data.kinematics import Array
from msml.errors import DataError

_ROUNDING = 1e-12  # of a total weight


@dataclass(frozen=True)
class Residuals:
    """How far some estimates are from the truth.

    Attributes:
        split: Name of the events.
        size: `(values,)`.
        event: `(values,)`, the event of each; one may have several, or none.
        weight: `(events,)`, of any sign.
    """

    split: str
    size: Array
    event: Array
    weight: Array

    @cached_property
    def each(self) -> Array:
        """Weight of each value, `(values,)`."""
        return self.weight[self.event]

    @cached_property
    def total(self) -> float:
        """The weight of all values."""
        return float(self.each.sum())

    @cached_property
    def next(self) -> float:
        """The weight of all values of another event, as these would draw it: 1 where all have 1.

        Each event is drawn with its weight, as what is measured draws them.
        """
        return float((np.bincount(self.event, self.each, len(self.weight)) ** 2).sum()) / self.total

    def check(self) -> None:
        """Refuse what says nothing.

        Raises:
            DataError: There is no value, or one that is not finite, or no positive weight.
        """
        if not len(self.size):
            raise DataError(f"{self.split} has no value")
        if not np.isfinite(self.size).all():
            raise DataError(f"an estimate on {self.split} is NaN or infinite")
        if not self.total > 0:
            raise DataError(f"the weights of {self.split} have no positive total")


def half_width(known: Residuals, coverage: float) -> float:
    """Find the distance below which the next residual is with a probability of `coverage`.

    Of n events that are alike it is the residual of rank ⌈(n + 1) coverage⌉; of any, the smallest
    one up to which so much of the weight lies, with that of another event added.

    Raises:
        DataError: They are too few.

    Source:
        Lei et al., Distribution-free predictive inference for regression, 1604.04173; weights as in
        Tibshirani et al., 1904.06019.
    """
    order = np.argsort(known.size, kind="stable")
    reached = np.maximum.accumulate(np.cumsum(known.each[order]))
    wanted = coverage * (known.total + known.next) - _ROUNDING * known.total
    place = int(np.searchsorted(reached, wanted))
    if place == len(order):
        events = f"the {len(np.unique(known.event))} events of {known.split}"
        raise DataError(f"{events} are too few for a coverage of {coverage:g}")
    return float(known.size[order[place]])


def covered(seen: Residuals, width: float) -> tuple[float, float]:
    """Return the fraction of residuals up to a half width, with its binomial error.

    Values of one event count as one in the error.
    """
    inside = (seen.size <= width).astype(np.float64)
    value = float(seen.each @ inside) / seen.total
    parts = np.bincount(seen.event, seen.each * (inside - value), len(seen.weight))
    return value, float(np.sqrt((parts**2).sum())) / seen.total


def chance(known: Residuals, seen: Residuals, coverage: float) -> float:
    """Return the standard deviation that chance leaves between what is covered and asked for.

    Both the events of the fit and those of the test are a sample: a beta and a binomial
    distribution; of weighted events, with the effective number of each.
    """
    of_fit, of_test = (each.total / each.next for each in (known, seen))
    return float(np.sqrt(coverage * (1 - coverage) * (1 / (of_fit + 2) + 1 / of_test)))
