"""What the figures of an evaluation show, and the numbers behind them. Units: GeV, rad."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from msml.constants import LOG_PT_LIMIT, PT_OFFSET, TAU_MASS
from msml.data.kinematics import Array, pair_mass
from msml.metrics import Estimate
from msml.recipe.expand import TaskSpec
from msml.recipe.validity import LOG_PT, MomentumTask, momentum_tasks
from msml.validity.bands import Bands

_PAIR = 2


@dataclass(frozen=True)
class Measured:
    """One chain in one mode.

    Attributes:
        chain: Names of its candidates.
        mode: How it was trained.
        outputs: Output of each task on the test split.
        area: Area under the ROC curve of the final task; None where it has none.
    """

    chain: str
    mode: str
    outputs: Mapping[str, Array]
    area: Estimate | None


@dataclass(frozen=True)
class Judged:
    """What the outputs of the momentum task are judged by.

    Attributes:
        bands: Of the test events.
        sigma: Within so many standard deviations an output is valid.
    """

    bands: Bands
    sigma: float


@dataclass(frozen=True)
class TestEvents:
    """The test split, with momenta as four-vectors.

    Attributes:
        weight: `(events,)`.
        label: `(events,)` of the final task, 1 for signal; None where that is no such label.
        final: Name of the final task.
        momentum: The task whose outputs are tau momenta; None where there is none.
        transforms: Name of a transform by column.
        columns: Columns of the data, transformed.
        judged: What the reference expects of the momentum task; None where there is none.
    """

    __test__ = False  # no class of tests

    weight: Array
    label: Array | None
    final: str
    momentum: MomentumTask | None
    transforms: Mapping[str, str]
    columns: Mapping[str, Array]
    judged: Judged | None = None

    def taus(self) -> Array:
        """True taus, `(events, 2, 4)` pt, eta, phi, m."""
        assert self.momentum is not None
        return self.four_vectors(self.columns[self.momentum.taus])

    def jets(self) -> Array:
        """Jets before calibration, `(events, 2, 4)` pt, eta, phi, m."""
        assert self.momentum is not None
        return physical(
            self.columns[self.momentum.jets], self.transforms.get(self.momentum.jets, "")
        )

    def four_vectors(self, vectors: Array) -> Array:
        """Give `(events, 2, 3)` in the form of the true taus the tau mass, as `(events, 2, 4)`."""
        assert self.momentum is not None
        vectors = physical(vectors, self.transforms.get(self.momentum.taus, ""))
        return np.concatenate([vectors, np.full_like(vectors[..., :1], TAU_MASS)], axis=-1)


def momentum_task(
    tasks: Mapping[str, TaskSpec], transforms: Mapping[str, str], columns: Mapping[str, Array]
) -> MomentumTask | None:
    """Find the first task that turns two jets into the momenta of two taus."""
    shapes = {name: column.shape[1:] for name, column in columns.items()}
    for task in momentum_tasks(tasks, shapes):
        known = all(transforms.get(column, "") in ("", LOG_PT) for column in (task.taus, task.jets))
        if known and shapes[task.taus][0] == _PAIR:
            return task
    return None


def physical(vectors: Array, transform: str) -> Array:
    """Undo a transform of `(..., components)` vectors: pt in GeV first, in float64."""
    vectors = np.array(vectors, np.float64)
    if transform == LOG_PT:
        vectors[..., 0] = np.exp(np.clip(vectors[..., 0], -LOG_PT_LIMIT, LOG_PT_LIMIT)) - PT_OFFSET
    return vectors


def response(vectors: Array, taus: Array) -> tuple[Array, Array]:
    """True pt and the ratio of a pt to it, `(2 events,)` each; those without true pt are left out.

    Args:
        vectors: `(events, 2, 4)` pt, eta, phi, m.
        taus: The same, true.
    """
    true, ratio = taus[..., 0].ravel(), vectors[..., 0].ravel()
    kept = (true > 0) & np.isfinite(ratio)
    return true[kept], ratio[kept] / true[kept]


def masses(vectors: Array) -> Array:
    """Invariant masses, `(events,)`, of `(events, 2, 4)`; those that overflow become infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        mass = pair_mass(vectors)
    return np.where(np.isfinite(mass), mass, np.inf)


def distinct(shown: Sequence[Measured], task: str) -> Iterator[tuple[str, Array]]:
    """Yield a task's outputs in each mode, with the mode's name.

    Modes with the same outputs, such as connected and sequential ones of a first task, are one.
    """
    left = [(m.mode, m.outputs[task]) for m in shown]
    while left:
        output = left[0][1]
        same = [mode for mode, other in left if np.array_equal(other, output)]
        left = [(mode, other) for mode, other in left if mode not in same]
        yield ", ".join(same), output


def best(measured: Sequence[Measured], most: int) -> list[Measured]:
    """Return those with the largest areas, largest first; in their order where there are none."""
    ranked = sorted(measured, key=lambda m: -m.area.value if m.area else 0.0)
    return ranked[:most]
