"""Angles and four-vectors in NumPy. Units: GeV, rad."""

from typing import Any

import numpy as np
import numpy.typing as npt

from msml.tensors import Values, as_type, functions, parts

Array = npt.NDArray[Any]

_ROUNDING = 1e-12


def wrap_phi(phi: Array) -> Array:
    """Bring angles into [-pi, pi); pi maps to -pi."""
    wrapped = (phi + np.pi) % (2 * np.pi) - np.pi
    # The remainder of an angle just below -pi rounds up to 2 pi.
    return np.where(wrapped < np.pi, wrapped, -np.pi)


def delta_r(eta_1: Array, phi_1: Array, eta_2: Array, phi_2: Array) -> Array:
    """Distance in pseudorapidity and azimuth, the azimuth taken the short way round."""
    return np.hypot(eta_1 - eta_2, wrap_phi(phi_1 - phi_2))


def pt_eta_phi_m(momentum: Values) -> Values:
    """Convert `(..., 4)` px, py, pz, E to `(..., 4)` pt, eta, phi, m.

    The mass has the sign of its square, as in ROOT: a jet can become space-like when pile-up is
    subtracted. A mass within rounding of 0 is 0. A vector without transverse momentum gets eta 0.
    """
    px, py, pz, energy = parts(as_type(momentum, "float64"))
    xp = functions(px)
    pt = xp.hypot(px, py)
    eta = xp.arcsinh(xp.where(pt > 0, pz, 0.0) / xp.where(pt > 0, pt, 1.0))
    square = energy**2 - pt**2 - pz**2
    square = xp.where(xp.abs(square) < _ROUNDING * energy**2, 0.0, square)
    mass = xp.copysign(xp.sqrt(xp.abs(square)), square)
    return xp.stack([pt, eta, xp.arctan2(py, px), mass], axis=-1)


def px_py_pz_e(vector: Values) -> Values:
    """Convert `(..., 4)` pt, eta, phi, m to `(..., 4)` px, py, pz, E; see `pt_eta_phi_m`."""
    pt, eta, phi, mass = parts(as_type(vector, "float64"))
    xp = functions(pt)
    pz = pt * xp.sinh(eta)
    energy = xp.sqrt(xp.maximum(pt**2 + pz**2 + mass * xp.abs(mass), 0.0))
    return xp.stack([pt * xp.cos(phi), pt * xp.sin(phi), pz, energy], axis=-1)


def pair_mass(vectors: Array) -> Array:
    """Invariant mass of pairs: `(events, 2, 4)` pt, eta, phi, m to `(events,)`, in GeV."""
    px, py, pz, energy = np.moveaxis(px_py_pz_e(vectors).sum(axis=-2), -1, 0)
    mass: Array = np.sqrt(np.maximum(energy**2 - px**2 - py**2 - pz**2, 0.0))
    return mass
