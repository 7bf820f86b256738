"""How much networks attend to each kind of object, by what they start from."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from msml.data.described import Source, opened, paths
from msml.data.kinematics import Array
from msml.data.source import event_source
from msml.errors import DataError
from msml.plotting import COLOURS, MARKERS
from msml.recipe import load
from msml.recipe.schema import TrainRecipe
from msml.registry import figures
from msml.report.looks import NothingToDraw, new_figure
from msml.report.results import Results
from msml.runs import layout
from msml.studies.transfer.evaluation_figures import ATTENTION, TYPES, average, object_names
from msml.studies.transfer.figures.gains import CHAIN, KEY, SIZE, START, TARGET, check_axes, means

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

TITLE = "Transfer learning: attention"
CAPTION = (
    "Attention that each object of an event receives from the others, mean over test events, "
    "layers, heads and attending objects, with the most training events; it sums to 1 where every "
    "event has all objects. Bars are standard errors of the mean over seeds."
)


def received(attention: Array, types: Array, weight: Array) -> dict[str, float]:
    """Mean attention to each object, by its name; arguments as of `average`."""
    maps = average(attention, types, weight)
    return dict(zip(object_names(types), np.nanmean(maps, axis=(0, 2)).tolist(), strict=True))


def source(results: Results) -> "DataFrame":
    """Gather what objects receive in each run and chain that gives its attention.

    Raises:
        NothingToDraw: There is none, or it is another sweep.
    """
    from pandas import DataFrame

    check_axes(results)
    known: dict[Source, Array] = {}
    rows: list[dict[str, Any]] = []
    for row in results.rows:
        if "chain" not in row:
            continue
        run = Path(row["directory"])
        kept = layout.evaluated(results.evaluation(run), row["chain"], row["mode"])
        for found in _attended(run, kept / layout.PREDICTIONS, known):
            rows.append({name: row[name] for name in ("seed", *KEY)} | found)
    if not rows:
        raise NothingToDraw("no run has kept its attention")
    return DataFrame(rows)


def _attended(
    run: Path, predictions: Path, known: dict[Source, Array]
) -> Iterator[dict[str, float]]:
    """Yield what objects receive in each task of a chain; `known` has types of files read before.

    Raises:
        NothingToDraw: The events are not there any more.
    """
    with h5py.File(predictions) as file:
        for group in file.values():
            if not isinstance(group, h5py.Group) or ATTENTION not in group:
                continue
            events = _events(run)
            if events not in known:
                known[events] = _types(events)
            types = known[events][file["event"][:]]
            yield received(group[ATTENTION][:], types, file["weight"][:])


def _events(run: Path) -> Source:
    try:
        return event_source(load(str(layout.recipe(run)), TrainRecipe))
    except DataError as error:
        raise NothingToDraw(str(error)) from error


def _types(events: Source) -> Array:
    """Read the types of the objects of all events."""
    found = []
    for path in paths(events):
        with opened(path) as file:
            found.append(file[TYPES][:])
    return np.concatenate(found)


def summarise(found: "DataFrame") -> "DataFrame":
    """Mean over seeds and its standard error of what each object receives."""
    return means(found, [name for name in found if name not in ("seed", *KEY)])


@figures.register("attention", title=TITLE, caption=CAPTION, summary=summarise, source=source)
def draw(found: "DataFrame") -> "Figure":
    """Draw a panel for each target and chain: a point for each start at each object."""
    table = summarise(found)
    table = table[table[SIZE] == table[SIZE].max()]
    panels = list(table.groupby([TARGET, CHAIN], sort=False))
    starts: Sequence[str] = list(dict.fromkeys(table[START]))
    figure, axes = new_figure(2.6 * len(panels) + 0.8, 3.0, (1.0,), len(panels))
    for ax, ((target, chain), rows) in zip(axes, panels, strict=True):
        objects = [n for n in table if f"{n} error" in table and rows[n].notna().any()]
        for row in rows.to_dict("records"):
            number = starts.index(row[START])
            ax.errorbar(
                np.arange(len(objects)) + 0.15 * (number - (len(starts) - 1) / 2),
                [row[name] for name in objects],
                yerr=[row[f"{name} error"] for name in objects],
                color=COLOURS[number % len(COLOURS)],
                marker=MARKERS[number % len(MARKERS)],
                linestyle="none",
                label=row[START],
            )
        ax.set_xticks(range(len(objects)), objects, rotation=90)
        ax.tick_params(axis="x", which="minor", bottom=False, top=False)
        ax.set_title(f"{target}, {chain}")
    axes[0].set_ylabel("Attention received")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure
