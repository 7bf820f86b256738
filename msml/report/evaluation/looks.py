"""What the figures of an evaluation share."""

from typing import TYPE_CHECKING, Any

from msml.recipe.validate import MODES
from msml.report.style import COLOURS, LINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


Look = tuple[str, Any]  # colour and line


def look(index: int) -> Look:
    """Colour and line of a curve; 49 differ, neighbours in both."""
    turn = index // len(COLOURS)
    return COLOURS[index % len(COLOURS)], LINES[(index + turn) % len(LINES)]


def mode_look(mode: str) -> Look:
    """Colour and line of a way to train a chain: the same in all figures."""
    return look(MODES.index(mode))


def new_figure(
    width: float, height: float, heights: tuple[float, ...], columns: int = 1
) -> "tuple[Figure, list[Axes]]":
    """Make a figure of panels above each other that share x, column by column; sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(heights), columns, sharex=True, squeeze=False, height_ratios=heights)
    return figure, list(axes.T.ravel())
