"""Fig. 3: MSE, AUC and validity against the weight of task 1, with and without re-optimisation."""

from typing import TYPE_CHECKING

from msml.plotting import COLOURS, LINES, MARKERS
from msml.registry import figures
from msml.report.looks import NothingToDraw, final
from msml.studies.htautau.figures import scan

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

TITLE = "MSE, AUC and validity against the weight of task 1"
CAPTION = (
    "(a) mean squared error of task 1 (sum over both taus and their momentum components), (b) AUC "
    "of task 2, and (c) fraction of events whose intermediate output lies within two standard "
    "deviations of the Gaussian process, on test, for the best pair of each run. Thick bars: "
    "standard error over the runs; thin ones: standard deviation of the runs; of a single run, the "
    "statistical error of its test events. An arrow: a mean below the scale. Without "
    "re-optimisation nothing depends on the weight: a line with its standard error, of the pair "
    "with the lowest loss of task 2 on valid."
)


def series(table: "DataFrame") -> list[scan.Series]:
    """Divide the runs: grid searches, and the best sequential chain of each seed.

    Raises:
        NothingToDraw: There are no grid searches.
    """
    found = final(table)
    grid = found[(found["strategy"] == "grid") & (found["mode"] == "joint")]
    if grid.empty:
        raise NothingToDraw("no grid search is done")
    made = [
        scan.Series("With re-optimisation", (COLOURS[0], MARKERS[0], LINES[0]), grid),
    ]
    without = best_sequential(table)
    if len(without):
        shape = COLOURS[1], MARKERS[1], LINES[1]
        made.append(scan.Series("Without re-optimisation", shape, without, flat=True))
    return made


def best_sequential(table: "DataFrame") -> "DataFrame":
    """Keep the sequential chain of each seed whose last task has the lowest loss on valid."""
    rows = table[(table["mode"] == "sequential") & (table["strategy"] == "")]
    rows = rows[rows["valid_loss"].notna()]
    return rows.sort_values("valid_loss", kind="stable").drop_duplicates("seed").sort_values("seed")


def summary(table: "DataFrame") -> "DataFrame":
    """Numbers of the figure."""
    return scan.summarise(series(table))


@figures.register("fig3", title=TITLE, caption=CAPTION, summary=summary)
def draw(table: "DataFrame") -> "Figure":
    """Draw the three panels."""
    return scan.draw(series(table))
