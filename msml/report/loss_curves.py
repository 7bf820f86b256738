"""Loss curves of all runs: searches and re-optimisation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from msml.plotting import Look, look
from msml.registry import figures
from msml.report.looks import NothingToDraw, new_figure, pair, title
from msml.runs import log

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

TITLE = "Loss curves"
CAPTION = (
    "Weighted sum of the task losses on valid (lines; in panels of few runs, on train: faint) "
    "against epoch, a panel for each weight of task 1 that is shown and each kind of training; "
    "every line is a run, with a marker at the epoch that was kept."
)
_FEW = 8
_MOST_WEIGHTS = 3
_KINDS = {"search": "search", "posttrain": "re-optimisation"}
_GRID = "grid/"


@dataclass(frozen=True)
class _Curve:
    """One training: its kind, the run's weight of task 1, its entry in the legend, its epochs."""

    kind: str
    weight: float
    name: str
    records: list[dict[str, Any]]


def summary(table: "DataFrame") -> "DataFrame":
    """Epochs and the best loss of each training.

    Raises:
        NothingToDraw: Nothing was trained.
    """
    from pandas import DataFrame

    made = []
    for run in _runs(table):
        for unit, records in _units(run):
            last = records[-1]
            row = {"run": run["run"], "v1": run["v1"], "strategy": run["strategy"], "unit": unit}
            row |= {"epochs": last["epoch"], "best epoch": last.get("best_epoch")}
            made.append({**row, "best": last.get("best")})
    if not made:
        raise NothingToDraw("nothing was searched or re-optimised")
    return DataFrame(made)


@figures.register("losses", title=TITLE, caption=CAPTION, summary=summary, always=True)
def draw(table: "DataFrame") -> "Figure":
    """Draw a column for each of a few weights, a row for each kind of training."""
    found = list(_curves(table))
    if not found:
        raise NothingToDraw("nothing was searched or re-optimised")
    weights = _some(sorted({curve.weight for curve in found}))
    kinds = [kind for kind in _KINDS if any(curve.kind == kind for curve in found)]
    looks = {name: look(i) for i, name in enumerate(dict.fromkeys(c.name for c in found))}
    size = 3.3 * len(weights) + 1.2, 2.6 * len(kinds) + 0.5
    figure, columns = new_figure(*size, (1.0,) * len(kinds), columns=len(weights))
    axes = np.array(columns).reshape(len(weights), len(kinds))
    for column, weight in zip(axes, weights, strict=True):
        for kind, ax in zip(kinds, column, strict=True):
            _panel(ax, [c for c in found if c.kind == kind and c.weight == weight], looks)
            ax.set_title(f"{_KINDS[kind]}, $v_1$ = {weight:g}", loc="left")
            ax.set_ylabel("Total loss")
            ax.tick_params(labelbottom=True)
        column[-1].set_xlabel("Epoch")
    entries = {h.get_label(): h for ax in axes.ravel() for h in ax.get_lines() if _shown(h)}
    figure.legend(handles=list(entries.values()), loc="outside right upper")
    return figure


def _panel(ax: "Axes", curves: Sequence[_Curve], looks: Mapping[str, Look]) -> None:
    few = len(curves) <= _FEW
    strength = 0.8 if few else 0.35
    for curve in curves:
        colour, line = looks[curve.name]
        epochs = [record["epoch"] for record in curve.records]
        valid = [record["valid"].get("total") for record in curve.records]
        train = [record["train"].get("total") for record in curve.records]
        if few:
            ax.plot(epochs, train, color=colour, alpha=0.2, linewidth=0.7, label="_train")
        shape = {"color": colour, "linestyle": line, "linewidth": 0.9}
        ax.plot(epochs, valid, **shape, alpha=strength, label=curve.name)
        best = curve.records[-1].get("best_epoch")
        if best is not None and best in epochs:
            ax.plot(best, valid[epochs.index(best)], "o", color=colour, markersize=3, label="_best")


def _curves(table: "DataFrame") -> Iterator[_Curve]:
    """Yield all trainings, named by the strategy, or by the pair where there is none."""
    for run in _runs(table):
        for unit, records in _units(run):
            kind, _, rest = unit.replace(_GRID, "posttrain/").partition("/")
            name = title(run["strategy"]) or pair(rest.rpartition("/")[0])
            yield _Curve(kind, run["v1"], name, records)


def _shown(line: Any) -> bool:
    return not str(line.get_label()).startswith("_")


def _runs(table: "DataFrame") -> list[Mapping[str, Any]]:
    return list(table.drop_duplicates("directory").to_dict("records"))


def _units(run: Mapping[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield searches and joint trainings with a loss on valid, and their epochs.

    Of a grid search, that is the training of the chosen pair.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for record in log.records(Path(run["directory"])):
        kind, _, rest = record["unit"].partition("/")
        wanted = kind == "search" or (kind == "posttrain" and rest.endswith("/joint"))
        wanted |= record["unit"] == f"{_GRID}{run['selected']}"
        if wanted and record["valid"]:
            found.setdefault(record["unit"], []).append(record)
    yield from found.items()


def _some(weights: list[float]) -> list[float]:
    """Pick the first, the middle and the last."""
    if len(weights) <= _MOST_WEIGHTS:
        return weights
    return [weights[0], weights[len(weights) // 2], weights[-1]]
