"""Fig. 2: AUC of all pairs of candidates, with and without re-optimisation."""

from typing import TYPE_CHECKING

from msml.plotting import COLOURS, MARKERS
from msml.registry import figures
from msml.report.looks import (
    AXES,
    QUANTILES,
    NothingToDraw,
    mean_and_error,
    new_figure,
    violin,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

TITLE = "AUC of all pairs with and without re-optimisation"
CAPTION = (
    "AUC of task 2 on test for each pair of candidates (task 1 above task 2), trained in sequence "
    "(without re-optimisation) and jointly (with). Lines in a violin: minimum, quartiles and "
    "maximum of the runs; of fewer than five runs, points, their mean and its standard error."
)
MODES = {"joint": "With re-optimisation", "sequential": "Without re-optimisation"}


def rows(table: "DataFrame") -> "DataFrame":
    """Keep what the figure shows: runs of given chains in both modes."""
    chosen: DataFrame = table[(table["strategy"] == "") & table["mode"].isin(list(MODES))]
    chosen = chosen[chosen["auc"].notna()]
    if chosen.empty:
        raise NothingToDraw("no run has chains in the modes sequential and joint")
    return chosen


def summary(table: "DataFrame") -> "DataFrame":
    """Describe each pair and mode over its runs, and what re-optimisation gains, seed by seed."""
    from pandas import DataFrame

    shown = rows(table)
    made = []
    for chain in dict.fromkeys(shown["chain"]):
        here = shown[shown["chain"] == chain]
        wide = here.pivot_table(index="seed", columns="mode", values="auc")
        gain = mean_and_error(wide["joint"] - wide["sequential"]) if len(wide.columns) > 1 else {}
        for mode in MODES:
            each = here[here["mode"] == mode]
            if each.empty:
                continue
            found = mean_and_error(each["auc"], each["auc error"])
            row = {"chain": chain, "mode": mode, "runs": found["runs"], "auc": found["mean"]}
            row |= {"auc error": found["error"], "auc spread": found["spread"]}
            row |= {f"q{int(100 * q)}": each["auc"].quantile(q) for q in QUANTILES}
            if mode == "joint" and gain:
                row |= {"gain": gain["mean"], "gain error": gain["error"]}
            made.append(row)
    return DataFrame(made)


@figures.register("fig2", title=TITLE, caption=CAPTION, summary=summary)
def draw(table: "DataFrame") -> "Figure":
    """Draw two violins for each pair."""
    from matplotlib.lines import Line2D

    shown = rows(table)
    chains = list(dict.fromkeys(shown["chain"]))
    figure, (ax,) = new_figure(max(4.5, 0.78 * len(chains) + 0.9), 3.8, (1.0,))
    for index, chain in enumerate(chains):
        for number, mode in enumerate(MODES):
            here = shown[(shown["chain"] == chain) & (shown["mode"] == mode)]
            values = here["auc"].to_numpy(float)
            place = index + (-0.2, 0.2)[number]
            violin(ax, place, values, COLOURS[number], MARKERS[number], 0.36)
    labels = [chain.upper().replace("+", "\n") for chain in chains]
    ax.set_xticks(range(len(chains)), labels)
    ax.tick_params(axis="x", which="both", bottom=False, top=False)
    for index in range(1, len(chains)):
        ax.axvline(index - 0.5, color="0.85", linewidth=0.6, zorder=0)
    ax.set_xlim(-0.5, len(chains) - 0.5)
    ax.set_ylabel(AXES["auc"])
    ax.margins(y=0.08)
    entries = [
        Line2D([], [], color=COLOURS[i], marker=MARKERS[i], linewidth=4, alpha=0.7, label=name)
        for i, name in enumerate(MODES.values())
    ]
    figure.legend(handles=entries, loc="outside upper right", ncols=2)
    return figure
