"""How much each object of an event attends to each other one."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from msml.data.kinematics import Array
from msml.plotting import new_figure
from msml.registry import evaluation_figures
from msml.runs import layout
from msml.simulation.columns import ObjectType
from msml.stages.measured import Measured, TestEvents, best_chains

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ATTENTION, TYPES = "attention", "event_object_types"
_MOST_CHAINS = 10
_NAMES = {
    ObjectType.LEPTON: "lepton",
    ObjectType.B_JET: "b-jet",
    ObjectType.JET: "jet",
    ObjectType.MET: "missing",
}


@evaluation_figures.register("attention_maps")
def attention_maps(
    events: TestEvents, measured: Sequence[Measured]
) -> "dict[str, Callable[[], Figure]]":
    """Mean attention over test events and heads, of each layer, of chains that give it."""
    planned: dict[str, Callable[[], Figure]] = {}
    types = events.columns.get(TYPES)
    for top in best_chains(measured, _MOST_CHAINS):
        for task, named in top.others.items():
            if ATTENTION in named and types is not None:
                made = partial(draw, named[ATTENTION], types, events.weight)
                planned[f"{layout.part(top.chain)}/attention_{task}"] = made
    return planned


def average(attention: Array, types: Array, weight: Array) -> Array:
    """Average attention over events and heads, of pairs of objects that are both real.

    Args:
        attention: `(events, layers, heads, source, destination)`; over the sources it sums to 1.
        types: `(events, objects)` codes, 0 for padding.
        weight: `(events,)`.

    Returns:
        `(layers, source, destination)`; NaN where no event has both.
    """
    real = types != ObjectType.NONE
    pairs = real[:, :, None] & real[:, None, :]
    counted = weight[:, None, None] * pairs
    total = np.einsum("est,elst->lst", counted, attention.mean(axis=2))
    with np.errstate(invalid="ignore"):
        found: Array = total / counted.sum(axis=0)
    return found


def object_names(types: Array) -> list[str]:
    """Name the places of objects by what stands there most often, numbered where several do."""
    codes = types.astype(np.int64)  # float32 among the columns of a task
    kinds = [int(np.bincount(column[column > 0], minlength=1).argmax()) for column in codes.T]
    names: Mapping[int, str] = {int(kind): name for kind, name in _NAMES.items()}
    found = [names.get(kind, "none") for kind in kinds]
    return [
        f"{name} {found[: place + 1].count(name)}" if found.count(name) > 1 else name
        for place, name in enumerate(found)
    ]


def draw(attention: Array, types: Array, weight: Array) -> "Figure":
    """Draw a map for each layer, and their mean; arguments as of `average`."""
    maps = average(attention, types, weight)
    titles = [f"layer {number + 1}" for number in range(len(maps))]
    if len(maps) > 1:
        maps, titles = np.concatenate([maps, maps.mean(axis=0)[None]]), [*titles, "mean"]
    names, objects = object_names(types), maps.shape[-1]
    figure, axes = new_figure(2.6 * len(maps) + 1.0, 3.3, (1.0,), len(maps))
    low, high = float(np.nanmin(maps)), float(np.nanmax(maps))
    for place, (ax, shown, title) in enumerate(zip(axes, maps, titles, strict=True)):
        image = ax.imshow(shown, vmin=low, vmax=high, cmap="viridis")
        ax.set_title(title)
        ax.set_xticks(range(objects), names, rotation=90)
        ax.set_yticks(range(objects), names if place == 0 else [""] * objects)
        ax.tick_params(axis="both", which="both", length=0)
        ax.set_xlabel("attending object")
    axes[0].set_ylabel("attended object")
    figure.colorbar(image, ax=axes, label="Mean attention")
    return figure
