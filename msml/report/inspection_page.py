"""Histograms of all columns of a file of events, on one page."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from msml.data.described import EventFile
from msml.data.events import describe, read
from msml.data.kinematics import Array
from msml.data.schema import Column
from msml.plotting import PAGE_WIDTH, check_suffix, look, save, style
from msml.report.inspection import MOST_CLASSES, part_names, real_values, unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

MOST_PANELS = 60
MOST_EVENTS = 100_000
_PER_ROW = 5
_HEIGHT = 2.0  # inches
_TITLE = 0.7  # inches
_BINS = 40
_TAIL = 0.005
_MARGIN = 0.2
"""Bins reach this far beyond the quantiles of `_TAIL`, in units of their distance."""
_LABELS = ("label", "class")
_MOST_CLASSES = 7


@dataclass(frozen=True)
class Kinds:
    """The kinds of entries that are a line each.

    Attributes:
        names: Name of each kind.
        first: Number of the first one's look.
    """

    names: tuple[str, ...] = ("",)
    first: int = 0


@dataclass(frozen=True)
class Panel:
    """What one histogram shows.

    Attributes:
        title: Column, component and unit.
        values: `(entries,)` finite numbers.
        kind: `(entries,)` the kind of each; of one kind where None.
        kinds: The kinds.
    """

    title: str
    values: Array
    kind: Array | None = None
    kinds: Kinds = Kinds()


def draw_page(path: Path, output: Path) -> None:
    """Draw a histogram of each component, as PNG or PDF by the output's suffix.

    Of many events, some at equal distances are drawn. Where one column holds the labels, each class
    is a line of its own.

    Raises:
        DataError: As `msml.data.events.describe`; also if the page cannot be written.
        RecipeError: On an unknown suffix.
    """
    check_suffix(output)
    with style():
        save(page(path), output)


def page(path: Path) -> "Figure":
    """Choose what is on the page."""
    file = describe(path)
    step = max(1, ceil(file.events / MOST_EVENTS))
    found = sum(len(part_names(column)) for column in file.columns.values())
    parts = [f"{path.name}: {file.events:,} events"]
    parts += [f"one of {step} drawn"] if step > 1 else []
    parts += [f"{MOST_PANELS} of {found} histograms"] if found > MOST_PANELS else []
    classes = _classes(path, file)
    panels = (
        panel for column in file.columns.values() for panel in _panels(file, column, step, classes)
    )
    return compose(", ".join(parts), list(islice(panels, MOST_PANELS)))


def compose(title: str, panels: Sequence[Panel]) -> "Figure":
    """Draw panels in rows below a title, with one legend."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = ceil(len(panels) / _PER_ROW)
    figure = Figure(figsize=(PAGE_WIDTH, _TITLE + _HEIGHT * rows), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    axes = figure.subplots(rows, _PER_ROW, squeeze=False).ravel()
    for ax, panel in zip(axes, panels, strict=False):
        _draw(ax, panel)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    several = dict.fromkeys(panel.kinds for panel in panels if panel.kind is not None)
    if several:
        handles = [line for kinds in several for line in _legend(kinds)]
        figure.legend(handles=handles, loc="outside lower center", ncols=_MOST_CLASSES)
    return figure


def _panels(file: EventFile, column: Column, step: int, classes: Array | None) -> Iterator[Panel]:
    """Read a column, of one in so many events, and arrange it by parts."""
    values, events = [], []
    for found, numbers in real_values(file, column):
        drawn = numbers % step == 0
        values.append(found[drawn].astype(np.float64))
        events.append(numbers[drawn])
    numbers, whose = np.concatenate(values), np.concatenate(events)
    for part, name in enumerate(part_names(column)):
        unit = unit_of(column, part)
        title = " ".join(filter(None, (column.name, name, f"[{unit}]" if unit not in "1" else "")))
        finite = np.isfinite(numbers[:, part])
        if classes is None:
            yield Panel(title, numbers[finite, part])
            continue
        known, kind = np.unique(classes, return_inverse=True)
        kinds = Kinds(tuple(f"class {each}" for each in known))
        yield Panel(title, numbers[finite, part], kind[whose[finite]], kinds)


def _classes(path: Path, file: EventFile) -> Array | None:
    """Read the class of each event, where one column says it; there must be a few classes."""
    names = [
        name
        for name, column in file.columns.items()
        if re.split("[./]", name)[-1] in _LABELS
        and not column.sizes
        and np.dtype(column.dtype).kind in "bui"
    ]
    if len(names) != 1:
        return None
    classes = read(path, names)[names[0]]
    return classes if 1 < len(np.unique(classes)) <= _MOST_CLASSES else None


def _legend(kinds: Kinds) -> "list[Line2D]":
    from matplotlib.lines import Line2D

    looks = [(name, *look(kinds.first + i)) for i, name in enumerate(kinds.names)]
    return [Line2D([], [], color=c, linestyle=line, label=name) for name, c, line in looks]


def _draw(ax: "Axes", panel: Panel) -> None:
    """Draw a histogram, one line for each kind, all of area 1."""
    ax.set_title(panel.title, fontsize=7)
    ax.tick_params(labelsize=6)
    ax.set_yticks([])
    if not len(panel.values):
        ax.text(0.5, 0.5, "nothing", ha="center", va="center", transform=ax.transAxes)
        return
    edges = _edges(panel.values)
    for number in range(len(panel.kinds.names)):
        values = panel.values if panel.kind is None else panel.values[panel.kind == number]
        counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
        colour, line = look(panel.kinds.first + number)
        heights = counts / max(1, counts.sum()) / np.diff(edges)
        ax.stairs(heights, edges, color=colour, linestyle=line)


def _edges(values: Array) -> Array:
    """Choose the edges of the bins; what lies outside goes into the first or the last one."""
    whole = (values == np.round(values)).all()
    if whole and np.ptp(values) < MOST_CLASSES:
        return np.arange(values.min(), values.max() + 2) - 0.5
    low, high = np.quantile(values, (_TAIL, 1 - _TAIL))
    margin = _MARGIN * (high - low)
    low, high = max(low - margin, values.min()), min(high + margin, values.max())
    if whole:  # as many numbers in each bin
        low, high = np.floor(low), np.ceil(high)
        width = ceil((high - low + 1) / _BINS)
        return np.arange(low, high + width + 1, width) - 0.5
    return np.linspace(low, high, _BINS + 1) if low < high else np.array([low - 0.5, low + 0.5])
