"""What the figures of an evaluation show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msml.calibration import Calibration
from msml.data.kinematics import Array
from msml.metrics import Estimate
from msml.recipe.expand import TaskSpec
from msml.validity.bands import Bands


@dataclass(frozen=True)
class Measured:
    """One chain in one mode.

    Attributes:
        chain: Names of its candidates.
        mode: How it was trained.
        outputs: Output of each task on the test split, that its loss sees.
        area: Area under the ROC curve of the final task; None where it has none.
        others: The other outputs of each task by name.
        calibrated: What its logits were mapped by, by task; those that were asked for.
        explained: What explains it, `importance` and `dependence`, as `explained` gives it; those
            that were asked for.
    """

    chain: str
    mode: str
    outputs: Mapping[str, Array]
    area: Estimate | None
    others: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    explained: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    calibrated: Mapping[str, Calibration] = field(default_factory=dict)


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
    """The test split.

    Attributes:
        weight: `(events,)`.
        label: `(events,)` of the final task, 1 for signal; None where that is no such label.
        final: Name of the final task.
        tasks: All tasks.
        transforms: Name of a transform by column.
        columns: Columns of the data, transformed.
        judged: What the reference expects of the momentum task; None where there is none.
    """

    __test__ = False  # no class of tests

    weight: Array
    label: Array | None
    final: str
    tasks: Mapping[str, TaskSpec]
    transforms: Mapping[str, str]
    columns: Mapping[str, Array]
    judged: Judged | None = None


def best(measured: Sequence[Measured], most: int) -> list[Measured]:
    """Return those with the largest areas, largest first; in their order where there are none."""
    ranked = sorted(measured, key=lambda m: -m.area.value if m.area else 0.0)
    return ranked[:most]


def best_chains(measured: Sequence[Measured], most: int) -> list[Measured]:
    """Return the best of the last mode in which chains were trained."""
    modes = list(dict.fromkeys(m.mode for m in measured))
    return best([m for m in measured if m.mode == modes[-1]], most)
