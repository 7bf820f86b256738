"""Reliability diagrams: how often probabilities came true."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from msml.chain import real_rows
from msml.data.kinematics import Array
from msml.losses import classifies
from msml.metrics import ece
from msml.metrics.reliability import BINS, Reliability, confidences, reliability
from msml.plotting import COLOURS, MARKERS, new_figure
from msml.registry import evaluation_figures
from msml.runs import layout
from msml.stages.measured import Measured, TestEvents, best_chains

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_CHAINS = 4
_WIDTH = 3.6  # inches, of a task


@evaluation_figures.register("reliability")
def reliability_figures(
    events: TestEvents, measured: Sequence[Measured]
) -> "dict[str, Callable[[], Figure]]":
    """Probabilities beside frequencies: all classifications of the best chains, in the last mode.

    Of what was calibrated, before and after.
    """
    tasks = [name for name, spec in events.tasks.items() if classifies(spec.loss)]
    if not tasks:
        return {}
    return {
        f"{layout.part(top.chain)}/reliability": partial(draw_reliability, events, top, tasks)
        for top in best_chains(measured, _MOST_CHAINS)
        if all(np.isfinite(top.outputs[task]).all() for task in tasks)
    }


def draw_reliability(events: TestEvents, shown: Measured, tasks: Sequence[str]) -> "Figure":
    """Draw a column for each task: frequencies above, the number of probabilities below.

    Args:
        events: The test events.
        shown: The chain.
        tasks: Its classifications.
    """
    figure, axes = new_figure(max(4.8, _WIDTH * len(tasks)), 5.2, (2.6, 1.0), len(tasks))
    for number, task in enumerate(tasks):
        upper, lower = axes[2 * number : 2 * number + 2]
        logits = {"as trained": shown.outputs[task]}
        if (found := shown.calibrated.get(task)) is not None:
            logits[f"calibrated, {found.method}"] = found.logits(shown.outputs[task])
        for index, (name, each) in enumerate(logits.items()):
            bins, error = _binned(events, task, each)
            _draw(upper, lower, bins, f"{name}: ECE {error:.4f}", index)
        likeliest = bool(events.tasks[task].classes)
        upper.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, zorder=0)
        upper.set_xlim(0, 1)
        upper.set_ylim(0, 1)
        upper.set_ylabel("Fraction that is of this class" if likeliest else "Fraction of signal")
        upper.legend(title=task, title_fontsize=8, alignment="left", loc="upper left")
        lower.set_yscale("log")
        lower.set_ylim(bottom=0.5)
        lower.set_ylabel("Entries")
        kind = "the likeliest class" if likeliest else "signal"
        lower.set_xlabel(f"Probability of {kind}")
    figure.suptitle(f"{shown.chain}, {shown.mode}", fontsize=9)
    return figure


def _binned(events: TestEvents, task: str, logits: Array) -> tuple[Reliability, float]:
    """Compare the probabilities of a task with frequencies, and give its calibration error."""
    spec = events.tasks[task]
    target, seen, mask, owner = real_rows(spec, events.columns, events.columns[spec.target], logits)
    weight = events.weight if owner is None else events.weight[owner]
    found = reliability(*confidences(target, seen, weight, mask=mask))
    return found, ece(target, seen, weight, mask=mask)


def _draw(upper: "Axes", lower: "Axes", bins: Reliability, label: str, index: int) -> None:
    style: dict[str, Any] = {"color": COLOURS[index], "fmt": MARKERS[index], "elinewidth": 0.8}
    upper.errorbar(bins.share, bins.fraction, yerr=bins.error, label=label, **style)
    entries = np.zeros(BINS)
    entries[bins.place] = bins.entries
    lower.stairs(entries, np.linspace(0, 1, BINS + 1), color=COLOURS[index])
