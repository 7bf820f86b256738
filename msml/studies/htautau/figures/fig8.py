"""Fig. 8: images around the leading jet, the mean of all events and a single one."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from msml.data.described import paths
from msml.data.kinematics import Array
from msml.data.source import event_source
from msml.recipe import load as load_recipe
from msml.recipe.schema import TrainRecipe
from msml.registry import figures
from msml.report.looks import NothingToDraw, new_figure
from msml.report.results import Results
from msml.studies.htautau.events.image_panels import draw_layer, energy_range
from msml.studies.htautau.events.images import (
    IMAGES,
    LAYERS,
    image_statistics,
    single_images,
    typical_events,
)
from msml.studies.htautau.events.sample import Sample, half_width, load

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

TITLE = "Images of task 1"
CAPTION = (
    "Energy around the axis of the leading jet in tracker, electromagnetic and hadronic "
    "calorimeter: (a-c) mean of all events, (d-f) a single event, the first whose jet has a pT "
    "between the median and the 84 % quantile. White: no energy."
)
_NAMES = (r"Tracker $p_\mathrm{T}$", r"ECAL $E_\mathrm{T}$", r"HCAL $E_\mathrm{T}$")
_LABELS = ("Mean per pixel [GeV]", "Energy per pixel [GeV]")


def events_of(results: Results) -> Path:
    """Find the event file of a recipe; there may be no runs yet."""
    about_data = [each for each in results.overrides if each.startswith("data.")]
    loaded = load_recipe(results.name, TrainRecipe, about_data)
    return paths(event_source(loaded))[0]


def images(path: Path) -> tuple[Sample, Array, Array]:
    """Read the mean image and a single one of an event file.

    Raises:
        NothingToDraw: It has no images.
    """
    sample = load(path)
    if IMAGES not in sample.shapes:
        raise NothingToDraw(f"{path} has no images")
    single = single_images(sample, typical_events(sample))[0]
    return sample, image_statistics(sample).mean, single.image


def summary(path: Path) -> "DataFrame":
    """Energy of each layer: its sum, and the fraction within the innermost pixels."""
    from pandas import DataFrame

    _, mean, single = images(path)
    made = []
    for name, image in (("mean", mean), ("single", single)):
        for index, layer in enumerate(LAYERS):
            values = image[..., index]
            row = {"image": name, "layer": layer, "energy": float(values.sum())}
            made.append({**row, "pixels filled": int(np.count_nonzero(values))})
    return DataFrame(made)


@figures.register(
    "fig8", title=TITLE, caption=CAPTION, summary=summary, source=events_of, runs=False
)
def draw(path: Path) -> "Figure":
    """Draw two rows of three layers, a colour scale for each row."""
    from matplotlib.colors import LogNorm

    sample, mean, single = images(path)
    window = half_width(sample)
    figure, columns = new_figure(8.0, 5.0, (1.0, 1.0), columns=len(LAYERS))
    axes = np.array(columns).reshape(len(LAYERS), 2).T
    for row, (image, label) in enumerate(zip((mean, single), _LABELS, strict=True)):
        norm = LogNorm(*energy_range([image]))
        for column, ax in enumerate(axes[row]):
            draw_layer(ax, image[..., column], window, norm)
            ax.set_aspect("equal")
            ax.set_title(f"({'abcdef'[3 * row + column]}) {_NAMES[column]}", loc="left")
            if column == 0:
                ax.set_ylabel("Pixel in φ" if window is None else "Δφ [rad]")
            if row == 1:
                ax.set_xlabel("Pixel in η" if window is None else "Δη")
        figure.colorbar(axes[row][0].images[0], ax=list(axes[row]), label=label, pad=0.01)
    return figure
