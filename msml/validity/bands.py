"""Bands around the expected momenta, and which outputs lie inside. Units: log pt, 1, rad."""

from dataclasses import dataclass
from itertools import product
from math import erf, sqrt

import numpy as np

from msml.data.kinematics import Array, wrap_phi
from msml.data.schema import PT_ETA_PHI_M

COMPONENTS = PT_ETA_PHI_M[:3]
PHI = COMPONENTS.index("phi")
ANGLES = slice(1, 3)  # eta and phi
ALL = "all"
VALIDITY = "validity"

Group = tuple[int | slice, int | slice]
"""Objects and components of some numbers of an event."""


@dataclass(frozen=True)
class Bands:
    """What the reference expects of some events: a normal distribution for each number.

    Attributes:
        mean: `(events, objects, 3) float64` log pt, eta, phi.
        std: The same, noise included.
    """

    mean: Array
    std: Array

    def pulls(self, values: Array) -> Array:
        """Distance from the mean in units of the width; phi goes the short way round.

        Args:
            values: `(events, objects, 3)` log pt, eta, phi.
        """
        return self.distance(values) / self.std

    def distance(self, values: Array) -> Array:
        """Distance from the mean; phi goes the short way round."""
        distance = np.asarray(values, np.float64) - self.mean
        distance[..., PHI] = wrap_phi(distance[..., PHI])
        return distance


def groups(objects: int, name: str) -> dict[str, Group]:
    """Name the numbers that are judged together: all, those of one object, and each by itself.

    Args:
        objects: How many there are.
        name: What they are called.

    Returns:
        For two `taus`: `all`, `taus_1`, `taus_2`, `pt_1`, `eta_1`, `phi_1`, `pt_2`, ...
    """
    each = slice(None)
    found: dict[str, Group] = {ALL: (each, each)}
    found |= {f"{name}_{i + 1}": (i, each) for i in range(objects)}
    for i, j in product(range(objects), range(len(COMPONENTS))):
        found[f"{COMPONENTS[j]}_{i + 1}"] = (i, j)
    return found


def inside(pulls: Array, sigma: float, group: Group) -> Array:
    """Say which events have all numbers of a group within so many sigma, `(events,) bool`.

    Bands are independent of each other and joined by AND. NaN is outside.

    Args:
        pulls: `(events, objects, 3)`.
        sigma: Half the width of the band.
        group: One of `groups`.

    Source: paper, section 4.4.1, footnote 7.
    """
    within = np.abs(pulls[:, *group]) < sigma
    return within.reshape(len(within), -1).all(axis=1)


def size(objects: int, group: Group) -> int:
    """How many numbers a group has."""
    return int(np.ones((objects, len(COMPONENTS)))[group].size)


def nominal(sigma: float, numbers: int = 1) -> float:
    """How often so many independent normal numbers are all within so many sigma."""
    return erf(sigma / sqrt(2)) ** numbers


def metric_name(group: str) -> str:
    """Name of the metric that counts the events with a group of numbers inside."""
    return VALIDITY if group == ALL else f"{VALIDITY}_{group}"


def is_validity(metric: str) -> bool:
    """Whether a metric is one of those that `metric_name` names."""
    return metric == VALIDITY or metric.startswith(f"{VALIDITY}_")
