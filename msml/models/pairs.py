"""What two momenta have in common, for models of objects that look at pairs."""

from collections.abc import Mapping, Sequence
from math import pi
from typing import Any

import keras
import numpy as np
from keras import ops

from msml.data.transforms import PT_OFFSET
from msml.models.layers import Shape, registered

Tensor = Any
FEATURES = 4
FORMS = (("pt", "eta", "phi"), ("log_pt", "eta", "phi"), ("px", "py", "pz"))
"""Components that a momentum may have, before a mass `m` or an energy `E`: others are passed over.

`log_pt` is what the transform of this name gives.
"""

_FLOOR = 1e-3  # of ΔR, z, and momenta and masses in GeV, before the logarithm


@registered
class PairFeatures(keras.layers.Layer):
    """Logarithms of ΔR, k_T = min(pT) ΔR, z = min(pT) / (pT + pT) and m² of each pair of objects.

    Called with momenta, `(events, objects, components)` in GeV, rad, and which objects are `real`,
    `(events, objects)`, or None for all; gives `(events, objects, objects, 4) float32`. What is
    below 0.001 (m² below 10⁻⁶ GeV²) counts as that. An object with itself, and padding, has zeros.

    Source: Qu, Li and Qian, 2202.03772, eq. 3, with pseudorapidity in ΔR.
    """

    stackable = True

    def __init__(self, components: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.components = tuple(components)

    def compute_output_shape(self, inputs_shape: Shape, *_: Any) -> Shape:
        """Return the shape with two axes of objects."""
        return (*inputs_shape[:2], inputs_shape[1], FEATURES)

    def call(self, inputs: Tensor, real: Tensor = None) -> Tensor:
        """Compute."""
        objects = inputs.shape[1]
        pairs = ops.logical_not(ops.eye(objects, dtype="bool"))
        if real is not None:
            pairs = ops.logical_and(pairs, ops.logical_and(real[:, :, None], real[:, None]))
        columns = ops.unstack(ops.cast(inputs, "float32"), axis=-1)
        parts = dict(zip(self.components, columns, strict=True))
        features = pair_features(*_pt_eta_phi_m(parts))
        return ops.where(ops.expand_dims(pairs, -1), features, 0.0)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for saving."""
        return {**super().get_config(), "components": list(self.components)}


def pair_features(pt: Tensor, eta: Tensor, phi: Tensor, mass: Tensor) -> Tensor:
    """Compute what `PairFeatures` gives, from `(events, objects)` each, also for equal objects."""
    turn = _difference(phi)
    turn = turn - 2 * pi * ops.round(turn / (2 * pi))
    distance = 0.5 * _log(ops.square(_difference(eta)) + ops.square(turn), _FLOOR**2)
    lower = _log(ops.minimum(pt[:, :, None], pt[:, None]), _FLOOR)
    share = lower - _log(pt[:, :, None] + pt[:, None], _FLOOR)
    least = float(np.log(_FLOOR))
    square = _log(_mass_squared(pt, eta, turn, mass), _FLOOR**2)
    features = [distance, ops.maximum(lower + distance, least), ops.maximum(share, least), square]
    return ops.stack(features, axis=-1)


def _mass_squared(pt: Tensor, eta: Tensor, turn: Tensor, mass: Tensor) -> Tensor:
    """m² of pairs, as a sum in which nothing cancels.

    With the transverse mass μ and the rapidity y of each it is
    m₁² + m₂² + 2 (μ₁μ₂ - p₁p₂) + 4 μ₁μ₂ sinh²(Δy/2) + 4 p₁p₂ sin²(Δφ/2).
    """
    pt_square, square = ops.square(pt), ops.square(mass)
    # Squares anew: derivatives that share a term are summed in no fixed order.
    transverse = ops.sqrt(ops.maximum(ops.square(pt) + ops.square(mass), _FLOOR**4))
    rapidity = ops.arcsinh(pt * ops.sinh(eta) / transverse)
    masses, momenta = _product(transverse), _product(pt)
    mixed = pt_square[:, :, None] * square[:, None] + square[:, :, None] * pt_square[:, None]
    excess = (mixed + _product(square)) / (masses + momenta)
    along = masses * ops.square(ops.sinh(_difference(rapidity) / 2))
    around = momenta * ops.square(ops.sin(turn / 2))
    return square[:, :, None] + square[:, None] + 2 * excess + 4 * (along + around)


def _pt_eta_phi_m(parts: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Find the components that the features are of; a mass that is not given is 0."""
    if "px" not in parts:
        pt = parts["pt"] if "pt" in parts else ops.exp(parts["log_pt"]) - PT_OFFSET
        mass = ops.maximum(parts["m"], 0.0) if "m" in parts else ops.zeros_like(pt)
        return ops.maximum(pt, 0.0), parts["eta"], parts["phi"], mass
    px, py, pz = parts["px"], parts["py"], parts["pz"]
    square = ops.square(px) + ops.square(py)
    # Roots and angles have no derivative at 0.
    pt = ops.sqrt(ops.maximum(square, _FLOOR**4))
    phi = ops.arctan2(py, ops.where(square > 0, px, 1.0))
    if "E" not in parts:
        return pt, ops.arcsinh(pz / pt), phi, ops.zeros_like(pt)
    mass_square = ops.square(parts["E"]) - square - ops.square(pz)
    mass = ops.sqrt(ops.maximum(mass_square, _FLOOR**4))
    return pt, ops.arcsinh(pz / pt), phi, mass


def _log(values: Tensor, floor: float) -> Tensor:
    return ops.log(ops.maximum(values, floor))


def _difference(x: Tensor) -> Tensor:
    return x[:, :, None] - x[:, None]


def _product(x: Tensor) -> Tensor:
    return x[:, :, None] * x[:, None]
