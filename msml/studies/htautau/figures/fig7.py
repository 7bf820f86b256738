"""Fig. 7: time, gradient passes and AUC against the number of models of a task."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from msml.registry import figures
from msml.report.looks import (
    AXES,
    NothingToDraw,
    final,
    first_of_each_run,
    looks,
    mean_and_error,
    new_figure,
    title,
)
from msml.report.power import Power, fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

TITLE = "Scaling with the number of models"
CAPTION = (
    "(a) Wall time of search and re-optimisation, without pre-training and evaluation, (b) "
    "gradient passes of the search (one model over the training split once) and (c) AUC of task 2 "
    "of the selected pair, against the number of models of each task. Points: mean and standard "
    "error over the runs, of a single run's AUC the statistical error; open markers: fewer events. "
    "Lines: fits of C·x^a with the standard error of a in brackets, for SPOS to the first six "
    "numbers of models only, as its ranking of all pairs follows another power."
)
COLUMNS = {
    "train_seconds": "Wall time [s]",
    "gradient_passes": "Gradient passes",
    "auc": AXES["auc"],
}
_FITTED = ("train_seconds", "gradient_passes")
_FIRST = {"spos": 6}
_PLAIN = 10  # a range below this factor has plain numbers on its axis
_SPREAD = 0.6  # of the least distance of two abscissas, over which bars stand beside each other


@dataclass(frozen=True)
class Curve:
    """Runs of one strategy and number of events.

    Attributes:
        strategy: The strategy.
        look: Its colour, marker and line.
        events: Events of all splits; None where unknown.
        rows: One row for each run.
    """

    strategy: str
    look: tuple[str, str, Any]
    events: int | None
    rows: "DataFrame"

    @property
    def name(self) -> str:
        """Its entry in a legend."""
        return title(self.strategy) + (f", {self.events:,} events" if self.events else "")


def curves(table: "DataFrame") -> list[Curve]:
    """Divide the runs of searches by strategy and events.

    Raises:
        NothingToDraw: No search is done.
    """
    found = first_of_each_run(final(table[table["selected"].notna()]))
    if found.empty:
        raise NothingToDraw("no search is done")
    made = []
    for strategy, look in looks(found["strategy"]).items():
        here = found[found["strategy"] == strategy]
        for events, rows in here.groupby("events", dropna=False, sort=True):
            made.append(Curve(strategy, look, int(events) if events == events else None, rows))
    return made


def power(curve: Curve, column: str) -> Power | None:
    """Fit a column of one curve."""
    models = sorted(curve.rows["models"].unique())[: _FIRST.get(curve.strategy)]
    rows = curve.rows[curve.rows["models"].isin(models)]
    return fit(rows["models"].to_numpy(float), rows[column].to_numpy(float))


def summary(table: "DataFrame") -> "DataFrame":
    """Means with errors for each number of models, and the fits, in rows without a number."""
    from pandas import DataFrame

    made: list[dict[str, Any]] = []
    for curve in curves(table):
        about = {"strategy": curve.strategy, "events": curve.events}
        for models, rows in curve.rows.groupby("models"):
            row = {**about, "models": models, "runs": len(rows)}
            for column, found in _means(rows):
                row |= {column: found["mean"], f"{column} error": found["error"]}
            made.append(row)
        row = {**about}
        for column in _FITTED:
            if law := power(curve, column):
                row |= {f"{column} C": law.factor, f"{column} C error": law.factor_error}
                row |= {f"{column} a": law.exponent, f"{column} a error": law.exponent_error}
        made.append(row)
    return DataFrame(made)


@figures.register("fig7", title=TITLE, caption=CAPTION, summary=summary)
def draw(table: "DataFrame") -> "Figure":
    """Draw the three panels."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, ScalarFormatter

    found = curves(table)
    largest = max((curve.events or 0) for curve in found)
    models = sorted({int(m) for curve in found for m in curve.rows["models"]})
    least = min((after / before for before, after in pairwise(models)), default=2.0)
    figure, axes = new_figure(9.0, 3.7, (1.0,), columns=len(COLUMNS))
    for letter, ax, (column, label) in zip("abc", axes, COLUMNS.items(), strict=True):
        for number, curve in enumerate(found):
            place = (number - (len(found) - 1) / 2) / len(found) if column == "auc" else 0.0
            shift = least ** (_SPREAD * place)
            _draw_curve(ax, curve, column, shift, (curve.events or 0) == largest)
        ax.set_xscale("log")
        if column in _FITTED and any((curve.rows[column] > 0).any() for curve in found):
            ax.set_yscale("log")
            low, high = ax.get_ylim()
            if high < _PLAIN * low:
                ax.yaxis.set_major_formatter(FuncFormatter(_plain))
                ax.yaxis.set_minor_formatter(FuncFormatter(_plain))
            ax.set_ylim(low, high * (high / low) ** (0.09 * (len(found) + 1)))
            ax.legend(loc="upper left", title=r"$C\,x^a$", fontsize=7, title_fontsize=7)
        else:
            ax.margins(y=0.15)
        ax.set_xlabel("Models per task")
        ax.set_ylabel(label)
        ax.set_title(f"({letter})", loc="left")
        ax.xaxis.set_major_locator(FixedLocator(_apart(models)))
        ax.xaxis.set_major_formatter(ScalarFormatter())
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.tick_params(axis="x", which="minor", bottom=False, top=False)
        ax.set_xlim(models[0] / 1.2, models[-1] * 1.2)
    handles, names = axes[-1].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=min(3, len(names)))
    return figure


def _draw_curve(ax: "Axes", curve: Curve, column: str, shift: float, filled: bool) -> None:
    colour, marker, line = curve.look
    groups = [(float(m), dict(_means(rows))[column]) for m, rows in curve.rows.groupby("models")]
    x = np.array([models for models, _ in groups])
    law = power(curve, column) if column in _FITTED else None
    ax.errorbar(
        x * shift,
        [each["mean"] for _, each in groups],
        yerr=[each["error"] for _, each in groups],
        fmt=marker,
        color=colour,
        markerfacecolor=colour if filled else "white",
        markersize=4.5,
        elinewidth=1.1,
        capsize=2,
        label=_law(law) if column in _FITTED else curve.name,
    )
    if law:
        reach = np.geomspace(x[0], x[-1], 50)
        ax.plot(reach, law(reach), color=colour, linestyle=line, linewidth=0.9, zorder=1)


def _law(law: Power | None) -> str:
    """Write a fit as an entry of a legend."""
    if law is None:
        return "no fit"
    known = np.isfinite(law.exponent_error) and law.exponent_error > 0
    error = f" ± {law.exponent_error:.2f}" if known else ""
    return rf"$C$ = {law.factor:.3g}, $a$ = {law.exponent:.2f}{error}"


def _plain(value: float, _: int) -> str:
    """The text of a tick."""
    return f"{value:g}"


def _means(rows: "DataFrame") -> Iterator[tuple[str, dict[str, float]]]:
    for column in COLUMNS:
        errors = rows["auc error"] if column == "auc" else None
        yield column, mean_and_error(rows[column], errors)


def _apart(models: list[int]) -> list[int]:
    """Leave out labels that would touch on a logarithmic axis."""
    shown = models[:1]
    for number in models[1:]:
        if number >= shown[-1] * (models[-1] / models[0]) ** 0.09:
            shown.append(number)
    return shown
