"""The panels of an event file's page: each draws one thing of a sample on axes it is given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from msml.data.kinematics import Array
from msml.plotting import COLOURS, LINES, MARKERS
from msml.report.statistics import Fraction, fraction, histogram, nice_edges, profile
from msml.studies.htautau.events.sample import (
    MODE_NAMES,
    QUANTITIES,
    Quantity,
    Sample,
    count_modes,
    of_group,
)
from msml.studies.htautau.events.summary import Cut, cut_flow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# GeV; bins with few jets are left out.
PT_EDGES = np.array([10, 15, 20, 25, 30, 35, 40, 50, 60, 75, 100, 130, 170, 220, 300, 500.0])
_RATIO_EDGES = np.linspace(0, 2.2, 45)
# Names of cuts are broken into lines of so many letters, in a margin of this fraction of the page.
_CUT_NAME, _CUT_INSET = 18, 0.07


@dataclass(frozen=True)
class Panel:
    """One panel of the page.

    Attributes:
        draw: Draws it on its axes, which lie above each other and share x.
        heights: Relative heights of these axes.
        columns: How many columns of the page it takes.
    """

    draw: "Callable[[Sample, Sequence[Axes]], None]"
    heights: tuple[float, ...] = (1.0,)
    columns: int = 1


def panels(sample: Sample) -> list[Panel]:
    """List the panels that a sample has the columns for, in reading order."""
    have = {name for name, quantity in QUANTITIES.items() if quantity.available(sample)}
    found: list[Panel] = []
    if "jet_over_visible_pt" in have:
        found.append(Panel(response_profile, (1.3, 1.0)))
    found += [
        Panel(_ratio(name)) for name in ("jet_over_visible_pt", "jet_over_full_pt") if name in have
    ]
    found += [
        Panel(_mass(name, log))
        for name, log in (
            ("visible_pair_mass", False),
            ("jet_pair_mass", False),
            ("full_pair_mass", True),
        )
        if name in have
    ]
    if "jets" in sample.columns:
        found += [Panel(jet_pt), Panel(jet_eta)]
    if "pileup_interactions" in sample.columns:
        found.append(Panel(pileup))
    if "decay_modes" in sample.columns and count_modes(sample.columns["decay_modes"])[1]:
        found.append(Panel(decay_modes))
    if any(cut_flow(sample, group.name) for group in sample.groups):
        found.append(Panel(cuts, columns=2))
    return found


def response_profile(sample: Sample, axes: "Sequence[Axes]") -> None:
    """Median and half width of jet pt over visible tau pt, against visible tau pt."""
    response = QUANTITIES["jet_over_visible_pt"].values(sample)
    visible = sample.columns["visible_taus"][..., 0]
    reached = [PT_EDGES[-1], PT_EDGES[0]]
    for index, group in enumerate(sample.groups):
        y = response[group.rows].ravel()
        x = visible[group.rows].ravel()[np.isfinite(y)]
        rows = profile(x, y[np.isfinite(y)], PT_EDGES)
        reached = [min([reached[0], *rows.low]), max([reached[1], *rows.high])]
        across = [rows.x - rows.low, rows.high - rows.x]
        for ax, value, error in (
            (axes[0], rows.median, rows.median_error),
            (axes[1], rows.width, rows.width_error),
        ):
            ax.errorbar(x=rows.x, y=value, yerr=error, xerr=across, **_points(index))
    axes[0].axhline(1, color="0.6", linewidth=0.8, zorder=0)
    axes[0].set_ylabel("Median of\njet / visible " + r"$p_\mathrm{T}$")
    least = np.floor(sample.columns["jets"][..., 0].min())
    _note(axes[0], r"Jets with $p_\mathrm{T}$ > " + f"{least:.0f} GeV")
    axes[1].set_ylabel("Resolution\n" + r"$(q_{84} - q_{16})/2$")
    axes[1].set_ylim(bottom=0)
    axes[1].set_xscale("log")
    axes[1].set_xlim(0.9 * min(reached), 1.1 * max(reached))
    axes[1].set_xlabel(r"Visible $\tau$ $p_\mathrm{T}$ [GeV]")
    _plain_log_ticks(axes[1])


def jet_pt(sample: Sample, axes: "Sequence[Axes]") -> None:
    """Transverse momenta of both jets."""
    both = [QUANTITIES[name] for name in ("leading_jet_pt", "subleading_jet_pt")]
    values = [quantity.values(sample) for quantity in both]
    edges = nice_edges(np.concatenate(values), 60, 0.99)
    for index, group in enumerate(sample.groups):
        for array, alpha in zip(values, (1.0, 0.45), strict=True):
            _steps(axes[0], of_group(array, group), edges, index, alpha)
    _note(axes[0], "dark: leading, pale: subleading")
    _label(axes[0], r"$\tau$ jet $p_\mathrm{T}$", "GeV", edges, "Jets", log=True)


def jet_eta(sample: Sample, axes: "Sequence[Axes]") -> None:
    """Pseudorapidity of both jets."""
    values = sample.columns["jets"][..., 1]
    edges = np.linspace(-2.6, 2.6, 27)
    _histograms(sample, axes[0], values, edges)
    _label(axes[0], r"$\tau$ jet $\eta$", "1", edges, "Jets")


def pileup(sample: Sample, axes: "Sequence[Axes]") -> None:
    """Number of overlaid interactions."""
    values = sample.columns["pileup_interactions"].astype(np.float64)
    low, high = np.quantile(values, (0.001, 0.999))
    step = max(1, round((high - low) / min(40, 2 * np.cbrt(len(values)))))
    edges = np.arange(np.floor(low), high + step + 1, step) - 0.5
    _histograms(sample, axes[0], values, edges)
    _label(axes[0], "Pile-up interactions", "1", edges, "Events")


def decay_modes(sample: Sample, axes: "Sequence[Axes]") -> None:
    """Fraction of each decay mode of the taus, with binomial intervals."""
    found = [count_modes(sample.columns["decay_modes"][group.rows]) for group in sample.groups]
    names = [n for n in (*MODE_NAMES.values(), "other") if any(n in counts for counts, _ in found)]
    for index, (counts, known) in enumerate(found):
        parts = [fraction(counts.get(name, 0), known) for name in names]
        value, error = _intervals([part for part in parts if part])
        x = np.arange(len(value)) + _offset(index, len(sample.groups))
        axes[0].errorbar(x=x, y=100 * value, yerr=100 * error, **_points(index))
    axes[0].set_xticks(range(len(names)), [_tex_mode(name) for name in names])
    axes[0].tick_params(axis="x", which="minor", bottom=False, top=False)
    axes[0].tick_params(axis="x", labelsize=7.5)
    axes[0].set_xlim(-0.6, len(names) - 0.4)
    axes[0].set_ylim(bottom=0)
    axes[0].set_xlabel(r"Decay mode of the $\tau$ (h: charged hadron)")
    axes[0].set_ylabel(r"$\tau$ leptons [%]")


def cuts(sample: Sample, axes: "Sequence[Axes]") -> None:
    """Events left after each cut, as fractions of all, with binomial intervals."""
    flows = [(i, cut_flow(sample, group.name)) for i, group in enumerate(sample.groups)]
    flows = [(i, flow) for i, flow in flows if flow]
    names = list(dict.fromkeys(cut.name for _, flow in flows for cut in flow))
    height = 0.8 / len(flows)
    box = axes[0].get_position()
    axes[0].set_position((box.x0 + _CUT_INSET, box.y0, box.width - _CUT_INSET, box.height))
    for place, (index, flow) in enumerate(flows):
        y = [names.index(cut.name) + (place - (len(flows) - 1) / 2) * height for cut in flow]
        value, error = _intervals([cut.of_first or Fraction(1, 1, 1) for cut in flow])
        axes[0].barh(
            y,
            value,
            0.85 * height,
            xerr=error,
            color=COLOURS[index % len(COLOURS)],
            error_kw={"elinewidth": 0.8},
        )
        for where, end, cut in zip(y, value + error[1], flow, strict=True):
            axes[0].text(end + 0.012, where, _cut_text(cut), va="center", fontsize=8)
    axes[0].set_yticks(range(len(names)), [fill(name, _CUT_NAME) for name in names])
    axes[0].tick_params(axis="y", which="both", length=0)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    axes[0].set_xlim(0, 1.45)
    axes[0].set_xticks(np.linspace(0, 1, 6))
    axes[0].set_xlabel("Cumulative efficiency")


def _ratio(name: str) -> "Callable[[Sample, Sequence[Axes]], None]":
    """A panel with a ratio of momenta."""

    def draw(sample: Sample, axes: "Sequence[Axes]") -> None:
        quantity = QUANTITIES[name]
        _histograms(sample, axes[0], quantity.values(sample), _RATIO_EDGES)
        axes[0].axvline(1, color="0.6", linewidth=0.8, zorder=0)
        _label(axes[0], quantity.symbol, quantity.unit, _RATIO_EDGES, "Jets")

    return draw


def _mass(name: str, log: bool) -> "Callable[[Sample, Sequence[Axes]], None]":
    """A panel with an invariant mass."""

    def draw(sample: Sample, axes: "Sequence[Axes]") -> None:
        quantity: Quantity = QUANTITIES[name]
        values = quantity.values(sample)
        bins, coverage = (100, 0.995) if log else (60, 0.99)
        edges = nice_edges(values[np.isfinite(values)], bins, coverage)
        _histograms(sample, axes[0], values, edges)
        _label(axes[0], quantity.symbol, quantity.unit, edges, "Events", log)

    return draw


def _histograms(sample: Sample, ax: "Axes", values: Array, edges: Array) -> None:
    for index, group in enumerate(sample.groups):
        _steps(ax, of_group(values, group), edges, index)


def _steps(ax: "Axes", values: Array, edges: Array, index: int, alpha: float = 1.0) -> None:
    """One histogram as a line with statistical error bars."""
    import mplhep

    content, error = histogram(values.astype(np.float64), edges)
    mplhep.histplot(
        100 * content,
        edges,
        yerr=100 * error,
        ax=ax,
        histtype="step",
        color=COLOURS[index % len(COLOURS)],
        linestyle=LINES[index % len(LINES)],
        alpha=alpha,
        flow="none",
    )


def _label(ax: "Axes", symbol: str, unit: str, edges: Array, what: str, log: bool = False) -> None:
    """Name the axes of a histogram and scale them."""
    width = f"{edges[1] - edges[0]:.3g}" + ("" if unit == "1" else f" {unit}")
    ax.set_xlabel(symbol + ("" if unit == "1" else f" [{unit}]"))
    ax.set_ylabel(f"{what} / {width} [%]")
    ax.set_xlim(edges[0], edges[-1])
    top = ax.dataLim.y1 or 1.0
    if log:
        ax.set_yscale("log")
        ax.set_ylim(max(1e-5 * top, ax.dataLim.minposy / 2), 4 * top)
    else:
        ax.set_ylim(0, 1.15 * top)


def _note(ax: "Axes", text: str) -> None:
    """A remark in the upper right corner."""
    ax.text(0.97, 0.93, text, transform=ax.transAxes, ha="right", va="top", fontsize=8)


def _points(index: int) -> dict[str, Any]:
    """The look of one series of points with error bars."""
    return {
        "fmt": MARKERS[index % len(MARKERS)],
        "color": COLOURS[index % len(COLOURS)],
        "elinewidth": 0.8,
    }


def _offset(index: int, count: int) -> float:
    """Shift points of several series at one place apart."""
    return min(0.24, 0.7 / count) * (index - (count - 1) / 2)


def _intervals(parts: Sequence[Fraction]) -> tuple[Array, Array]:
    """Values `(n,)` and distances to the ends of their intervals `(2, n)`."""
    value, low, high = np.array([(p.value, p.low, p.high) for p in parts]).reshape(-1, 3).T
    return value, np.maximum(np.stack([value - low, high - value]), 0.0)


def _tex_mode(name: str) -> str:
    return name.replace("π⁰", r"$\pi^0$")


def _cut_text(cut: Cut) -> str:
    if cut.of_previous is None:
        return f"{cut.events:,}"
    return f"{cut.events:,} ({100 * cut.of_previous.value:.1f} % of the step before)"


def _plain_log_ticks(ax: "Axes") -> None:
    """Label a logarithmic pt axis with plain numbers."""
    from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter

    ax.xaxis.set_major_locator(FixedLocator([10, 20, 30, 50, 100, 200, 300, 500]))
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())
