"""Fig. 5: which pairs are selected, against the weight of task 1, for each strategy."""

from typing import TYPE_CHECKING, Any

import numpy as np

from msml.plotting import COLOURS
from msml.registry import figures
from msml.report.looks import (
    NothingToDraw,
    first_of_each_run,
    looks,
    new_figure,
    pair,
    places,
    title,
    weight_axis,
)
from msml.report.statistics import Fraction, fraction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

TITLE = "Selected pairs against the weight of task 1"
CAPTION = (
    "How often each pair of candidates is selected. The bar on the commonest pair of a strategy is "
    "the 68 % Wilson interval of its fraction; all intervals are in the table. The numbers above "
    "the bars count the runs; in brackets, those whose choice lay within the uncertainty of the "
    "ranking or was a tie."
)
_HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "oooo")
_MOST_NAMED = 10
_OTHERS = "other pairs"


def rows(table: "DataFrame") -> "DataFrame":
    """Keep one row for each search.

    Raises:
        NothingToDraw: No search is done.
    """
    found = first_of_each_run(table[table["selected"].notna()])
    if found.empty:
        raise NothingToDraw("no search is done")
    return found


def summary(table: "DataFrame") -> "DataFrame":
    """Fraction of each pair with its Wilson interval, for each strategy and weight."""
    from pandas import DataFrame

    made = []
    for (strategy, weight), here in rows(table).groupby(["strategy", "v1"]):
        for chain, count in here["selected"].value_counts().items():
            part = fraction(int(count), len(here)) or Fraction(0, 0, 0)
            open_ = here[here["selected"] == chain]["undetermined"].fillna("").ne("").sum()
            row = {"strategy": strategy, "v1": weight, "pair": chain, "selected": int(count)}
            row |= {"runs": len(here), "fraction": part.value, "low": part.low, "high": part.high}
            made.append({**row, "undetermined": int(open_)})
    return DataFrame(made)


@figures.register("fig5", title=TITLE, caption=CAPTION, summary=summary)
def draw(table: "DataFrame") -> "Figure":
    """Draw a panel of stacked bars for each strategy."""
    from matplotlib.patches import Patch

    shown = summary(table)
    order = list(shown.groupby("pair")["selected"].sum().sort_values(ascending=False).index)
    named = order if len(order) <= _MOST_NAMED else order[: _MOST_NAMED - 1]
    strategies = list(looks(shown["strategy"]))
    at = places(list(shown["v1"]))
    figure, axes = new_figure(6.4, 1.75 * len(strategies) + 0.9, (1.0,) * len(strategies))
    for ax, strategy in zip(axes, strategies, strict=True):
        _panel(ax, shown[shown["strategy"] == strategy], named, at)
        weight_axis(ax, at)
        ax.set_ylabel("Fraction of runs")
        ax.set_title(title(strategy), loc="left", pad=3)
    for ax in axes[:-1]:
        ax.set_xlabel("")
        ax.tick_params(labelbottom=False)
    entries = [Patch(**_patch(i), label=pair(name)) for i, name in enumerate(named)]
    if len(named) < len(order):
        entries.append(Patch(facecolor="0.85", edgecolor="0.3", label=_OTHERS))
    figure.legend(handles=entries, loc="outside right upper")
    return figure


def _patch(index: int) -> dict[str, Any]:
    """Colour and hatch of a pair: 49 differ."""
    turn = index // len(COLOURS)
    hatch = _HATCHES[(index + turn) % len(_HATCHES)]
    colour = "0.45" if COLOURS[index % len(COLOURS)] == "#000000" else COLOURS[index % len(COLOURS)]
    return {"facecolor": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0.4}


def _intervals(ax: "Axes", shown: "DataFrame", name: str, at: dict[float, int]) -> None:
    """Draw the interval of a pair's fraction at each weight, also where it was not selected."""
    for weight, here in shown.groupby("v1"):
        count = int(here[here["pair"] == name]["selected"].sum())
        part = fraction(count, int(here["runs"].iloc[0])) or Fraction(0, 0, 0)
        ends = [[part.value - part.low], [part.high - part.value]]
        ax.errorbar(
            at[weight],
            part.value,
            yerr=ends,
            fmt="none",
            color="black",
            elinewidth=1.1,
            capsize=2,
        )


def _panel(ax: "Axes", shown: "DataFrame", named: list[str], at: dict[float, int]) -> None:
    """Stack the pairs, the commonest of this strategy lowest, with its interval."""
    order = list(shown.groupby("pair")["selected"].sum().sort_values(ascending=False).index)
    top = np.zeros(len(at))
    for rank, name in enumerate(order):
        here = shown[shown["pair"] == name]
        x = np.array([at[weight] for weight in here["v1"]])
        shape: dict[str, Any] = {"facecolor": "0.85", "edgecolor": "0.3", "linewidth": 0.4}
        look = _patch(named.index(name)) if name in named else shape
        heights = here["fraction"].to_numpy(float)
        ax.bar(x, heights, 0.72, bottom=top[x], **look)
        top[x] += heights
        if rank == 0:
            _intervals(ax, shown, name, at)
    for weight, here in shown.groupby("v1"):
        open_ = int(here["undetermined"].sum())
        text = f"{here['runs'].iloc[0]}" + (f" ({open_})" if open_ else "")
        ax.text(at[weight], 1.03, text, ha="center", va="bottom", fontsize=7)
    ax.set_ylim(0, 1.22)
    ax.set_yticks([0, 0.5, 1])
    ax.minorticks_off()
