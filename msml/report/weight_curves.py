"""How a weighting weighed the tasks, epoch by epoch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from msml.data.kinematics import Array
from msml.plotting import look
from msml.registry import figures
from msml.report.looks import NothingToDraw, new_figure
from msml.report.results import Results
from msml.runs import log
from msml.runs.directory import kept_recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

TITLE = "Weights of the losses"
CAPTION = (
    "Weight of each task's loss against epoch, a panel for each weighting, or each point of the "
    "sweep; lines are medians over seeds, bands reach from the least to the largest."
)
_COLUMNS = 5


@dataclass(frozen=True)
class Curve:
    """The weights of one task in one training.

    Attributes:
        name: The point of the sweep, or else the rule.
        task: The task.
        weights: `(epochs,)`.
    """

    name: str
    task: str
    weights: Array


def curves(results: Results) -> list[Curve]:
    """Read the weights that were logged.

    Raises:
        NothingToDraw: There are none.
    """
    names = {row["directory"]: results.place(row) for row in results.rows}
    found = [curve for run in results.runs for curve in _of_run(run, names.get(str(run), ""))]
    if not found:
        raise NothingToDraw("no weighting was at work but that of fixed weights")
    return found


def _of_run(run: Path, name: str) -> Iterator[Curve]:
    units: dict[str, list[Mapping[str, float]]] = {}
    for record in log.records(run):
        if weights := record.get("weighting", {}).get("coefficients"):
            units.setdefault(record["unit"], []).append(weights)
    if units and not name:
        name = str(kept_recipe(run).values.weighting["name"])
    for epochs in units.values():
        for task in epochs[0]:
            yield Curve(name, task, np.array([epoch[task] for epoch in epochs], float))


def summarise(found: list[Curve]) -> "DataFrame":
    """Median over runs of the weights in the first and in each run's last epoch."""
    from pandas import DataFrame

    made = []
    for (name, task), here in _groups(found).items():
        row: dict[str, Any] = {"weighting": name, "task": task, "runs": len(here)}
        row["first epoch"] = float(np.median([each[0] for each in here]))
        row["last epoch"] = float(np.median([each[-1] for each in here]))
        made.append(row)
    return DataFrame(made)


@figures.register("loss_weights", title=TITLE, caption=CAPTION, summary=summarise, source=curves)
def draw(found: list[Curve]) -> "Figure":
    """Draw a panel for each weighting, a line for each task."""
    groups = _groups(found)
    names = list(dict.fromkeys(name for name, _ in groups))
    tasks = list(dict.fromkeys(task for _, task in groups))
    columns, rows = min(len(names), _COLUMNS), -(-len(names) // _COLUMNS)
    figure, axes = new_figure(2.8 * columns + 0.6, 2.7 * rows + 0.3, (1.0,) * rows, columns)
    axes = [axes[column * rows + row] for row in range(rows) for column in range(columns)]
    for ax in axes[len(names) :]:
        ax.remove()
    for ax, name in zip(axes, names, strict=False):
        for number, task in enumerate(tasks):
            here = groups.get((name, task), [])
            if not here:
                continue
            colour, line = look(number)
            low, middle, high = _bands(here)
            epochs = np.arange(1, len(middle) + 1)
            ax.plot(epochs, middle, color=colour, linestyle=line, label=task)
            ax.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)
        ax.set_title(name, loc="left")
        ax.set_xlabel("Epoch")
    for ax in axes[: len(names) : columns]:
        ax.set_ylabel("Weight of the loss")
    entries = axes[0].get_legend_handles_labels()
    figure.legend(*entries, loc="outside upper center", ncols=len(tasks))
    return figure


def _groups(found: list[Curve]) -> dict[tuple[str, str], list[Array]]:
    groups: dict[tuple[str, str], list[Array]] = {}
    for curve in found:
        groups.setdefault((curve.name, curve.task), []).append(curve.weights)
    return groups


def _bands(curves_: list[Array]) -> tuple[Array, Array, Array]:
    """Least, median and largest at each epoch, over the runs that reached it."""
    longest = max(map(len, curves_))
    table = np.full((len(curves_), longest), np.nan)
    for row, curve in zip(table, curves_, strict=True):
        row[: len(curve)] = curve
    return np.nanmin(table, axis=0), np.nanmedian(table, axis=0), np.nanmax(table, axis=0)
