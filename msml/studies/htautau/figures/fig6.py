"""Fig. 6: MSE, AUC and validity against the weight of task 1, for each strategy."""

from typing import TYPE_CHECKING

from msml.registry import figures
from msml.report.looks import NothingToDraw, final, looks, title
from msml.studies.htautau.figures import scan

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

TITLE = "Performance of the selected pairs against the weight of task 1"
CAPTION = (
    "(a) mean squared error of task 1, (b) AUC of task 2 and (c) fraction of events within two "
    "standard deviations of the Gaussian process, on test, of the pair that each strategy selects, "
    "re-optimised. Thick bars: standard error over the runs; thin ones: standard deviation of the "
    "runs; of a single run, the statistical error of its test events. An arrow: a mean below the "
    "scale."
)


def series(table: "DataFrame") -> list[scan.Series]:
    """Divide the runs by strategy.

    Raises:
        NothingToDraw: No search is done.
    """
    found = final(table)
    found = found[(found["mode"] == "joint") & (found["strategy"] != "")]
    if found.empty:
        raise NothingToDraw("no search is done and re-optimised")
    known = looks(found["strategy"]).items()
    return [scan.Series(title(s), look, found[found["strategy"] == s]) for s, look in known]


def summary(table: "DataFrame") -> "DataFrame":
    """Numbers of the figure."""
    return scan.summarise(series(table))


@figures.register("fig6", title=TITLE, caption=CAPTION, summary=summary)
def draw(table: "DataFrame") -> "Figure":
    """Draw the three panels."""
    return scan.draw(series(table))
