"""Images of the energy around a jet axis (paper, Table 1 and Fig. 8)."""

from collections.abc import Iterable

import numpy as np

from msml.data.kinematics import Array, wrap_phi


def jet_image(
    axes: Array,
    event: Array,
    eta: Array,
    phi: Array,
    weight: Array,
    *,
    pixels: int,
    half_width: float,
) -> Array:
    """Sum objects into square pixels around jet axes.

    The window is `[-half_width, half_width)` in both directions from the axis; azimuth is taken
    the short way round. Nothing is rotated, flipped or scaled.

    Args:
        axes: `(events, jets, 2)` eta and phi of the axes.
        event: `(objects,)` row of `axes` that each object belongs to.
        eta: `(objects,)` pseudorapidity.
        phi: `(objects,)` azimuth in rad.
        weight: `(objects,)` what is summed, in GeV.
        pixels: Pixels along each direction.
        half_width: Half the window, in eta and in rad.

    Returns:
        `(events, jets, pixels, pixels) float32`; the first image axis is eta, the second phi.
    """
    events, jets = axes.shape[:2]
    scale = pixels / (2 * half_width)
    image = np.zeros(events * jets * pixels**2)
    for jet in range(jets):
        axis = axes[event, jet]
        row = np.floor((eta - axis[:, 0] + half_width) * scale).astype(np.int64)
        column = np.floor((wrap_phi(phi - axis[:, 1]) + half_width) * scale).astype(np.int64)
        inside = (row >= 0) & (row < pixels) & (column >= 0) & (column < pixels)
        pixel = ((event * jets + jet) * pixels + row) * pixels + column
        image += np.bincount(pixel[inside], weight[inside], minlength=image.size)
    return image.reshape(events, jets, pixels, pixels).astype(np.float32)


def layer_images(
    axes: Array,
    rows: Array,
    events: int,
    layers: Iterable[tuple[Array, Array, Array, Array]],
    *,
    pixels: int,
    half_width: float,
) -> Array:
    """Make images of several kinds of objects for some events of a batch; see `jet_image`.

    Args:
        axes: `(selected, jets, 2)` eta and phi of the jets of the selected events.
        rows: `(selected,)` rows of these events in the batch.
        events: Events in the batch.
        layers: Row in the batch, eta, phi and weight of the objects of each layer.
        pixels: Pixels along each direction.
        half_width: Half the window, in eta and in rad.

    Returns:
        `(selected, jets, pixels, pixels, layers) float32`.
    """
    position = np.full(events, -1)
    position[rows] = np.arange(len(rows))
    images = []
    for event, eta, phi, weight in layers:
        chosen = np.flatnonzero(position[event] >= 0)
        images.append(
            jet_image(
                axes,
                position[event[chosen]],
                eta[chosen],
                phi[chosen],
                weight[chosen],
                pixels=pixels,
                half_width=half_width,
            )
        )
    return np.stack(images, axis=-1)
