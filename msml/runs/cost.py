"""What the prediction of a chain costs, as a run keeps it, and which chains are worth it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import isfinite, isnan, nan
from pathlib import Path

from msml.runs import layout
from msml.runs.directory import read_json_if_there, write_json
from msml.tables import NONE

ALONE = "alone"
"""Form of a chain that predicts by itself."""

JOINT = "joint"
"""Form of a chain that `joint` has made an ensemble of, or that sees copies of events."""

BATCHES = (1, 1000)
"""Events of the batches whose time is measured."""

HEADINGS = ("weights", "FLOPs", *(f"ms of {size:,}" for size in BATCHES))
"""What `Cost.cells` are."""

ON_FRONT = "front"


@dataclass(frozen=True)
class Cost:
    """What the prediction of a chain costs.

    Attributes:
        parameters: Number of trainable numbers.
        flops: Floating-point operations of an event; NaN where they are not known.
        latency: Seconds on the CPU for a batch of each of `BATCHES`; NaN where it is not known.
        by: What was timed.
    """

    parameters: float
    flops: float
    latency: tuple[float, ...]
    by: str = ""

    def write(self, path: Path) -> None:
        """Keep it as JSON."""
        write_json(path, asdict(self))

    @property
    def cells(self) -> tuple[str, ...]:
        """The numbers for a table."""
        times = (NONE if isnan(each) else f"{1e3 * each:.3g}" for each in self.latency)
        return (_count(self.parameters), _count(self.flops), *times)


_FLOPS = "FLOPs: of an event, all its objects real; ms: a batch of 1, and of 1,000, on the CPU"
_FRONT = f"{ON_FRONT}: nothing here is as good for less, or better for as much"

UNKNOWN = Cost(nan, nan, (nan,) * len(BATCHES))


def read(run: Path, chain: str, mode: str = ALONE) -> Cost | None:
    """Read what a chain in a mode costs; None where that was not measured."""
    for form in (mode, ALONE):
        keys = ("parameters", "flops", "latency", "by")
        if found := read_json_if_there(layout.cost(run, chain, form), *keys):
            latency = tuple(nan if each is None else each for each in found["latency"])
            flops = nan if found["flops"] is None else found["flops"]
            return Cost(found["parameters"], flops, latency, found["by"])
    return None


def notes(costs: Iterable[Cost]) -> list[str]:
    """Say below a table what its cells are, and what was timed."""
    timed = dict.fromkeys(each.by for each in costs if each.by)
    return [f"{_FLOPS}: {'; '.join(timed)}", _FRONT]


def comparable(costs: Iterable[Cost]) -> list[float]:
    """What several costs are compared by: operations, or else the time of the largest batch."""
    known = list(costs)
    if any(isnan(each.flops) for each in known):
        return [each.latency[-1] for each in known]
    return [each.flops for each in known]


def front(qualities: Sequence[float], costs: Sequence[float]) -> list[bool]:
    """Say which are on the Pareto front: none is as good for less, or better for as much.

    Args:
        qualities: Higher is better.
        costs: Lower is better. What has a quality or a cost that is not finite is not on the front.
    """
    points = list(zip(qualities, costs, strict=True))
    known = {(q, c) for q, c in points if isfinite(q) and isfinite(c)}
    beaten = {
        (q, c)
        for q, c in known
        if any(other >= q and cost <= c and (other, cost) != (q, c) for other, cost in known)
    }
    return [point in known - beaten for point in points]


def _count(number: float) -> str:
    return NONE if isnan(number) else f"{number:,.0f}"
