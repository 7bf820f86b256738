"""One page of figures of an event file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msml.plotting import COLOURS, LINES, MARKERS, PAGE_WIDTH, check_suffix, save, style
from msml.studies.htautau.events.image_panels import IMAGES_HEIGHT, draw_images
from msml.studies.htautau.events.images import IMAGES
from msml.studies.htautau.events.panels import Panel, panels
from msml.studies.htautau.events.sample import Group, Sample, load

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

# Inches; with every panel they add up to A3, 297 mm × 420 mm.
_TITLE_HEIGHT = 0.9
_ROW_HEIGHT = 2.57
_COLUMNS = 3


def draw_page(path: Path, output: Path) -> None:
    """Draw what is in an event file on one page, as PNG or PDF by the output's suffix.

    Panels whose columns the file does not have are left out.

    Raises:
        DataError: As `msml.data.events.read`; also if the page cannot be written.
        RecipeError: On an unknown suffix.
    """
    check_suffix(output)
    sample = load(path)
    with style():
        save(page(sample), output)


def page(sample: Sample) -> "Figure":
    """Compose the page."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = arrange(panels(sample))
    heights = [_TITLE_HEIGHT, *([_ROW_HEIGHT] * len(rows))]
    if IMAGES in sample.shapes:
        heights.append(IMAGES_HEIGHT)
    figure = Figure(figsize=(PAGE_WIDTH, sum(heights)))
    FigureCanvasAgg(figure)
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    _title(sample, parts[0])
    for part, row in zip(parts[1:], rows, strict=False):
        _draw_row(sample, part, row)
    if IMAGES in sample.shapes:
        draw_images(sample, parts[-1])
    return figure


def arrange(found: Sequence[Panel]) -> list[list[Panel]]:
    """Fill rows of three columns in reading order."""
    rows: list[list[Panel]] = []
    for panel in found:
        if not rows or sum(p.columns for p in rows[-1]) + panel.columns > _COLUMNS:
            rows.append([])
        rows[-1].append(panel)
    return rows


def _title(sample: Sample, part: "SubFigure") -> None:
    """File name, how many events of what, and the legend of all panels."""
    from matplotlib.lines import Line2D

    part.text(0.03, 0.75, sample.path.name, fontsize=15, fontweight="bold", va="center")
    about = f"{sample.events:,} events. Error bars: statistical, 68 %."
    part.text(0.985, 0.75, about, fontsize=10, va="center", ha="right")
    entries = [
        Line2D(
            [],
            [],
            color=COLOURS[index % len(COLOURS)],
            linestyle=LINES[index % len(LINES)],
            marker=MARKERS[index % len(MARKERS)],
            label=legend_entry(group),
        )
        for index, group in enumerate(sample.groups)
    ]
    part.legend(
        handles=entries,
        loc="center left",
        bbox_to_anchor=(0.025, 0.25),
        ncols=len(entries),
        fontsize=10,
        borderpad=0,
        handlelength=2.5,
    )


def legend_entry(group: Group) -> str:
    """Name a process, with how many events and of which label it has."""
    text = f"{group.name}: {group.events:,}"
    if len(group.labels) != 1 or group.name == f"label {group.labels[0]}":
        return text
    return f"{text} (label {group.labels[0]})"


def _draw_row(sample: Sample, part: "SubFigure", row: Sequence[Panel]) -> None:
    grid = part.add_gridspec(
        1, _COLUMNS, left=0.07, right=0.985, bottom=0.19, top=0.95, wspace=0.22
    )
    column = 0
    for panel in row:
        cell = grid[0, column : column + panel.columns]
        inner = cell.subgridspec(len(panel.heights), 1, height_ratios=panel.heights, hspace=0.08)
        axes: list[Axes] = []
        for index in range(len(panel.heights)):
            axes.append(part.add_subplot(inner[index], sharex=axes[0] if axes else None))
        panel.draw(sample, axes)
        for ax in axes[:-1]:
            ax.tick_params(labelbottom=False)
        column += panel.columns
