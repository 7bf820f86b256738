"""From stable particles to tracks, towers and energy-flow objects of a batch of events."""

from dataclasses import dataclass

import numpy as np

from msml.data.kinematics import Array
from msml.simulation.calorimeter import (
    Deposits,
    Grid,
    Towers,
    ecal_resolution,
    hcal_resolution,
    measure,
)
from msml.simulation.detector_card import Detector
from msml.simulation.particles import Kind, Particles, energy
from msml.simulation.propagation import propagate
from msml.simulation.tracking import find_tracks, from_hard_vertex

# Share of a particle's energy left in the electromagnetic and in the hadronic calorimeter.
_SHARE_ECAL = {Kind.ELECTRON: 1.0, Kind.PHOTON: 1.0, Kind.STRANGE_NEUTRAL: 0.3}
_SHARE_HCAL = {Kind.HADRON: 1.0, Kind.STRANGE_NEUTRAL: 0.7}


@dataclass(frozen=True)
class Tracks:
    """Measured tracks, one entry a track. Units: GeV, rad.

    Attributes:
        event: Row of the batch.
        kind: `Kind` of the particle.
        pt: Measured transverse momentum.
        eta: Pseudorapidity at the vertex.
        phi: Azimuth at the vertex.
        mass: Mass.
        charge: Electric charge.
        kept: Whether charged-hadron subtraction leaves the track.
        flow_pt: Transverse momentum after energy flow.
    """

    event: Array
    kind: Array
    pt: Array
    eta: Array
    phi: Array
    mass: Array
    charge: Array
    kept: Array
    flow_pt: Array


@dataclass(frozen=True)
class Measurement:
    """What the detector saw of a batch of events.

    Attributes:
        tracks: All tracks.
        ecal: Towers of the electromagnetic calorimeter.
        hcal: Towers of the hadronic calorimeter.
        photons: Neutral excess in the electromagnetic calorimeter.
        neutral_hadrons: Neutral excess in the hadronic calorimeter.
    """

    tracks: Tracks
    ecal: Towers
    hcal: Towers
    photons: Towers
    neutral_hadrons: Towers


class DetectorSimulation:
    """The detector of a recipe, with its grids built once.

    Args:
        detector: Its numbers.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._ecal = Grid.of(detector.ecal)
        self._hcal = Grid.of(detector.hcal)

    def measure(
        self, particles: Particles, vertex_z: Array, random: np.random.Generator
    ) -> Measurement:
        """Simulate a batch of events.

        Args:
            particles: Stable particles.
            vertex_z: `(events,)` z of the hard interaction, in m.
            random: Source of random numbers.
        """
        detector = self._detector
        reached, eta, phi = propagate(particles, detector)
        particles, eta, phi = particles.take(reached), eta[reached], phi[reached]

        charged = np.flatnonzero((particles.charge != 0) & (particles.kind != Kind.INVISIBLE))
        found, track_pt, relative = find_tracks(
            particles.take(charged), eta[charged], detector, random
        )
        found = charged[found]
        tracks = particles.take(found)
        track_energy = energy(track_pt, tracks.sinh_eta, tracks.mass)
        scale = np.ones(len(found))
        seen = []
        for share, calorimeter, grid, resolution in (
            (_SHARE_ECAL, detector.ecal, self._ecal, ecal_resolution),
            (_SHARE_HCAL, detector.hcal, self._hcal, hcal_resolution),
        ):
            fraction = np.array([share.get(kind, 0.0) for kind in Kind])
            deposits = _deposits(particles, eta, phi, particles.energy, fraction)
            pointing = np.flatnonzero(fraction[tracks.kind] > 0)
            towers, neutrals, factor = measure(
                deposits,
                Deposits(
                    tracks.event[pointing],
                    eta[found[pointing]],
                    phi[found[pointing]],
                    track_energy[pointing],
                ),
                relative[pointing] * track_energy[pointing],
                calorimeter,
                grid,
                resolution,
                random,
            )
            scale[pointing] *= factor
            seen += [towers, neutrals]
        ecal, photons, hcal, neutral_hadrons = seen
        measured = Tracks(
            tracks.event,
            tracks.kind,
            track_pt,
            np.arcsinh(tracks.sinh_eta),
            tracks.phi,
            tracks.mass,
            tracks.charge,
            from_hard_vertex(tracks, vertex_z, detector.vertex_resolution),
            track_pt * scale,
        )
        return Measurement(measured, ecal, hcal, photons, neutral_hadrons)


def _deposits(
    particles: Particles, eta: Array, phi: Array, total: Array, fraction: Array
) -> Deposits:
    """The energy that particles leave in a calorimeter, by the share of each kind."""
    share = fraction[particles.kind]
    chosen = np.flatnonzero(share > 0)
    return Deposits(
        particles.event[chosen], eta[chosen], phi[chosen], share[chosen] * total[chosen]
    )
