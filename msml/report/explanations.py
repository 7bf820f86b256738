"""Figures of what explains a trained chain."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from msml.plotting import COLOURS, PAGE_WIDTH, look, new_figure
from msml.registry import evaluation_figures
from msml.report.run import by_value, loss_without
from msml.runs import layout
from msml.stages.measured import Measured, TestEvents

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Record = Mapping[str, Any]

_MOST_BARS = 40
_MOST_PANELS = 48
_PER_ROW = 4
_BAR, _PANEL = 0.2, 2.1  # inches


@evaluation_figures.register("importance")
def importance_figures(
    events: TestEvents, measured: Sequence[Measured]
) -> "dict[str, Callable[[], Figure]]":
    """What a task loses without each of its inputs, of each chain in each mode."""
    return dict(_planned(measured, "importance", draw_importance))


@evaluation_figures.register("dependence")
def dependence_figures(
    events: TestEvents, measured: Sequence[Measured]
) -> "dict[str, Callable[[], Figure]]":
    """A task's mean answer against each of its inputs, of each chain in each mode."""
    return dict(_planned(measured, "dependence", draw_dependence))


def _planned(
    measured: Sequence[Measured], kind: str, draw: "Callable[[Record, str], Figure]"
) -> "Iterator[tuple[str, Callable[[], Figure]]]":
    for each in measured:
        if kind in each.explained:
            name = f"{layout.part(each.chain)}/{each.mode}/{kind}"
            yield name, partial(draw, each.explained[kind], f"{each.chain}, {each.mode}")


def draw_importance(about: Record, chain: str) -> "Figure":
    """Draw a bar for each feature, the largest at the top; at most 40.

    Args:
        about: The record.
        chain: The chain and its mode.
    """
    shown = [about["features"][place] for place in by_value(about["features"])][:_MOST_BARS]
    figure, (ax,) = new_figure(6.4, 1.2 + _BAR * len(shown), (1.0,))
    places = np.arange(len(shown))[::-1]
    for index, (whole, name) in enumerate(((False, "one component"), (True, "all of an input"))):
        rows = [i for i, each in enumerate(shown) if (each["component"] is None) == whole]
        if rows:
            values, errors = (
                [np.nan if shown[i][key] is None else shown[i][key] for i in rows]
                for key in ("value", "error")
            )
            style: dict[str, Any] = {"color": COLOURS[index], "alpha": 0.75, "label": name}
            style |= {"ecolor": "black", "error_kw": {"elinewidth": 0.9}}
            ax.barh(places[rows], values, xerr=errors, height=0.7, **style)
    names = [".".join(filter(None, (each["input"], each["component"]))) for each in shown]
    ax.set_yticks(places, names)
    ax.tick_params(axis="y", which="both", left=False, right=False)
    ax.set_ylim(-0.7, len(shown) - 0.3)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_xlabel(f"{loss_without(about)} it, {about['settings']['task']}")
    left = len(about["features"]) - len(shown)
    ending = f"; {left} smaller ones are not shown" if left else ""
    figure.suptitle(f"{chain}{ending}", fontsize=9)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def draw_dependence(about: Record, chain: str) -> "Figure":
    """Draw a panel for each feature and unit of the answer, with 68 % bands; at most 48.

    Those of one unit have the same limits.

    Args:
        about: The record.
        chain: The chain and its mode.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    units = list(dict.fromkeys(about["units"]))
    panels = [(feature, unit) for feature in about["features"] for unit in units]
    left = len(panels) - _MOST_PANELS
    panels = panels[:_MOST_PANELS]
    columns = len(units) if 1 < len(units) <= _PER_ROW else _PER_ROW
    rows = ceil(len(panels) / columns)
    figure = Figure(figsize=(PAGE_WIDTH, 0.8 + _PANEL * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, (feature, unit) in zip(axes, panels, strict=False):
        _curves(ax, about, feature, unit)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    for unit in units:
        _equal_heights([ax for ax, (_, own) in zip(axes, panels, strict=False) if own == unit])
    ending = f"; {left} more are not shown" if left > 0 else ""
    task = about["settings"]["task"]
    title = f"{chain}: mean answer of {task} on test, bands: statistical, 68 %{ending}"
    figure.suptitle(title, fontsize=9)
    return figure


def _curves(ax: "Axes", about: Record, feature: Record, unit: str) -> None:
    """Draw the numbers of an answer that have a unit against a feature."""
    numbers = [i for i, own in enumerate(about["units"]) if own == unit]
    for index, number in enumerate(numbers):
        colour, line = look(index)
        found = [answer[number] for answer in feature["answers"]]
        value, low, high = (
            [np.nan if each[key] is None else each[key] for each in found]
            for key in ("value", "low", "high")
        )
        style: dict[str, Any] = {"color": colour, "linestyle": line, "marker": "o"}
        ax.plot(feature["at"], value, markersize=2, label=about["answers"][number], **style)
        ax.fill_between(feature["at"], low, high, color=colour, alpha=0.25, linewidth=0)
    name = ".".join(filter(None, (feature["input"], feature["component"])))
    ax.set_xlabel(_with_unit(name, feature["unit"]))
    if len(numbers) > 1:
        ax.legend(fontsize=6)
    ax.set_ylabel(_with_unit("" if len(numbers) > 1 else about["answers"][numbers[0]], unit))


def _equal_heights(axes: "Sequence[Axes]") -> None:
    """Give panels the same limits, so that what changes the answer more looks so."""
    limits = np.array([ax.get_ylim() for ax in axes])
    for ax in axes:
        ax.set_ylim(limits[:, 0].min(), limits[:, 1].max())


def _with_unit(name: str, unit: str) -> str:
    return name if unit in ("", "1") else f"{name} [{unit}]".strip()
