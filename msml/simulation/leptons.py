"""Isolated electrons and muons, and the missing transverse momentum.

Source: Delphes' modules Isolation and MissingET, and what the CMS pile-up card feeds them with.
"""

from dataclasses import dataclass

import numpy as np

from msml.data.kinematics import Array, delta_r
from msml.domains import NotNegative, Positive
from msml.simulation.detector import Measurement, Tracks
from msml.simulation.detector_card import Detector
from msml.simulation.particles import Kind
from msml.simulation.tracking import efficiency


@dataclass(frozen=True)
class Isolation:
    """What an isolated lepton is.

    Attributes:
        delta_r: Radius of the cone around the lepton.
        pt_min: Least transverse momentum of what is summed in it, in GeV.
        electrons: Largest sum in the cone over the electron's pt.
        muons: The same of muons.
    """

    delta_r: Positive
    pt_min: NotNegative
    electrons: NotNegative
    muons: NotNegative


def find_leptons(
    measurement: Measurement,
    rho: Array,
    detector: Detector,
    isolation: Isolation,
    random: np.random.Generator,
) -> Array:
    """Find the identified and isolated leptons; they have the momenta of their tracks.

    Args:
        measurement: What the detector saw.
        rho: `(events,)` pile-up density in GeV.
        detector: Efficiencies of identification.
        isolation: What is isolated.
        random: Source of random numbers.

    Returns:
        `(events, leptons, 4)` pt, eta, phi, m, the leading first, padded with zeros.
    """
    tracks = measurement.tracks
    probability = np.zeros(len(tracks.event))
    largest = np.zeros(len(tracks.event))
    for kind, table, limit in (
        (Kind.ELECTRON, detector.electron_identification, isolation.electrons),
        (Kind.MUON, detector.muon_identification, isolation.muons),
    ):
        chosen = tracks.kept & (tracks.kind == kind)
        probability[chosen] = efficiency(table, tracks.flow_pt[chosen], tracks.eta[chosen])
        largest[chosen] = limit
    candidates = np.flatnonzero(probability > 0)
    identified = random.random(len(candidates)) < probability[candidates]
    candidates = candidates[identified]
    around = sum_around(measurement, candidates, rho, isolation)
    found = candidates[around <= largest[candidates] * tracks.flow_pt[candidates]]
    return _padded(tracks, found, len(rho))


def sum_around(measurement: Measurement, leptons: Array, rho: Array, isolation: Isolation) -> Array:
    """Transverse momentum around leptons, in GeV.

    Tracks that charged-hadron subtraction leaves count, but for those of electrons and muons; of
    the neutral objects, what is more than pile-up of this density brings.

    Args:
        measurement: What the detector saw.
        leptons: Rows of the tracks.
        rho: `(events,)` pile-up density in GeV.
        isolation: The cone.
    """
    tracks = measurement.tracks
    hadrons = tracks.kept & (tracks.kind != Kind.ELECTRON) & (tracks.kind != Kind.MUON)
    charged = np.zeros(len(leptons))
    neutral = np.zeros(len(leptons))
    sources = [(tracks.event[hadrons], *_flow(tracks, hadrons), charged)]
    for towers in (measurement.photons, measurement.neutral_hadrons):
        sources.append((towers.event, towers.et, towers.eta, towers.phi, neutral))
    for event, pt, eta, phi, total in sources:
        lepton, other = _pairs(tracks.event[leptons], event)
        row = leptons[lepton]
        near = delta_r(tracks.eta[row], tracks.phi[row], eta[other], phi[other])
        counted = (near <= isolation.delta_r) & (pt[other] >= isolation.pt_min)
        np.add.at(total, lepton[counted], pt[other[counted]])
    pileup = np.maximum(rho, 0.0)[tracks.event[leptons]] * np.pi * isolation.delta_r**2
    return charged + np.maximum(neutral - pileup, 0.0)


def missing_momentum(measurement: Measurement, events: int) -> Array:
    """Find the missing transverse momentum: against the sum of all energy-flow objects.

    Tracks of pile-up count, as its neutral particles do, so that both cancel.

    Returns:
        `(events, 2)` pt in GeV and phi.
    """
    tracks = measurement.tracks
    sums = np.zeros((events, 2))
    for event, pt, phi in (
        (tracks.event, tracks.flow_pt, tracks.phi),
        *((t.event, t.et, t.phi) for t in (measurement.photons, measurement.neutral_hadrons)),
    ):
        for axis, part in enumerate((np.cos(phi), np.sin(phi))):
            sums[:, axis] -= np.bincount(event, pt * part, minlength=events)
    return np.stack([np.hypot(*sums.T), np.arctan2(sums[:, 1], sums[:, 0])], axis=1)


def _flow(tracks: Tracks, chosen: Array) -> tuple[Array, Array, Array]:
    return tracks.flow_pt[chosen], tracks.eta[chosen], tracks.phi[chosen]


def _pairs(first: Array, second: Array) -> tuple[Array, Array]:
    """All pairs of entries of the same event, as rows of both."""
    order = np.argsort(second, kind="stable")
    low = np.searchsorted(second[order], first, side="left")
    counts = np.searchsorted(second[order], first, side="right") - low
    row = np.repeat(np.arange(len(first)), counts)
    within = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    return row, order[low[row] + within]


def _padded(tracks: Tracks, rows: Array, events: int) -> Array:
    """Momenta of tracks, by event."""
    event, pt = tracks.event[rows], tracks.flow_pt[rows]
    order = np.lexsort((-pt, event))
    rows, event = rows[order], event[order]
    counts = np.bincount(event, minlength=events)
    slot = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    found = np.zeros((events, int(counts.max(initial=0)), 4))
    columns = (tracks.flow_pt, tracks.eta, tracks.phi, tracks.mass)
    found[event, slot] = np.stack([column[rows] for column in columns], axis=1)
    return found
