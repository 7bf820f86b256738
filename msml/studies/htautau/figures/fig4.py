"""Fig. 4: architecture weights α against epoch, of all seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from msml.data.kinematics import Array
from msml.plotting import COLOURS, LINES, MARKERS
from msml.registry import figures
from msml.report.looks import NothingToDraw, new_figure
from msml.report.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

TITLE = "Architecture weights α during the DARTS search"
CAPTION = (
    "α of each candidate (a) of task 1 and (b) of task 2 against the epoch of the search. Thin "
    "lines: single runs, each with a marker at the epoch that was kept; thick lines: median of the "
    "runs, as long as half of them were still searching; bands: their central 68 %. Crosses: where "
    "candidates that stop by themselves did; gap: median loss on valid less that on train then."
)

Paths = dict[str, list[Array]]  # α by epoch of each run, by candidate


@dataclass(frozen=True)
class Search:
    """The α of one search.

    Attributes:
        epochs: α of each epoch, by task and candidate.
        best: Epoch that was kept, from 1.
        scores: What is known of each candidate at the end, by task and name.
    """

    epochs: Sequence[Mapping[str, Mapping[str, float]]]
    best: int
    scores: Mapping[str, Mapping[str, Mapping[str, float]]]


def searches(selections: Sequence[Mapping[str, Any]]) -> list[Search]:
    """Take the α out of what searches kept.

    Raises:
        NothingToDraw: None has any.
    """
    found = [
        Search([e["alpha"] for e in each["epochs"]], int(each["best_epoch"]), each["alpha"])
        for each in selections
        if each.get("epochs") and "alpha" in each["epochs"][0]
    ]
    if not found:
        raise NothingToDraw("no DARTS search is done")
    return found


def of_results(results: Results) -> list[Search]:
    """Take the searches out of the results of runs."""
    return searches(list(results.selections.values()))


def paths(found: Sequence[Search], task: str) -> Paths:
    """α of each candidate of a task, by epoch and run."""
    names = dict.fromkeys(name for each in found for name in each.epochs[0].get(task, {}))
    return {
        name: [
            np.array([epoch[task][name] for epoch in each.epochs])
            for each in found
            if name in each.epochs[0].get(task, {})
        ]
        for name in names
    }


def quantiles(curves: Sequence[Array]) -> Array:
    """Quantiles 0.16, 0.5 and 0.84 of runs, `(epochs, 3)`, while half of them go on."""
    lengths = sorted((len(curve) for curve in curves), reverse=True)
    common = lengths[(len(lengths) - 1) // 2]
    rows = [
        np.quantile([c[epoch] for c in curves if len(c) > epoch], (0.16, 0.5, 0.84))
        for epoch in range(common)
    ]
    return np.array(rows).reshape(-1, 3)


def summary(found: Sequence[Search]) -> "DataFrame":
    """α at the epoch that was kept: mean, spread, and how often it is the largest."""
    from pandas import DataFrame

    made = []
    for task in found[0].epochs[0]:
        kept = [each.epochs[each.best - 1][task] for each in found if task in each.epochs[0]]
        for name in paths(found, task):
            values = np.array([alpha[name] for alpha in kept if name in alpha])
            wins = sum(max(alpha, key=lambda n: alpha[n]) == name for alpha in kept)
            spread = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
            row = {"task": task, "candidate": name, "runs": len(values)}
            row |= {"alpha": float(values.mean()), "spread": spread, "largest in": wins}
            made.append(row)
    return DataFrame(made)


@figures.register("fig4", title=TITLE, caption=CAPTION, summary=summary, source=of_results)
def draw(found: Sequence[Search]) -> "Figure":
    """Draw a panel for each task."""
    tasks = list(found[0].epochs[0])
    figure, axes = new_figure(4.4 * len(tasks) + 0.2, 3.6, (1.0,), columns=len(tasks))
    for letter, ax, task in zip("abcdef", axes, tasks, strict=False):
        _panel(ax, found, task)
        ax.set_xlabel("Epoch")
        ax.set_ylabel(r"Architecture weight $\alpha$")
        ax.set_title(f"({letter}) {task}", loc="left")
    return figure


def _panel(ax: "Axes", found: Sequence[Search], task: str) -> None:
    for index, (name, curves) in enumerate(paths(found, task).items()):
        colour, line = COLOURS[index % len(COLOURS)], LINES[index % len(LINES)]
        marker = MARKERS[index % len(MARKERS)]
        having = [each for each in found if name in each.epochs[0].get(task, {})]
        for curve, each in zip(curves, having, strict=True):
            ax.plot(np.arange(1, len(curve) + 1), curve, color=colour, alpha=0.3, linewidth=0.6)
            ax.plot(
                each.best, curve[each.best - 1], marker, color=colour, alpha=0.7, markersize=2.5
            )
            if stop := int(each.scores[task][name].get("stopped", 0)):
                ax.plot(stop, curve[stop - 1], "x", color=colour, markersize=5)
        rows = quantiles(curves)
        epochs = np.arange(1, len(rows) + 1)
        if len(curves) > 1:
            ax.fill_between(epochs, rows[:, 0], rows[:, 2], color=colour, alpha=0.15, linewidth=0)
        gaps = [s["gap"] for each in having if "gap" in (s := each.scores[task][name])]
        label = name.upper() + (f", gap {np.median(gaps):.2g}" if gaps else "")
        ax.plot(epochs, rows[:, 1], color=colour, linestyle=line, linewidth=1.6, label=label)
    ax.margins(y=0.25)
    ax.legend(loc="upper left", ncols=3)
