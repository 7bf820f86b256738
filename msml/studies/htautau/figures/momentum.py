"""Momenta of the taus before and after calibration: response and invariant mass."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from msml.data.kinematics import Array
from msml.plotting import MARKERS, mode_look, new_figure, plain_ticks
from msml.report.statistics import median_and_width, nice_edges, profile
from msml.stages.measured import Measured
from msml.studies.htautau.figures.measured import (
    TauEvents,
    distinct,
    has_response,
    masses,
    response,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CLASSES = {1: "Signal", 0: "Background"}
_MEANING = "median, half width of the central 68 % [GeV]"
_GREY = "0.82"


@dataclass(frozen=True)
class _Series:
    """Four-vectors `(events, 2, 4)` and how they are shown."""

    name: str
    colour: str
    line: Any
    vectors: Array


def draw_response(events: TauEvents, shown: Sequence[Measured]) -> "Figure":
    """Draw median and half width of pt over true pt, against true pt, of one chain's modes."""
    figure, axes = new_figure(5.6, 5.6, (1.0, 1.0))
    taus = events.taus()
    edges = pt_edges(taus[..., 0].ravel())
    for marker, series in zip(MARKERS, _series(events, shown), strict=False):
        kept = has_response(series.vectors, taus)
        weight = np.broadcast_to(events.weight[:, None], kept.shape)[kept]
        rows = profile(*response(series.vectors, taus), edges, weights=weight)
        across = [rows.x - rows.low, rows.high - rows.x]
        for ax, value, error in (
            (axes[0], rows.median, rows.median_error),
            (axes[1], rows.width, rows.width_error),
        ):
            ax.errorbar(
                rows.x,
                value,
                yerr=error,
                xerr=across,
                fmt=marker,
                color=series.colour,
                elinewidth=0.8,
                markersize=4,
                label=series.name,
            )
    axes[0].axhline(1, color="0.6", linewidth=0.8, zorder=0)
    axes[0].set_ylabel(r"Median of $p_\mathrm{T}$ / true $p_\mathrm{T}$")
    axes[0].legend(title=shown[0].chain, title_fontsize=8, alignment="left")
    axes[1].set_ylabel(r"Resolution $(q_{84} - q_{16})/2$")
    axes[1].set_ylim(bottom=0)
    axes[1].set_xscale("log")
    axes[1].set_xlabel(r"True $\tau$ $p_\mathrm{T}$ [GeV]")
    plain_ticks(axes[1], edges)
    return figure


def pt_edges(pt: Array) -> Array:
    """Bins of equal numbers of values but for the wider ones at both ends, at whole GeV."""
    parts = (0.005, 0.05, 0.15, 0.3, 0.45, 0.6, 0.75, 0.87, 0.95, 0.985, 0.998)
    return np.unique(np.round(np.quantile(pt, parts)))


def draw_mass(events: TauEvents, shown: Sequence[Measured]) -> "Figure":
    """Draw the di-tau mass of jets, of one chain's outputs and true, a panel for each class."""
    assert events.label is not None
    figure, axes = new_figure(9.6, 4.2, (1.0,), columns=len(_CLASSES))
    truth = masses(events.taus())
    series = [(each, masses(each.vectors)) for each in _series(events, shown)]
    everything = np.concatenate([truth, *(mass for _, mass in series)])
    edges = nice_edges(everything[np.isfinite(everything)], 50, 0.97)
    for ax, (label, name) in zip(axes, _CLASSES.items(), strict=True):
        rows = events.label == label
        weight = events.weight[rows]
        content, _ = fractions(truth[rows], edges, weight)
        median, _, width, _ = median_and_width(truth[rows], weight)
        known = f"true: {median:.1f}, {width:.1f}"
        ax.stairs(100 * content, edges, fill=True, color=_GREY, label=known)
        for index, (each, mass) in enumerate(series):
            shift = 0.12 * (index - 1)
            _histogram(ax, mass[rows], edges, weight, each, shift)
        ax.set_title(f"{name}, {shown[0].chain}", loc="left")
        ax.set_xlabel(r"$m_{\tau\tau}$ [GeV]")
        ax.set_ylabel(f"Events / {edges[1] - edges[0]:.3g} GeV [%]")
        ax.set_xlim(edges[0], edges[-1])
        ax.set_yscale("log")
        ax.set_ylim(max(0.02, 40 / len(truth)), 1500)
        ax.legend(title=_MEANING, title_fontsize=8, alignment="left")
    return figure


def fractions(values: Array, edges: Array, weight: Array) -> tuple[Array, Array]:
    """Fill a histogram as fractions of all weight, that outside the edges included.

    Returns:
        `(bins,)` fractions, and their statistical errors.
    """
    total = weight.sum() or 1.0
    content, _ = np.histogram(values, edges, weights=weight)
    squares, _ = np.histogram(values, edges, weights=weight**2)
    return content / total, np.sqrt(squares) / total


def _histogram(
    ax: "Axes", values: Array, edges: Array, weight: Array, series: _Series, shift: float
) -> None:
    """Draw one histogram as a line with statistical error bars, moved by a part of a bin."""
    content, error = fractions(values, edges, weight)
    ax.stairs(
        100 * content,
        edges,
        color=series.colour,
        linestyle=series.line,
        label=_describe(series.name, values, weight),
        linewidth=1.2,
    )
    centres = (edges[1:] + edges[:-1]) / 2 + shift * (edges[1] - edges[0])
    filled = content > 0
    ax.errorbar(
        centres[filled],
        100 * content[filled],
        yerr=100 * error[filled],
        fmt="none",
        ecolor=series.colour,
        elinewidth=0.8,
    )


def _series(events: TauEvents, shown: Sequence[Measured]) -> Iterator[_Series]:
    """Yield what is compared: the jets, then the outputs in each mode."""
    yield _Series("jets", "black", "-", events.jets())
    for name, output in distinct(shown, events.momentum.name):
        look = mode_look(name.rpartition(", ")[2])
        yield _Series(name, *look, events.four_vectors(output))


def _describe(name: str, values: Array, weight: Array) -> str:
    known = np.isfinite(values)
    median, error, width, width_error = median_and_width(values[known], weight[known])
    return f"{name}: {median:.1f} ± {error:.1f}, {width:.1f} ± {width_error:.1f}"
