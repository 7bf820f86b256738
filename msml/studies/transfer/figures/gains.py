"""What a channel gains from the weights of another one, against its number of events."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msml.plotting import COLOURS, LINES, MARKERS
from msml.registry import figures
from msml.report.looks import NothingToDraw, mean_and_error, new_figure
from msml.report.points import Points, even, points
from msml.report.results import Results
from msml.report.run import heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

TITLE = "Transfer learning: quality against the number of training events"
CAPTION = (
    "Metrics on test against the number of training events, a column for each target, and how much "
    "smaller the error is than from scratch: 1 - (1 - accuracy) / (1 - accuracy from scratch), "
    "paired by seed. Bars are standard errors of the mean over seeds. Filled: attention."
)
SIZE, TARGET, START, CHAIN = "data.train_events", "target", "start", "chain"
KEY = [TARGET, CHAIN, START, SIZE]
SCRATCH = "scratch"
REDUCTION = "error reduction"
_ACCURACY = "accuracy"


def source(results: Results) -> Points:
    """Take the runs of a sweep over targets, starts and numbers of events.

    Raises:
        NothingToDraw: It is another sweep, or nothing of it is measured.
    """
    check_axes(results)
    return points(results)


def check_axes(results: Results) -> None:
    """Refuse other sweeps.

    Raises:
        NothingToDraw: It is one.
    """
    if missing := [name for name in (SIZE, TARGET, START) if name not in results.axes]:
        raise NothingToDraw(f"the sweep has no axis {', '.join(missing)}")


def with_reduction(found: Points) -> tuple["DataFrame", list[str]]:
    """Add the error reduction to each run that has one from scratch beside it.

    Returns:
        The rows, and the names of what is drawn.
    """
    rows, same = found.rows.copy(), ["seed", TARGET, CHAIN, SIZE]
    names = [name for name in found.metrics if rows[name].notna().any()]
    accuracy = next((name for name in names if name.endswith(f"/{_ACCURACY}")), None)
    if accuracy is None:
        return rows, names
    scratch = rows[rows[START] == SCRATCH].drop_duplicates(same).set_index(same)[accuracy]
    beside = rows.set_index(same).index.map(scratch.to_dict().get)
    rows[REDUCTION] = 1 - (1 - rows[accuracy]) / (1 - beside.astype(float))
    rows.loc[rows[START] == SCRATCH, REDUCTION] = float("nan")
    return rows, [*names, REDUCTION]


def summarise(found: Points) -> "DataFrame":
    """Mean and standard error over seeds of what is drawn, for each point."""
    return means(*with_reduction(found))


def means(rows: "DataFrame", names: Sequence[str]) -> "DataFrame":
    """Mean and standard error over seeds of some columns, for each target, chain, start and size.

    Of a single run it is the error in the column beside, `NAME error`, if there is one.
    """
    from pandas import DataFrame

    made = []
    for key, here in rows.groupby(KEY, sort=False):
        row: dict[str, Any] = dict(zip(KEY, key, strict=True)) | {"runs": len(here)}
        for name in names:
            about = mean_and_error(here[name], here.get(f"{name} error"))
            row |= {name: about["mean"], f"{name} error": about["error"]}
        made.append(row)
    return DataFrame(made)


@figures.register("transfer", title=TITLE, caption=CAPTION, summary=summarise, source=source)
def draw(found: Points) -> "Figure":
    """Draw a row for each metric and the error reduction, a column for each target."""
    table = summarise(found)
    names = [name for name in table if f"{name} error" in table]
    targets = list(dict.fromkeys(table[TARGET]))
    figure, axes = new_figure(
        2.4 * len(targets) + 0.8, 2.0 * len(names), (1.0,) * len(names), len(targets)
    )
    for place, (ax, name, target) in enumerate(_panels(axes, names, targets)):
        for look, label, rows in _lines(table[table[TARGET] == target]):
            shown = rows[rows[name].notna()]
            ax.errorbar(shown[SIZE], shown[name], yerr=shown[f"{name} error"], label=label, **look)
        even(ax, table[SIZE])
        if place % len(names) == 0:
            ax.set_title(str(target))
        if place < len(names):
            task, _, metric = name.rpartition("/")
            label = f"{heading(metric)} of {task}" if task else name
            ax.set_ylabel(label.replace("_", " "))
        if name == REDUCTION:
            ax.axhline(0.0, color="black", linewidth=0.5)
            ax.set_xlabel("Training events")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def _panels(
    axes: "Sequence[Axes]", names: Sequence[str], targets: Sequence[str]
) -> "Iterator[tuple[Axes, str, str]]":
    """Yield the axes column by column, with what they show."""
    places = iter(axes)
    for target in targets:
        for name in names:
            yield next(places), name, target


def _lines(table: "DataFrame") -> "Iterator[tuple[dict[str, Any], str, DataFrame]]":
    """Yield the look, the name and the rows of each chain and start."""
    chains = list(dict.fromkeys(table[CHAIN]))
    starts = list(dict.fromkeys(table[START]))
    for (chain, start), rows in table.groupby([CHAIN, START], sort=False):
        number = starts.index(start)
        filled = chains.index(chain) % 2 == 1
        look = {
            "color": COLOURS[number % len(COLOURS)],
            "marker": MARKERS[number % len(MARKERS)],
            "linestyle": LINES[chains.index(chain) % len(LINES)],
            "markerfacecolor": None if filled else "white",
        }
        yield look, f"{chain}, {start}", rows.sort_values(SIZE)
