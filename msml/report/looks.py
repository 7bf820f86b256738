"""What the paper's figures share: colours of strategies, places of weights, violins."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from msml.data.kinematics import Array
from msml.plotting import COLOURS, LINES, MARKERS, new_figure
from msml.registry import strategies

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame, Series

__all__ = ["new_figure"]

_STRATEGIES = ("darts", "spos", "grid", "random", "asng")  # in the order of their colours

AXES = {
    "mse": r"MSE of task 1 [GeV$^2$]",
    "auc": "AUC of task 2",
    "validity": r"Fraction within the GP's 2$\sigma$",
}
V1 = r"Weight of task 1, $v_1$"
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
_FEWEST_OF_A_SHAPE = 5
_POINTS = 81
_FEW_WEIGHTS = 5


class NothingToDraw(Exception):  # noqa: N818 - a reason, not an error
    """The results have nothing for a figure; says what is missing."""


def looks(names: Iterable[str]) -> dict[str, tuple[str, str, Any]]:
    """Order strategies, and give each its colour, marker and line.

    Those of msml have the same in all figures; others follow by name with the next ones.
    """
    found = set(names) - {""}
    others = sorted(found - set(_STRATEGIES))
    places = {name: i for i, name in enumerate((*_STRATEGIES, *others)) if name in found}
    kinds = len(COLOURS)
    return {
        n: (COLOURS[i % kinds], MARKERS[i % kinds], LINES[i % kinds]) for n, i in places.items()
    }


def title(strategy: str) -> str:
    """Name a strategy as it is registered, or as the results do."""
    known = strategies.get(strategy).facts if strategy in strategies.names() else {}
    return str(known.get("title", strategy))


def pair(chain: str) -> str:
    """Write the candidates of a chain as the paper does: `(CNN, LSTM)`."""
    return "(" + ", ".join(name.upper() for name in chain.split("+")) + ")"


def mean_and_error(values: "Series[Any]", errors: "Series[Any] | None" = None) -> dict[str, float]:
    """Mean over runs and its standard error; of one run, the error that it came with.

    Returns:
        `runs`, `mean`, `error` and `spread`, the standard deviation of the runs.
    """
    found = values.dropna()
    count = len(found)
    mean = float(found.mean()) if count else float("nan")
    if count > 1:
        spread = float(found.std(ddof=1))
        return {"runs": count, "mean": mean, "error": spread / count**0.5, "spread": spread}
    own = errors.loc[found.index] if errors is not None and count else None
    error = float(own.iloc[0]) if own is not None else float("nan")
    return {"runs": count, "mean": mean, "error": error, "spread": float("nan")}


def places(values: Sequence[float]) -> dict[float, int]:
    """Put weights at equal distances, as they crowd at both ends of [0, 1]."""
    return {value: index for index, value in enumerate(sorted(set(values)))}


def weight_axis(ax: "Axes", at: dict[float, int]) -> None:
    """Label an axis of equally spaced weights."""
    ax.set_xticks(list(at.values()), [f"{value:g}" for value in at])
    if len(at) > _FEW_WEIGHTS:
        ax.tick_params(axis="x", labelrotation=50)
    ax.tick_params(axis="x", which="minor", bottom=False, top=False)
    ax.tick_params(axis="x", labelsize=7)
    ax.set_xlim(-0.6, len(at) - 0.4)
    ax.set_xlabel(V1)


def first_of_each_run(table: "DataFrame") -> "DataFrame":
    """Keep one row of each run: what a search found is the same in all of them."""
    return table.drop_duplicates("directory")


def final(table: "DataFrame") -> "DataFrame":
    """Keep the last mode of each chain of a run: the result."""
    return table.drop_duplicates(["directory", "chain"], keep="last")


def violin(ax: "Axes", place: float, values: Array, colour: str, marker: str, width: float) -> None:
    """Draw the shape of a distribution with lines at its quartiles and ends.

    Few values are drawn as points, with a bar at their mean and its standard error.
    """
    ordered = np.sort(values[np.isfinite(values)])
    if len(ordered) < _FEWEST_OF_A_SHAPE or ordered[0] == ordered[-1]:
        if len(ordered):
            _few(ax, place, ordered, colour, marker, width)
        return
    drawn: dict[str, Any] = ax.violinplot(
        ordered, [place], widths=width, points=_POINTS, quantiles=[QUANTILES]
    )
    drawn["bodies"][0].set(facecolor=colour, alpha=0.35, linewidth=0)
    # The ends are quantiles too; the middle one is the median.
    drawn["cquantiles"].set(color=colour, linewidth=[0.9, 0.9, 1.6, 0.9, 0.9])
    drawn["cbars"].set(color=colour, linewidth=0.7)
    for name in ("cmins", "cmaxes"):
        drawn[name].remove()


def _few(ax: "Axes", place: float, values: Array, colour: str, marker: str, width: float) -> None:
    """Draw values as points, their mean as a line, and its standard error as a band."""
    shifts = np.linspace(-0.25, 0.25, len(values)) * width if len(values) > 1 else np.zeros(1)
    ax.plot(place + shifts, values, marker, color=colour, markersize=3)
    middle, left, right = float(values.mean()), place - width / 2, place + width / 2
    ax.hlines(middle, left, right, color=colour, linewidth=1.2)
    if len(values) > 1:
        error = float(values.std(ddof=1)) / len(values) ** 0.5
        low, high = middle - error, middle + error
        ax.fill_between([left, right], low, high, color=colour, alpha=0.25, linewidth=0)
