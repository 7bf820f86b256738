"""The look of msml's figures, and writing them.

Matplotlib is imported inside the functions, so that a command that draws nothing starts fast, and
figures are made without pyplot, so that drawing leaves no state behind.
"""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msml.data.kinematics import Array
from msml.errors import DataError, RecipeError
from msml.files import atomic
from msml.recipe.schema_training import MODES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Look = tuple[str, Any]  # colour and line

SUFFIXES = (".pdf", ".png")
# Okabe and Ito's colours, which stay apart for the colour blind; their yellow is too pale for
# lines. Every series also has its own marker and line style.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
# From white, for pixels with no energy, through colours of falling lightness.
ENERGY_COLOURS = "magma_r"
# Inches: the width of an upright A3 page.
PAGE_WIDTH = 11.69
_DOTS_PER_INCH = 150
_MAKER = "msml"
# How figures that we wrote begin, and what is in them.
_MARKS = ((b"\x89PNG", b"Software\0msml"), (b"%PDF", b"/Creator (msml)"))

_OVERRIDES: dict[str, Any] = {
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.2,
    "lines.markersize": 3,
    "xtick.major.size": 4,
    "xtick.minor.size": 2,
    "ytick.major.size": 4,
    "ytick.minor.size": 2,
    "xtick.major.pad": 4,
    "ytick.major.pad": 4,
    "axes.unicode_minus": True,
    "pdf.fonttype": 42,
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Draw in the usual style of the field, at sizes for a printed page."""
    import matplotlib
    import mplhep

    settings: dict[Any, Any] = {**mplhep.style.ROOT, **_OVERRIDES}
    with matplotlib.rc_context(settings):
        yield


def check_suffix(output: Path) -> None:
    """Refuse a file name that says no format we write.

    Raises:
        RecipeError: Naming the known suffixes.
    """
    if output.suffix.lower() not in SUFFIXES:
        raise RecipeError(
            f"{output}: unknown suffix '{output.suffix}'; known: {', '.join(SUFFIXES)}"
        )


def save(figure: "Figure", output: Path) -> None:
    """Write a figure as its suffix says, whole or not at all, without a date in it.

    Raises:
        DataError: If it cannot be written.
        RecipeError: On an unknown suffix.
    """
    check_suffix(output)
    kind = output.suffix.lower()[1:]
    buffer = io.BytesIO()
    about = {"CreationDate": None, "Creator": _MAKER} if kind == "pdf" else {"Software": _MAKER}
    figure.savefig(buffer, format=kind, dpi=_DOTS_PER_INCH, metadata=about)
    with atomic(output) as temporary:
        temporary.write_bytes(buffer.getvalue())


def check_free(output: Path) -> None:
    """Refuse to overwrite anything but a figure that `save` wrote.

    Raises:
        RecipeError: Something else is there.
        DataError: What is there cannot be read.
    """
    try:
        content = output.read_bytes() if output.is_file() else b""
    except OSError as error:
        raise DataError(f"{output}: cannot be read: {error.strerror}") from error
    ours = any(content.startswith(start) and mark in content for start, mark in _MARKS)
    if os.path.lexists(output) and not ours:
        raise RecipeError(f"{output}: exists and is no picture of msml's; name another file")


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
    axes = figure.subplots(
        len(heights), columns, sharex="col", squeeze=False, height_ratios=heights
    )
    return figure, list(axes.T.ravel())


def plain_ticks(ax: "Axes", edges: Array) -> None:
    """Label a logarithmic pt axis with plain numbers."""
    from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter

    ax.set_xlim(0.9 * edges[0], 1.1 * edges[-1])
    ax.xaxis.set_major_locator(FixedLocator([10, 20, 30, 50, 70, 100, 150, 200, 300, 500, 1000]))
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())
