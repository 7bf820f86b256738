"""ROC curves: background rejection against signal efficiency."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from msml.data.kinematics import Array
from msml.metrics import Estimate
from msml.plotting import Look, look, mode_look, new_figure
from msml.registry import evaluation_figures
from msml.stages.measured import Measured, TestEvents, best

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GRID = np.linspace(0.05, 1.0, 96)
_REPLICAS, _SEED = 100, 1
# With more curves, only the reference has a band.
_MOST_BANDS = 4
_MOST_CURVES = 10


@dataclass(frozen=True)
class Roc:
    """Background efficiency at each signal efficiency of `GRID`.

    Attributes:
        background: `(points,)`.
        replicas: `(replicas, points)` of resampled events; the same events for every curve.
    """

    background: Array
    replicas: Array

    def ratio(self, reference: "Roc") -> tuple[Array, Array, Array]:
        """Rejection over that of a reference, with its central 68 %; NaN where nothing is left."""
        with np.errstate(divide="ignore", invalid="ignore"):
            value = reference.background / self.background
            return value, *_central(reference.replicas / self.replicas)

    def rejection(self) -> tuple[Array, Array, Array]:
        """One over the background efficiency, with its central 68 %; NaN where nothing is left."""
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(self.background > 0, 1 / self.background, np.nan)
            return value, *_central(1 / self.replicas)


def roc(label: Array, score: Array, weight: Array) -> Roc:
    """Compute a ROC curve with bootstrap replicas.

    Args:
        label: `(events,)`, 1 for signal.
        score: `(events,)` or `(events, 1)`, larger for signal.
        weight: `(events,)`.
    """
    order = np.argsort(-score.reshape(-1), kind="stable")
    label, score, weight = label[order] > 0.5, score.reshape(-1)[order], weight[order]
    rng = np.random.default_rng(_SEED)
    events = len(label)
    ends = np.flatnonzero(np.append(score[1:] != score[:-1], True))  # of groups of equal scores
    place = np.argsort(order)
    replicas = []
    for _ in range(_REPLICAS):
        counts = np.bincount(rng.integers(events, size=events), minlength=events)
        drawn = np.empty(events)
        drawn[place] = counts
        replicas.append(_background(label, weight * drawn, ends))
    return Roc(_background(label, weight, ends), np.array(replicas))


def _background(label: Array, weight: Array, ends: Array) -> Array:
    """Background efficiency on the grid, from events in falling order of their scores.

    Weights of both signs can make the signal efficiency fall: it counts as flat there, as in
    `background_rejection`. Less than no background counts as none.
    """
    signal = np.append(0.0, np.cumsum(weight * label)[ends])
    background = np.append(0.0, np.cumsum(weight * ~label)[ends])
    if not signal[-1] > 0 or not background[-1] > 0:
        return np.full(len(GRID), np.nan)
    signal, background = np.maximum.accumulate(signal / signal[-1]), background / background[-1]
    efficiency: Array = np.maximum(np.interp(GRID, signal, background), 0)
    return efficiency


def _central(values: Array) -> tuple[Array, Array]:
    """Central 68 % of the replicas at each point."""
    low, high = np.quantile(np.where(np.isfinite(values), values, np.inf), (0.16, 0.84), axis=0)
    return low, high


@evaluation_figures.register("roc")
def roc_figures(
    events: TestEvents, measured: Sequence[Measured]
) -> "dict[str, Callable[[], Figure]]":
    """ROC curves of all chains in all modes, where the final task is a classification."""
    if events.label is None:
        return {}
    groups = _roc_groups(measured).items()
    return {name: partial(draw_roc, events, shown, title) for name, (title, shown) in groups}


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


def draw_roc(events: TestEvents, shown: Sequence[Measured], title: str) -> "Figure":
    """Draw the curves of the final task, best first, and, of several, their ratios to the last."""
    assert events.label is not None
    name, shared = naming(shown)
    figure, axes = new_figure(6.4, 6.2, (2.4, 1.0) if len(shown) > 1 else (1.0,))
    upper = axes[0]
    curves = [roc(events.label, m.outputs[events.final], events.weight) for m in shown]
    looks = _looks(shown)
    for measured, curve, shape in zip(shown, curves, looks, strict=True):
        banded = len(curves) <= _MOST_BANDS or measured is shown[-1]
        _curve(upper, curve.rejection(), shape, banded, _entry(name(measured), measured.area))
    upper.set_yscale("log")
    drawn = [value for value in curves[-1].rejection()[0] if np.isfinite(value)]
    upper.set_ylim(0.9, 2.5 * max([*drawn, 10.0]))
    upper.set_ylabel(r"Background rejection $1/\varepsilon_\mathrm{b}$")
    heading = ", ".join(filter(None, (shared, title, "bands: statistical, 68 %")))
    upper.legend(loc="upper right", title=heading, title_fontsize=8, alignment="left")
    if len(shown) > 1:
        upper.tick_params(labelbottom=False)
        _draw_ratios(axes[1], curves, looks)
        axes[1].set_ylabel(f"Ratio to\n{name(shown[-1])}")
    axes[-1].set_xlim(0, 1)
    axes[-1].set_xlabel(r"Signal efficiency $\varepsilon_\mathrm{s}$")
    return figure


def _looks(shown: Sequence[Measured]) -> list[Look]:
    """Colours and lines: those of the modes where one chain is shown, else in order."""
    if len({m.chain for m in shown}) == 1:
        return [mode_look(m.mode) for m in shown]
    return [look(index) for index in range(len(shown))]


def _draw_ratios(ax: "Axes", curves: Sequence[Roc], looks: Sequence[Look]) -> None:
    """Draw rejections over those of the last curve."""
    for curve, shape in zip(curves, looks, strict=True):
        banded = len(curves) <= _MOST_BANDS and curve is not curves[-1]
        _curve(ax, curve.ratio(curves[-1]), shape, banded)
    ax.set_ylim(*_ratio_limits([curve.ratio(curves[-1])[0] for curve in curves]))


def _curve(
    ax: "Axes",
    values: tuple[Array, Array, Array],
    shape: Look,
    banded: bool,
    text: str | None = None,
) -> None:
    colour, line = shape
    value, low, high = values
    ax.plot(GRID, value, color=colour, linestyle=line, label=text)
    if banded:
        ax.fill_between(GRID, low, high, color=colour, alpha=0.2, linewidth=0)


def _ratio_limits(ratios: Sequence[Array]) -> tuple[float, float]:
    """Limits that show all ratios where the sample is not too small to tell."""
    values = np.concatenate([ratio[5:] for ratio in ratios])
    values = values[np.isfinite(values)]
    reach = max(0.1, 1.3 * float(np.quantile(np.abs(values - 1), 0.99))) if len(values) else 0.1
    return max(0.0, 1 - reach), 1 + reach


def naming(shown: Sequence[Measured]) -> tuple[Callable[[Measured], str], str]:
    """Choose how to name curves, and the part of the name that they share."""
    if len({m.chain for m in shown}) == 1:
        return lambda m: m.mode, shown[0].chain
    if len({m.mode for m in shown}) == 1:
        return lambda m: m.chain, shown[0].mode
    return lambda m: f"{m.chain} {m.mode}", ""


def _entry(name: str, area: Estimate | None) -> str:
    return name if area is None else f"{name}: AUC {area.value:.4f} ± {area.error:.4f}"
