"""Drawing the figures of an evaluation that are registered."""

from collections.abc import Sequence
from pathlib import Path

from msml.plotting import SUFFIXES, save, style
from msml.registry import evaluation_figures
from msml.stages.measured import Measured, TestEvents


def draw_figures(events: TestEvents, measured: Sequence[Measured], folder: Path) -> list[Path]:
    """Draw what an evaluation has the ingredients for, as PNG and PDF.

    A registered figure is a function of test events and measured chains. It gives, by name below
    the folder, functions without arguments that draw; none where the ingredients are missing.

    Returns:
        The files.

    Raises:
        DataError: If they cannot be written.
    """
    files: list[Path] = []
    with style():
        for entry in evaluation_figures.entries():
            for name, draw in entry.function(events, measured).items():
                figure = draw()
                for suffix in SUFFIXES:
                    files.append(folder / f"{name}{suffix}")
                    save(figure, files[-1])
    return files
