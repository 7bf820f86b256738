"""Tracks: efficiency, momentum resolution, and charged-hadron subtraction."""

import numpy as np

from msml.data.kinematics import Array
from msml.simulation.detector_card import Detector, Efficiency, Tracking
from msml.simulation.particles import Kind, Particles

_MUON_FALL_FROM = 1000.0
_MUON_FALL_RATE = 5e-4


def tracking_of(detector: Detector) -> dict[Kind, Tracking]:
    """The tracking tables by kind of particle."""
    return {
        Kind.HADRON: detector.hadrons,
        Kind.ELECTRON: detector.electrons,
        Kind.MUON: detector.muons,
    }


def efficiency(table: Efficiency, pt: Array, eta: Array) -> Array:
    """Probability by pt in GeV and eta; of a track, by eta at the calorimeter's face."""
    eta_band = np.searchsorted(table.eta, np.abs(eta), side="left")
    pt_band = np.searchsorted(table.pt, pt, side="left")
    padded = np.zeros((len(table.eta) + 1, len(table.pt) + 1))
    padded[:-1, 1:] = table.efficiency
    return padded[eta_band, pt_band]


def resolution(table: Tracking, pt: Array, eta: Array) -> Array:
    """Relative resolution of pt, at most 1, and 0 beyond the last band."""
    band = np.searchsorted(table.resolution_eta, np.abs(eta), side="left")
    constant, slope = np.array([*table.resolution, [0.0, 0.0]])[band].T
    return np.minimum(np.hypot(constant, slope * pt), 1.0)


def muon_fall(pt: Array) -> Array:
    """Factor on the efficiency of muons above 1 TeV."""
    return np.where(
        pt > _MUON_FALL_FROM, np.exp(0.5 - _MUON_FALL_RATE * np.maximum(pt, _MUON_FALL_FROM)), 1.0
    )


def log_normal(mean: Array, width: Array, random: np.random.Generator) -> Array:
    """Draw positive numbers with this mean and standard deviation; 0 where the mean is 0."""
    safe = np.where(mean > 0, mean, 1.0)
    variance = np.log1p((width / safe) ** 2)
    draw = np.exp(np.sqrt(variance) * random.standard_normal(len(safe)) - 0.5 * variance)
    return np.where(mean > 0, safe * draw, 0.0)


def find_tracks(
    charged: Particles, eta: Array, detector: Detector, random: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Decide which charged particles leave a track, and measure its transverse momentum.

    Args:
        charged: Charged particles that reach the calorimeter.
        eta: Pseudorapidity of each at the calorimeter's face, which the card's formulas use.
        detector: The detector.
        random: Source of random numbers.

    Returns:
        `(found, pt, relative)`: indices of the particles with a track, the measured pt in GeV and
        the relative resolution of each.
    """
    probability = np.zeros(len(charged))
    relative = np.zeros(len(charged))
    for kind, table in tracking_of(detector).items():
        chosen = charged.kind == kind
        probability[chosen] = efficiency(table, charged.pt[chosen], eta[chosen])
        relative[chosen] = resolution(table, charged.pt[chosen], eta[chosen])
    probability = np.where(
        charged.kind == Kind.MUON, probability * muon_fall(charged.pt), probability
    )
    found = np.flatnonzero(random.random(len(charged)) < probability)
    relative = relative[found]
    pt = charged.pt[found]
    return found, log_normal(pt, relative * pt, random), relative


def from_hard_vertex(tracks: Particles, vertex_z: Array, resolution_z: float) -> Array:
    """Say which tracks charged-hadron subtraction leaves.

    Args:
        tracks: The particles of the tracks.
        vertex_z: `(events,)` z of the hard interaction, in m.
        resolution_z: Pile-up tracks made within this distance along the beam stay, in m.
    """
    near: Array = np.abs(tracks.z - vertex_z[tracks.event]) <= resolution_z
    return ~tracks.pileup | near
