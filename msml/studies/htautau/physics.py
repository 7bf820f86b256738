"""Four-vectors in Keras ops, differentiable and always float32, also under mixed precision.

Networks see transverse momenta as log(0.1 + pt/GeV), called log pt here. A vector is the last
axis of a tensor: log pt, eta, phi. Units: GeV, rad.
"""

import math
from typing import Any

from keras import ops

from msml.data.transforms import LOG_PT_LIMIT, PT_OFFSET
from msml.studies.htautau.constants import ETA_LIMIT, REGULARISER, TAU_MASS

Tensor = Any


def float32(x: Tensor) -> Tensor:
    """Cast to float32."""
    return ops.cast(x, "float32")


def pt_of(log_pt: Tensor) -> Tensor:
    """Return exp(x) - 0.1 in GeV, the inverse of log(0.1 + pt/GeV), with x clipped to [-7, 7].

    Source: paper, section 4.2.
    """
    clipped = ops.clip(float32(log_pt), -LOG_PT_LIMIT, LOG_PT_LIMIT)
    return ops.exp(clipped) - PT_OFFSET


def momenta(vectors: Tensor) -> Tensor:
    """Convert `(..., 3)` log pt, eta, phi to `(..., 3)` px, py, pz in GeV.

    p = pt (cos phi, sin phi, sinh eta), with eta clipped to [-5, 5].
    """
    vectors = float32(vectors)
    pt = pt_of(vectors[..., 0])
    eta = ops.clip(vectors[..., 1], -ETA_LIMIT, ETA_LIMIT)
    phi = vectors[..., 2]
    return ops.stack([pt * ops.cos(phi), pt * ops.sin(phi), pt * ops.sinh(eta)], axis=-1)


def invariant_mass(vectors: Tensor) -> Tensor:
    """Return the invariant mass of tau leptons, `(..., taus, 3)` to `(...,)`, in GeV.

    E_i = sqrt(0.1 + |p_i|^2 + m_tau^2) and M = sqrt(0.1 + (sum E_i)^2 - |sum p_i|^2). The two
    0.1 GeV^2 keep the gradients finite: M of two vectors without momentum is 3.62 GeV.

    Source: paper, section 4.3, footnote 5; the 0.1 GeV^2 are in the published code only.
    """
    momentum = momenta(vectors)
    energy = ops.sqrt(REGULARISER + ops.sum(momentum**2, axis=-1) + TAU_MASS**2)
    total_energy = ops.sum(energy, axis=-1)
    total_momentum = ops.sum(momentum, axis=-2)
    square = total_energy**2 - ops.sum(total_momentum**2, axis=-1)
    # Differences of large numbers in float32 can be slightly negative.
    return ops.sqrt(REGULARISER + ops.maximum(square, 0.0))


def wrap_phi(phi: Tensor) -> Tensor:
    """Bring angles of any shape into [-pi, pi); pi maps to -pi. Angles in it stay, bit for bit."""
    phi = float32(phi)
    turned = ops.mod(phi + math.pi, 2 * math.pi) - math.pi
    # The remainder of an angle just below -pi rounds up to 2 pi.
    turned = ops.where(turned < math.pi, turned, -math.pi)
    return ops.where(ops.logical_and(phi >= -math.pi, phi < math.pi), phi, turned)
