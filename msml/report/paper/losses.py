"""Loss curves of all runs: searches and re-optimisation."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from msml.report.paper.facts import log
from msml.report.paper.looks import NothingToDraw, look, new_figure, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

TITLE = "Loss curves"
CAPTION = (
    "Weighted sum of the task losses on valid (lines; on train: faint) against epoch, a panel for "
    "each weight of task 1 that is shown and each kind of training; every line is a run, with a "
    "marker at the epoch that was kept."
)
_MOST_WEIGHTS = 3
_KINDS = {"search": "search", "posttrain": "re-optimisation"}


def summary(table: "DataFrame") -> "DataFrame":
    """Epochs and the best loss of each training.

    Raises:
        NothingToDraw: Nothing was trained.
    """
    from pandas import DataFrame

    made = []
    for run in _runs(table):
        for unit, records in _units(Path(run["directory"])):
            last = records[-1]
            row = {"run": run["run"], "v1": run["v1"], "strategy": run["strategy"], "unit": unit}
            row |= {"epochs": last["epoch"], "best epoch": last.get("best_epoch")}
            made.append({**row, "best": last.get("best")})
    if not made:
        raise NothingToDraw("nothing was searched or re-optimised")
    return DataFrame(made)


def draw(table: "DataFrame") -> "Figure":
    """Draw a column for each of a few weights, a row for each kind of training."""
    weights = _some(sorted({run["v1"] for run in _runs(table)}))
    curves = [
        (kind, run, records)
        for run in _runs(table)
        if run["v1"] in weights
        for unit, records in _units(Path(run["directory"]))
        for kind in [unit.partition("/")[0]]
    ]
    kinds = [kind for kind in _KINDS if any(c[0] == kind for c in curves)]
    if not curves:
        raise NothingToDraw("nothing was searched or re-optimised")
    size = 3.3 * len(weights) + 1.2, 2.5 * len(kinds) + 0.5
    figure, columns = new_figure(*size, (1.0,) * len(kinds), columns=len(weights))
    axes = np.array(columns).reshape(len(weights), len(kinds))
    for column, weight in zip(axes, weights, strict=True):
        for kind, ax in zip(kinds, column, strict=True):
            here = [c for c in curves if c[0] == kind and c[1]["v1"] == weight]
            _panel(ax, here)
            ax.set_title(f"{_KINDS[kind]}, $v_1$ = {weight:g}", loc="left")
            ax.set_ylabel("Total loss")
            ax.tick_params(labelbottom=True)
        column[-1].set_xlabel("Epoch")
    entries = {h.get_label(): h for ax in axes.ravel() for h in ax.get_lines() if _shown(h)}
    figure.legend(handles=list(entries.values()), loc="outside right upper")
    return figure


def _panel(ax: "Axes", curves: list[tuple[str, Mapping[str, Any], list[dict[str, Any]]]]) -> None:
    for _, run, records in curves:
        colour, marker, _ = look(run["strategy"])
        epochs = [record["epoch"] for record in records]
        valid = [record["valid"].get("total") for record in records]
        train = [record["train"].get("total") for record in records]
        name = title(run["strategy"]) or "given pairs"
        ax.plot(epochs, train, color=colour, alpha=0.2, linewidth=0.7, label="_train")
        ax.plot(epochs, valid, color=colour, alpha=0.8, linewidth=0.8, label=name)
        best = records[-1].get("best_epoch")
        if best is not None and best in epochs:
            place = epochs.index(best)
            ax.plot(best, valid[place], marker, color=colour, markersize=3, label="_best")


def _shown(line: Any) -> bool:
    return not str(line.get_label()).startswith("_")


def _runs(table: "DataFrame") -> list[Mapping[str, Any]]:
    return list(table.drop_duplicates("directory").to_dict("records"))


def _units(directory: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield searches and joint trainings with a loss on valid, and their epochs."""
    found: dict[str, list[dict[str, Any]]] = {}
    for record in log(directory):
        kind, _, rest = record["unit"].partition("/")
        wanted = kind == "search" or (kind == "posttrain" and rest.endswith("/joint"))
        if wanted and record["valid"]:
            found.setdefault(record["unit"], []).append(record)
    yield from found.items()


def _some(weights: list[float]) -> list[float]:
    """Pick the first, the middle and the last."""
    if len(weights) <= _MOST_WEIGHTS:
        return weights
    return [weights[0], weights[len(weights) // 2], weights[-1]]
