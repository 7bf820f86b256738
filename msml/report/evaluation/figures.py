"""Which figures an evaluation gets, and writing them."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msml.report.evaluation.measured import Measured, TestEvents, best
from msml.report.evaluation.momentum import draw_mass, draw_response
from msml.report.evaluation.roc import draw_roc
from msml.report.evaluation.validity import draw_bands, draw_calibration
from msml.report.style import SUFFIXES, save, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_CURVES = 10
_MOST_CHAINS = 10


def draw_figures(events: TestEvents, measured: Sequence[Measured], folder: Path) -> list[Path]:
    """Draw what an evaluation has the ingredients for, as PNG and PDF.

    ROC curves of all chains; for each of the best chains, masses, response and validity in all its
    modes.

    Returns:
        The files.

    Raises:
        DataError: If they cannot be written.
    """
    files: list[Path] = []
    with style():
        for name, draw in plan(events, measured).items():
            figure = draw()
            for suffix in SUFFIXES:
                files.append(folder / f"{name}{suffix}")
                save(figure, files[-1])
    return files


def plan(events: TestEvents, measured: Sequence[Measured]) -> "dict[str, Callable[[], Figure]]":
    """Name the figures there can be, below the folder, and how each is drawn."""
    planned: dict[str, Callable[[], Figure]] = {}
    if events.label is not None:
        for name, (title, shown) in _roc_groups(measured).items():
            planned[name] = partial(draw_roc, events, shown, title)
    if events.momentum is None:
        return planned
    if events.judged is not None:
        planned["validity"] = partial(draw_calibration, events)
    modes = list(dict.fromkeys(m.mode for m in measured))
    for top in best([m for m in measured if m.mode == modes[-1]], _MOST_CHAINS):
        same = [m for m in measured if m.chain == top.chain]
        planned[f"{top.chain}/response"] = partial(draw_response, events, same)
        if events.label is not None:
            planned[f"{top.chain}/mass"] = partial(draw_mass, events, same)
        if events.judged is not None:
            planned[f"{top.chain}/validity"] = partial(draw_bands, events, same)
    return planned


def _roc_groups(measured: Sequence[Measured]) -> dict[str, tuple[str, list[Measured]]]:
    """Divide the curves into figures that stay legible: all in one, or one for each mode."""
    if len(measured) <= _MOST_CURVES:
        return {"roc": ("", best(measured, _MOST_CURVES))}
    groups = {}
    for mode in dict.fromkeys(m.mode for m in measured):
        same = [m for m in measured if m.mode == mode]
        title = f"The {_MOST_CURVES} best of {len(same)}" if len(same) > _MOST_CURVES else ""
        groups[f"roc_{mode}"] = (title, best(same, _MOST_CURVES))
    return groups
