"""Calorimeter images on an event file's page: the mean and single jets, a row for each layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from msml.data.kinematics import Array
from msml.plotting import ENERGY_COLOURS, PAGE_WIDTH
from msml.studies.htautau.events.images import (
    LAYERS,
    SingleImage,
    image_statistics,
    single_images,
    typical_events,
)
from msml.studies.htautau.events.sample import Sample, half_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LogNorm
    from matplotlib.figure import SubFigure

# Inches.
IMAGES_HEIGHT = 5.35
_SIDE, _GAP = 1.38, 0.1
_LEFT, _BOTTOM = 0.95, 0.5
_SINGLES_LEFT = 3.55
_BAR_GAP, _BAR_WIDTH = 0.1, 0.13

_LAYER_NAMES = (
    r"Tracker $p_\mathrm{T}$",
    r"ECAL $E_\mathrm{T}$",
    r"HCAL $E_\mathrm{T}$",
)
# Colours span so many powers of ten at most.
_DECADES = 4


def draw_images(sample: Sample, part: "SubFigure") -> None:
    """Draw the leading jets' mean image, and single ones, one for each common decay mode."""
    mean = image_statistics(sample).mean
    singles = single_images(sample, typical_events(sample))
    axes = _grid(part, _LEFT, 1)
    _fill(sample, axes, [mean])
    axes[0][0].set_title("Mean, leading jets")
    for row, name in enumerate(_LAYER_NAMES):
        axes[row][0].annotate(
            name,
            (-0.5, 0.5),
            xycoords="axes fraction",
            rotation=90,
            va="center",
            ha="center",
            fontweight="bold",
        )
    _bar(part, axes, "Mean energy per pixel [GeV]")
    axes = _grid(part, _SINGLES_LEFT, len(singles))
    _fill(sample, axes, [single.image for single in singles])
    for ax, single in zip(axes[0], singles, strict=True):
        ax.set_title(_title(single))
    _bar(part, axes, "Energy per pixel [GeV]")
    part.text(
        _LEFT / PAGE_WIDTH,
        1 - 0.15 / IMAGES_HEIGHT,
        "Images around the axis of the leading jet, white where there is no energy. Single jets:"
        f" the first{' of each decay mode' if singles[0].mode else ''} with "
        r"$p_\mathrm{T}$ between the median and the 84 % quantile.",
        va="center",
    )


def energy_range(images: Sequence[Array]) -> tuple[float, float]:
    """Range of a logarithmic colour scale for images, in GeV.

    Returns:
        The least positive pixel, but not below the largest by more than four powers of ten, and
        the largest; (1, 10) for images without energy.
    """
    pixels = np.concatenate([image.ravel() for image in images])
    positive = pixels[pixels > 0]
    if len(positive) == 0:
        return 1.0, 10.0
    high = float(positive.max())
    low = max(float(positive.min()), high / 10**_DECADES)
    return min(low, high / 10), high


def _grid(part: "SubFigure", left: float, columns: int) -> "list[list[Axes]]":
    """Square axes of one size, a row for each layer, at places in inches."""
    step = _SIDE + _GAP
    return [
        [
            part.add_axes(
                (
                    (left + column * step) / PAGE_WIDTH,
                    (_BOTTOM + (len(LAYERS) - 1 - row) * step) / IMAGES_HEIGHT,
                    _SIDE / PAGE_WIDTH,
                    _SIDE / IMAGES_HEIGHT,
                )
            )
            for column in range(columns)
        ]
        for row in range(len(LAYERS))
    ]


def _fill(sample: Sample, axes: "list[list[Axes]]", images: Sequence[Array]) -> None:
    """Draw each image's layers down a column, all on one colour scale."""
    from matplotlib.colors import LogNorm

    window = half_width(sample)
    norm = LogNorm(*energy_range(images))
    for column, image in enumerate(images):
        for row in range(len(LAYERS)):
            draw_layer(axes[row][column], image[..., row], window, norm)
            axes[row][column].tick_params(
                which="both", labelbottom=row == len(LAYERS) - 1, labelleft=column == 0
            )
        axes[-1][column].set_xlabel("Pixel in η" if window is None else "Δη", loc="center")
    for first, *_ in axes:
        label = "Pixel in φ" if window is None else "Δφ [rad]"
        first.set_ylabel(label, loc="center", labelpad=2)


def draw_layer(ax: "Axes", layer: Array, window: float | None, norm: "LogNorm") -> None:
    """Draw one layer: eta to the right, phi upwards; pixels without energy stay white."""
    from matplotlib.ticker import MaxNLocator

    across, up = layer.shape
    extent = (0.0, float(across), 0.0, float(up)) if window is None else (-window, window) * 2
    ax.imshow(
        np.where(layer.T > 0, layer.T, np.nan),
        origin="lower",
        extent=extent,
        aspect="auto",
        norm=norm,
        cmap=ENERGY_COLOURS,
        interpolation="nearest",
    )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(4, prune="both"))
    ax.minorticks_off()
    ax.tick_params(direction="out", top=False, right=False, size=2)


def _bar(part: "SubFigure", axes: "list[list[Axes]]", label: str) -> None:
    """A colour bar to the right of a grid, as high as it."""
    top, bottom = axes[0][-1].get_position(), axes[-1][-1].get_position()
    place = part.add_axes(
        (
            bottom.x1 + _BAR_GAP / PAGE_WIDTH,
            bottom.y0,
            _BAR_WIDTH / PAGE_WIDTH,
            top.y1 - bottom.y0,
        )
    )
    part.colorbar(axes[0][0].images[0], cax=place).set_label(label, labelpad=1)


def _title(single: SingleImage) -> str:
    mode = single.mode.replace("π⁰", r"$\pi^0$")
    pt = "" if single.jet_pt is None else f"{single.jet_pt:.0f} GeV"
    return ", ".join(text for text in (mode, pt) if text)
