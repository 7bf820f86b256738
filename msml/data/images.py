"""Images of the energy around a jet axis (paper, Table 1 and Fig. 8)."""

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
