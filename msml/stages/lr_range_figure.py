"""The figure of a learning-rate range test."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from msml.plotting import look, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDE = 10.0  # times the lowest loss, from which on the axis is logarithmic
_NAMES = {"steepest": "steepest", "tenth": "lowest / 10", "recipe": "recipe"}


def draw(result: Mapping[str, Any]) -> "Figure":
    """Draw the loss against the learning rate with its band, and the rates that were found.

    Args:
        result: The result of a test.
    """
    figure, (ax,) = new_figure(6.4, 3.4, (1.0,))
    colour, _ = look(0)
    if found := result["curve"]:
        rates, loss, low, high = (np.array(found[name]) for name in ("rate", "loss", "low", "high"))
        for each in result["losses"]:
            ax.plot(result["rates"], each, color=colour, alpha=0.15, linewidth=0.5)
        ax.plot(rates, loss, color=colour, label=f"mean of {result['repeats']}, smoothed")
        ax.fill_between(rates, low, high, color=colour, alpha=0.25, linewidth=0)
        ax.set_xlim(result["rates"][0], result["rates"][-1])
        _limit(ax, float(loss.min()), float(high[: np.argmin(loss) + 1].max()))
    for index, (key, name) in enumerate(_NAMES.items(), 1):
        if result.get(key) is not None:
            own, line = look(index)
            ax.axvline(result[key], color=own, linestyle=line, label=f"{name}: {result[key]:.2g}")
    ax.set_xscale("log")
    ax.set_xlabel("Learning rate")
    ax.set_ylabel("Training loss")
    ax.set_title(result["unit"], loc="left")
    figure.legend(loc="outside right upper")
    return figure


def _limit(ax: "Axes", low: float, high: float) -> None:
    """Show the losses between two, and some more, but not all that diverge."""
    if high > _WIDE * low > 0:
        ax.set_yscale("log")
        ax.set_ylim(low / 2, high * (high / low) ** 0.7)
    else:
        ax.set_ylim(low - 0.3 * (high - low), high + 0.7 * (high - low))
