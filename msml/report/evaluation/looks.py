"""What the figures of an evaluation share."""

from typing import TYPE_CHECKING, Any

from msml.data.kinematics import Array
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


def plain_ticks(ax: "Axes", edges: Array) -> None:
    """Label a logarithmic pt axis with plain numbers."""
    from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter

    ax.set_xlim(0.9 * edges[0], 1.1 * edges[-1])
    ax.xaxis.set_major_locator(FixedLocator([10, 20, 30, 50, 70, 100, 150, 200, 300, 500, 1000]))
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())
