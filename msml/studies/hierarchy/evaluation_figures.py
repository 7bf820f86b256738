"""The latent space of a task that gives a feature of two numbers."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from msml.chain import real_objects
from msml.data.kinematics import Array
from msml.plotting import COLOURS, new_figure
from msml.registry import evaluation_figures, losses
from msml.runs import layout
from msml.stages.measured import Measured, TestEvents, best_chains

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_CHAINS = 10
_MOST_POINTS = 2000  # of each class


@evaluation_figures.register("latent_spaces")
def latent_spaces(
    events: TestEvents, measured: Sequence[Measured]
) -> "dict[str, Callable[[], Figure]]":
    """The feature of each event or object, coloured by its label, of each of the best chains."""
    planned: dict[str, Callable[[], Figure]] = {}
    for top in best_chains(measured, _MOST_CHAINS):
        for task, named in top.others.items():
            for name, feature in named.items():
                if feature.shape[-1] == 2 and _is_label(events, task):
                    made = partial(draw, events, task, feature)
                    planned[f"{layout.part(top.chain)}/latent_{task}_{name}"] = made
    return planned


def _is_label(events: TestEvents, task: str) -> bool:
    return losses.get(events.tasks[task].loss).facts.get("target") == "label"


def draw(events: TestEvents, task: str, feature: Array) -> "Figure":
    """Draw the two numbers against each other, up to 2,000 of each class.

    Args:
        events: The test split.
        task: The task, whose target is a label.
        feature: `(events, 2)`, or `(events, objects, 2)` of a task with `each`.
    """
    spec = events.tasks[task]
    label, real = events.columns[spec.target], real_objects(spec, events.columns)
    if real is not None:
        label, feature = label[np.asarray(real)], feature[np.asarray(real)]
    figure, (ax,) = new_figure(3.6, 3.4, (1.0,))
    for value in (0, 1):
        rows = np.flatnonzero(label == value)[:_MOST_POINTS]
        name = f"{spec.target} = {value}"
        (points,) = ax.plot(*feature[rows].T, color=COLOURS[value], label=name)
        points.set(linestyle="", marker="os"[value], markersize=1.5, alpha=0.4)
    ax.set_xlabel(f"First number of the feature of {task}")
    ax.set_ylabel("Second number")
    figure.legend(loc="outside upper center", ncols=2, markerscale=3)
    return figure
