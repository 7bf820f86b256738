"""Test events as pairs of four-vectors, and the numbers behind the figures. Units: GeV, rad."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from msml.data.kinematics import Array, pair_mass
from msml.data.transforms import LOG_PT_LIMIT, PT_OFFSET
from msml.recipe.expand import TaskSpec
from msml.stages.measured import Judged, Measured, TestEvents
from msml.studies.htautau.constants import TAU_MASS
from msml.validity.task import LOG_PT, MomentumTask, momentum_tasks

_PAIR = 2


@dataclass(frozen=True)
class TauEvents:
    """The test split, with momenta as four-vectors.

    Attributes:
        weight: `(events,)`.
        label: `(events,)` of the final task, 1 for signal; None where that is no such label.
        final: Name of the final task.
        momentum: The task whose outputs are tau momenta.
        transforms: Name of a transform by column.
        columns: Columns of the data, transformed.
        judged: What the reference expects of the momentum task; None where there is none.
    """

    weight: Array
    label: Array | None
    final: str
    momentum: MomentumTask
    transforms: Mapping[str, str]
    columns: Mapping[str, Array]
    judged: Judged | None = None

    def taus(self) -> Array:
        """True taus, `(events, 2, 4)` pt, eta, phi, m."""
        return self.four_vectors(self.columns[self.momentum.taus])

    def jets(self) -> Array:
        """Jets before calibration, `(events, 2, 4)` pt, eta, phi, m."""
        return physical(
            self.columns[self.momentum.jets], self.transforms.get(self.momentum.jets, "")
        )

    def four_vectors(self, vectors: Array) -> Array:
        """Give `(events, 2, 3)` in the form of the true taus the tau mass, as `(events, 2, 4)`."""
        vectors = physical(vectors, self.transforms.get(self.momentum.taus, ""))
        return np.concatenate([vectors, np.full_like(vectors[..., :1], TAU_MASS)], axis=-1)


def tau_events(events: TestEvents) -> TauEvents | None:
    """Take test events as pairs of taus; None where no task gives momenta of pairs."""
    momentum = momentum_task(events.tasks, events.transforms, events.columns)
    if momentum is None:
        return None
    known = (events.transforms, events.columns, events.judged)
    return TauEvents(events.weight, events.label, events.final, momentum, *known)


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
    kept = has_response(vectors, taus)
    return taus[kept, 0], vectors[kept, 0] / taus[kept, 0]


def has_response(vectors: Array, taus: Array) -> Array:
    """Which of `(events, 2)` momenta have a `response`."""
    return np.asarray((taus[..., 0] > 0) & np.isfinite(vectors[..., 0]))


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
