"""The metrics of any sweep: means and spreads over seeds at each point of its other axes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from msml.metrics import apart, on_subset
from msml.plotting import COLOURS, LINES, MARKERS
from msml.registry import figures
from msml.report.looks import NothingToDraw, mean_and_error, new_figure
from msml.report.results import Results
from msml.report.run import heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

TITLE = "Metrics at the points of the sweep"
CAPTION = (
    "Each metric on test, for each point of the sweep. Thick bars are standard errors of the mean "
    "over seeds, thin ones the spread of the runs."
)
_SEED = "seed"
_HEIGHT = 0.24  # inches for each point that has a name


@dataclass(frozen=True)
class Points:
    """The runs of a sweep.

    Attributes:
        rows: A row for each run, chain and mode.
        axes: Columns that say which point it is; where there are several, chain and mode too.
        metrics: Columns of metrics, `task/metric`.
    """

    rows: "DataFrame"
    axes: list[str]
    metrics: list[str]

    @property
    def scanned(self) -> str | None:
        """The axis of most values that are numbers; None where there is none of several."""
        from pandas.api.types import is_numeric_dtype

        found = {
            axis: self.rows[axis].nunique()
            for axis in self.axes
            if is_numeric_dtype(self.rows[axis]) and self.rows[axis].nunique() > 1
        }
        return max(found, key=lambda axis: found[axis]) if found else None


def points(results: Results) -> Points:
    """Take the results of a sweep apart.

    Raises:
        NothingToDraw: There is no sweep, or nothing of it is measured.
    """
    from pandas import DataFrame

    rows = DataFrame(list(results.rows))
    metrics = [n for n in rows.columns if "/" in n and f"{n} error" in rows.columns]
    if not metrics:
        raise NothingToDraw("no point of a sweep is measured")
    several = [name for name in rows.columns if rows[name].nunique(dropna=False) > 1]
    axes = [name for name in results.axes if name != _SEED and name in several]
    axes = axes or [name for name in ("chain", "mode") if name in several]
    if not axes:
        raise NothingToDraw("the sweep has no axis but the seed")
    return Points(rows, axes, metrics)


def summarise(found: Points) -> "DataFrame":
    """Mean, standard error and spread of each metric at each point, in the order of the sweep."""
    from pandas import DataFrame

    made = []
    for key, here in found.rows.groupby(found.axes, sort=False, dropna=False):
        row: dict[str, Any] = dict(zip(found.axes, key, strict=True)) | {"runs": len(here)}
        for metric in found.metrics:
            about = mean_and_error(here[metric], here[f"{metric} error"])
            row |= {metric: about["mean"], f"{metric} error": about["error"]}
            row[f"{metric} spread"] = about["spread"]
        made.append(row)
    return DataFrame(made)


@figures.register("points", title=TITLE, caption=CAPTION, summary=summarise, source=points)
def draw(found: Points) -> "Figure":
    """Draw a panel for each metric: against the axis of numbers, or a line for each point.

    Those of the whole test split are in the first row, those of each subset in one below.
    """
    table, along = summarise(found), found.scanned
    known = [n for n in found.metrics if table[n].notna().any()]
    names, below = _panels(known)
    others = [axis for axis in found.axes if axis != along]
    series = list(table.groupby(others, sort=False, dropna=False)) if along and others else []
    height = 3.2 if along else 1.0 + _HEIGHT * len(table)
    columns = len(names) // below
    figure, axes = new_figure(2.8 * columns + 1.0, height * below, (1.0,) * below, columns)
    for place, (ax, metric) in enumerate(zip(axes, names, strict=True)):
        if metric not in known:
            ax.set_axis_off()
            continue
        if along is None:
            _listed(ax, table, found.axes, metric, labelled=place < below)
            continue
        for i, (key, rows) in enumerate(series or [(("all",), table)]):
            _curve(ax, rows, along, metric, ", ".join(map(str, key)), i)
        if place % below == below - 1:
            ax.set_xlabel(along.rpartition(".")[2])
        ax.set_ylabel(_label(metric))
        even(ax, table[along])
    if series:
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _panels(metrics: Sequence[str]) -> tuple[list[str], int]:
    """Order metrics as panels, column by column; and how many there are in a column."""
    pairs = [apart(name) for name in metrics]
    subsets = list(dict.fromkeys(subset for _, subset in pairs))
    names = [on_subset(n, s) for n in dict.fromkeys(name for name, _ in pairs) for s in subsets]
    return names, len(subsets)


def _curve(ax: "Axes", rows: "DataFrame", along: str, metric: str, name: str, i: int) -> None:
    look: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)]}
    x, y = rows[along], rows[metric]
    ax.errorbar(x, y, yerr=rows[f"{metric} spread"], fmt="none", elinewidth=0.5, **look)
    shape = {"marker": MARKERS[i % len(MARKERS)], "linestyle": LINES[i % len(LINES)], **look}
    ax.errorbar(x, y, yerr=rows[f"{metric} error"], elinewidth=1.8, label=name, **shape)


def _listed(
    ax: "Axes", table: "DataFrame", axes: list[str], metric: str, *, labelled: bool
) -> None:
    """Draw points with names, the first at the top."""
    from matplotlib.ticker import MaxNLocator

    places = np.arange(len(table))[::-1]
    look: dict[str, Any] = {"color": COLOURS[0]}
    x = table[metric]
    ax.errorbar(x, places, xerr=table[f"{metric} spread"], fmt="none", elinewidth=0.5, **look)
    ax.errorbar(x, places, xerr=table[f"{metric} error"], fmt="o", elinewidth=1.8, **look)
    names = [", ".join(str(row[axis]) for axis in axes) for row in table.to_dict("records")]
    ax.set_yticks(places, names if labelled else [""] * len(names))
    ax.tick_params(axis="y", which="minor", left=False, right=False)
    ax.set_xlabel(_label(metric))
    ax.set_ylim(-0.7, len(table) - 0.3)
    ax.xaxis.set_major_locator(MaxNLocator(3))


def even(ax: "Axes", values: "Any") -> None:
    """Mark values on a logarithmic axis, where each is a multiple of the one before."""
    found = sorted({float(value) for value in values})
    ratios = {b / a for a, b in pairwise(found) if a > 0}
    if found[0] > 0 and len(found) > 2 and min(ratios) >= 1.9:
        from matplotlib.ticker import NullFormatter, ScalarFormatter

        ax.set_xscale("log", base=2)
        ax.set_xticks(found)
        ax.xaxis.set_major_formatter(ScalarFormatter())
        ax.xaxis.set_minor_formatter(NullFormatter())


def _label(metric: str) -> str:
    task, _, name = metric.rpartition("/")
    return f"{heading(name)} of {task}"
