"""The reference for the momenta: its calibration, and its bands beside a chain's outputs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from msml.data.kinematics import Array, wrap_phi
from msml.metrics import average
from msml.plotting import COLOURS, MARKERS, new_figure, plain_ticks
from msml.report.statistics import fraction
from msml.stages.measured import Judged, Measured
from msml.studies.htautau.figures.measured import TauEvents, distinct
from msml.validity.bands import ALL, COMPONENTS, PHI, Group, groups, inside, nominal, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIGMAS = (1, 2, 3)
_SYMBOLS = {"pt": r"p_{\mathrm{T},%s}", "eta": r"\eta_{%s}", "phi": r"\varphi_{%s}"}
_PARTS = (0.005, 0.15, 0.35, 0.55, 0.75, 0.9, 0.98, 0.998)
_BAND = "0.82"
_FEWEST = 20


def draw_calibration(events: TauEvents) -> "Figure":
    """Draw how often the truth is within 1, 2 and 3 sigma, for each number and for several."""
    judged, truth = _judged(events)
    figure, (ax,) = new_figure(6.4, 3.8, (1.0,))
    objects = truth.shape[1]
    pulls = judged.bands.pulls(truth)
    shown = groups(objects, "tau")
    for index, sigma in enumerate(_SIGMAS):
        colour = COLOURS[index]
        rows = [_fraction(events, pulls, sigma, group) for group in shown.values()]
        places = np.arange(len(rows))
        expected = [nominal(sigma, size(objects, group)) for group in shown.values()]
        ax.hlines(100 * np.array(expected), places - 0.4, places + 0.4, color=colour, linewidth=0.9)
        value, error = 100 * np.array(rows).T
        ax.errorbar(
            places,
            value,
            yerr=error,
            fmt=MARKERS[index],
            color=colour,
            markersize=4,
            elinewidth=0.8,
            label=rf"within {sigma}$\sigma$",
        )
    ax.set_xticks(places, [_label(name) for name in shown])
    ax.tick_params(axis="x", which="minor", bottom=False, top=False)
    ax.set_ylim(0, 104)
    ax.set_ylabel("Truth inside [%]")
    ax.legend(
        loc="lower right",
        title="lines: independent normal distributions",
        title_fontsize=8,
        alignment="left",
        ncols=len(_SIGMAS),
    )
    return figure


def draw_bands(events: TauEvents, shown: Sequence[Measured]) -> "Figure":
    """Draw the bands and one chain's outputs, relative to the jet, against the jet's pt."""
    judged, truth = _judged(events)
    series = [("truth", truth), *distinct(shown, events.momentum.name)]
    objects = truth.shape[1]
    figure, axes = new_figure(9.6, 2.9 * objects + 0.5, (1.0,) * objects, columns=len(COMPONENTS))
    jets = events.columns[events.momentum.jets]
    pt = events.jets()[..., 0]
    edges = np.unique(np.round(np.quantile(pt, _PARTS)))
    for index, ax in enumerate(axes):
        component, place = divmod(index, objects)
        number = place, component
        rows = np.digitize(pt[:, place], edges) - 1
        _band(ax, judged, jets, number, rows, edges)
        for offset, (name, values) in enumerate(series):
            distances = _from_jet(values[:, *number], jets[:, *number], component)
            shift = (offset - (len(series) - 1) / 2) * 0.13
            _spread(ax, distances, rows, edges, shift, offset, name)
        ax.set_xscale("log")
        ax.set_xlim(edges[0], edges[-1])
        ax.margins(y=0.05)
        ax.set_ylabel(_difference(COMPONENTS[component], place))
        if place == objects - 1:
            ax.set_xlabel(r"$p_\mathrm{T,jet}$ [GeV]")
            plain_ticks(ax, edges)
    _legend(figure, axes[0], events, judged, series, shown[0].chain)
    return figure


def _judged(events: TauEvents) -> tuple[Judged, Array]:
    assert events.judged is not None
    return events.judged, events.columns[events.momentum.taus]


def _fraction(events: TauEvents, pulls: Array, sigma: float, group: Group) -> tuple[float, float]:
    """Fraction of events inside, and its error for as many events as the weights count."""
    value = average(inside(pulls, sigma, group), events.weight)
    effective = events.weight.sum() ** 2 / (events.weight**2).sum()
    found = fraction(round(value * effective), round(effective))
    return value, found.error if found else float("nan")


def _from_jet(values: Array, jets: Array, component: int) -> Array:
    difference = values.astype(np.float64) - jets
    return wrap_phi(difference) if component == PHI else difference


def _band(
    ax: "Axes", judged: Judged, jets: Array, number: tuple[int, int], rows: Array, edges: Array
) -> None:
    """Fill between the medians of the lower and of the upper ends."""
    centre = _from_jet(judged.bands.mean[:, *number], jets[:, *number], number[1])
    half = judged.sigma * judged.bands.std[:, *number]
    low, high = (
        np.array([_quantile(end[rows == i], 0.5) for i in range(len(edges) - 1)])
        for end in (centre - half, centre + half)
    )
    ax.stairs(high, edges, baseline=low, fill=True, color=_BAND)


def _spread(
    ax: "Axes", values: Array, rows: Array, edges: Array, shift: float, index: int, name: str
) -> None:
    """Draw median and central 95 % in each bin; bins are equally wide on a logarithmic axis."""
    ratio = edges[1:] / edges[:-1]
    places = edges[:-1] * ratio ** (0.5 + shift)
    bins = [values[rows == i] for i in range(len(places))]
    tail = (1 - nominal(2)) / 2
    low, middle, high = (
        np.array([_quantile(each, part) for each in bins]) for part in (tail, 0.5, 1 - tail)
    )
    ax.errorbar(
        places,
        middle,
        yerr=[middle - low, high - middle],
        fmt=MARKERS[index],
        color=_colour(index),
        markersize=4,
        elinewidth=1,
        label=name,
    )


def _quantile(values: Array, part: float) -> float:
    """A quantile of the finite values; NaN of too few."""
    values = values[np.isfinite(values)]
    return float(np.quantile(values, part)) if len(values) >= _FEWEST else float("nan")


def _legend(
    figure: "Figure",
    ax: "Axes",
    events: TauEvents,
    judged: Judged,
    series: Sequence[tuple[str, Array]],
    chain: str,
) -> None:
    """Name the series, with the fraction of their events that are inside."""
    handles, names = ax.get_legend_handles_labels()
    texts = []
    for name, (_, values) in zip(names, series, strict=True):
        group = groups(values.shape[1], "")[ALL]
        value, error = _fraction(events, judged.bands.pulls(values), judged.sigma, group)
        texts.append(f"{name}: {100 * value:.1f} ± {100 * error:.1f} %")
    title = (
        rf"{chain}; band: median of the reference $\pm$ {judged.sigma:g}$\sigma$; "
        "points: median and central 95 %; events with all numbers inside:"
    )
    figure.legend(
        handles, texts, title=title, title_fontsize=8, loc="outside upper left", ncols=len(texts)
    )


def _colour(index: int) -> str:
    """Black for the truth, colours for the modes."""
    return COLOURS[index - 1] if index else COLOURS[-1]


def _label(group: str) -> str:
    """Write a group's name as an axis does."""
    name, _, number = group.partition("_")
    if name in _SYMBOLS:
        return f"${_SYMBOLS[name] % number}$"
    return rf"$\tau_{number}$" if number else name


def _difference(component: str, place: int) -> str:
    tau, jet = (_SYMBOLS[component] % what for what in (place + 1, r"\mathrm{jet}"))
    return rf"$\ln({tau} / {jet})$" if component == "pt" else f"${tau} - {jet}$"
