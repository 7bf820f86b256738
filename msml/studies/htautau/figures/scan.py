"""MSE, AUC and validity against the weight of task 1: what Fig. 3 and Fig. 6 share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msml.report.looks import AXES, mean_and_error, new_figure, places, weight_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

METRICS = ("mse", "auc", "validity")
_LETTERS = "abc"
_SHIFT = 0.12
_MOST_KEPT = 0.7


@dataclass(frozen=True)
class Series:
    """Runs that are shown alike.

    Attributes:
        name: Its entry in the legend.
        look: Colour, marker and line.
        rows: One row for each run.
        flat: Whether it does not depend on the weight: drawn as a band.
    """

    name: str
    look: tuple[str, str, Any]
    rows: "DataFrame"
    flat: bool = False


def summarise(series: Sequence[Series]) -> "DataFrame":
    """Mean, standard error and spread of each metric, for each series and weight."""
    from pandas import DataFrame

    made = []
    for each in series:
        groups: list[tuple[Any, DataFrame]] = [(None, each.rows)]
        if not each.flat:
            groups = list(each.rows.groupby("v1"))
        for weight, rows in groups:
            row: dict[str, Any] = {"series": each.name, "v1": weight, "runs": len(rows)}
            for metric in METRICS:
                found = mean_and_error(rows[metric], rows[f"{metric} error"])
                row |= {metric: found["mean"], f"{metric} error": found["error"]}
                row[f"{metric} spread"] = found["spread"]
            made.append(row)
    return DataFrame(made)


def draw(series: Sequence[Series]) -> "Figure":
    """Draw a panel for each metric; error bars are standard errors, thin ones the spread."""
    shown = summarise(series)
    at = places([w for each in series if not each.flat for w in each.rows["v1"]])
    metrics = [m for m in METRICS if shown[m].notna().any()]
    figure, axes = new_figure(2.6 * len(metrics) + 0.2, 3.1, (1.0,), columns=len(metrics))
    for letter, ax, metric in zip(_LETTERS, axes, metrics, strict=False):
        moving = [each for each in series if not each.flat]
        for each in series:
            rows = shown[shown["series"] == each.name]
            if each.flat:
                _band(ax, each, rows.iloc[0], metric)
            else:
                shift = _SHIFT * (moving.index(each) - (len(moving) - 1) / 2)
                _points(ax, each, rows, metric, at, shift)
        weight_axis(ax, at)
        ax.set_ylabel(AXES[metric])
        ax.set_title(f"({letter})", loc="left")
        ax.margins(y=0.1)
        _keep_scale(ax, [shown[shown["series"] == each.name] for each in moving], metric, at)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=len(names))
    return figure


def _points(
    ax: "Axes",
    each: Series,
    rows: "DataFrame",
    metric: str,
    at: dict[float, int],
    shift: float,
) -> None:
    colour, marker, line = each.look
    x = [at[weight] + shift for weight in rows["v1"]]
    value = rows[metric]
    ax.errorbar(x, value, yerr=rows[f"{metric} spread"], fmt="none", color=colour, elinewidth=0.5)
    ax.errorbar(
        x,
        value,
        yerr=rows[f"{metric} error"],
        color=colour,
        marker=marker,
        linestyle=line,
        linewidth=0.8,
        elinewidth=1.8,
        markersize=4,
        label=each.name,
    )


def _keep_scale(
    ax: "Axes", series: Sequence["DataFrame"], metric: str, at: dict[float, int]
) -> None:
    """Let a few values far below all others not decide the scale: an arrow and a number say them.

    At v_1 = 1 nothing trains task 2, and its AUC is that of chance or of pre-training.
    """
    low, high = ax.get_ylim()
    values = [(at[w], v) for rows in series for w, v in zip(rows["v1"], rows[metric], strict=True)]
    found = sorted(value for _, value in values if value == value)
    kept = [value for value in found if value > (low + high) / 2]
    if metric != "auc" or len(kept) < _MOST_KEPT * len(found) or len(kept) == len(found):
        return
    span = max(kept[-1] - kept[0], 0.02 * (high - low))
    if span > (high - low) / 4:
        return
    ax.set_ylim(kept[0] - 0.6 * span, kept[-1] + 0.3 * span)
    outside: dict[int, list[float]] = {}
    for place, value in values:
        if value < kept[0] - 0.6 * span:
            outside.setdefault(place, []).append(value)
    for place, several in outside.items():
        text = " to ".join(dict.fromkeys(f"{v:.2f}" for v in (min(several), max(several))))
        ax.annotate(
            text,
            (place, 0.0),
            (0, 14),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="right",
            fontsize=7,
            arrowprops={"arrowstyle": "->", "linewidth": 0.7},
        )


def _band(ax: "Axes", each: Series, row: Any, metric: str) -> None:
    colour, _, line = each.look
    value, error = float(row[metric]), float(row[f"{metric} error"])
    ax.axhline(value, color=colour, linestyle=line, linewidth=1, label=each.name, zorder=1)
    ax.axhspan(value - error, value + error, color=colour, alpha=0.25, linewidth=0, zorder=0)
