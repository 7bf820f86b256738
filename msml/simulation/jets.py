"""Pile-up density, anti-kT jets and their pile-up subtraction."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import awkward as ak
import fastjet
import numpy as np
import vector

from msml.data.kinematics import Array, pt_eta_phi_m
from msml.simulation.detector import Measurement
from msml.simulation.settings import Jets

# Bands of rapidity in which the pile-up density is taken, and the tiles of each band.
RHO_BANDS = (-5.0, -2.5, 2.5, 5.0)
_TILES_PER_UNIT = 1.0
_TILES_AROUND = 6


@dataclass(frozen=True)
class FlowObjects:
    """Energy-flow objects after charged-hadron subtraction, one entry an object.

    Attributes:
        event: Row of the batch, ascending.
        momentum: `(objects, 4)` px, py, pz, E in GeV.
        charge: Electric charge.
    """

    event: Array
    momentum: Array
    charge: Array


@dataclass(frozen=True)
class EventJets:
    """Jets of a batch of events, padded with zeros. Units: GeV, rad.

    Attributes:
        jets: `(events, jets, 4)` pt, eta, phi, m after subtraction, leading first.
        constituents: `(events, jets, constituents)` rows of the flow objects, -1 where none, the
            leading first; None unless asked for.
        rho: `(events,)` pile-up density at |rapidity| < 2.5, in GeV per unit area.
    """

    jets: Array
    constituents: Array | None
    rho: Array

    def take(self, events: Array) -> Self:
        """Keep some events."""
        members = None if self.constituents is None else self.constituents[events]
        return type(self)(self.jets[events], members, self.rho[events])


def flow_objects(measurement: Measurement) -> FlowObjects:
    """Collect the tracks that charged-hadron subtraction leaves and all neutral objects."""
    tracks = measurement.tracks
    kept = tracks.kept
    neutrals = (measurement.photons, measurement.neutral_hadrons)
    event = np.concatenate([tracks.event[kept], *(n.event for n in neutrals)])
    pt = np.concatenate([tracks.flow_pt[kept], *(n.et for n in neutrals)])
    eta = np.concatenate([tracks.eta[kept], *(n.eta for n in neutrals)])
    phi = np.concatenate([tracks.phi[kept], *(n.phi for n in neutrals)])
    mass = np.concatenate([tracks.mass[kept], *(np.zeros(len(n.event)) for n in neutrals)])
    charge = np.concatenate([tracks.charge[kept], *(np.zeros(len(n.event)) for n in neutrals)])
    pz = pt * np.sinh(eta)
    energy = np.sqrt(pt**2 + pz**2 + mass**2)
    momentum = np.stack([pt * np.cos(phi), pt * np.sin(phi), pz, energy], axis=1)
    order = np.argsort(event, kind="stable")
    return FlowObjects(event[order], momentum[order], charge[order].astype(np.int8))


def pileup_density(flow: FlowObjects, events: int) -> Array:
    """Median transverse momentum per area of tiles, in each band of rapidity.

    This is FastJet's GridMedianBackgroundEstimator with tiles of about 1 by 1.

    Returns:
        `(events, bands)` in GeV.
    """
    px, py, pz, energy = flow.momentum.T
    pt = np.hypot(px, py)
    rapidity = np.arctanh(np.clip(pz / energy, -1 + 1e-15, 1 - 1e-15))
    turn = (np.arctan2(py, px) % (2 * np.pi)) / (2 * np.pi)
    column = np.minimum((turn * _TILES_AROUND).astype(np.int64), _TILES_AROUND - 1)
    density = []
    for low, high in pairwise(RHO_BANDS):
        rows = int((high - low) / _TILES_PER_UNIT + 0.5)
        height = (high - low) / rows
        row = np.floor((rapidity - low) / height).astype(np.int64)
        inside = (row >= 0) & (row < rows)
        tile = (flow.event * rows + row) * _TILES_AROUND + column
        sums = np.bincount(tile[inside], pt[inside], minlength=events * rows * _TILES_AROUND)
        area = height * 2 * np.pi / _TILES_AROUND
        density.append(np.median(sums.reshape(events, -1), axis=1) / area)
    return np.stack(density, axis=1)


def area_vector(eta_phi: Array, radius: float) -> Array:
    """Four-vector area of a disc in rapidity and azimuth, `(..., 2)` to `(..., 4)`.

    The integral of massless vectors of unit pt over the disc: pi R^2 times
    2 J1(R)/R along the axis and 2 I1(R)/R for E and pz, here to order R^4.
    An anti-kT jet's active area is a disc to 3 %.
    """
    square = radius**2
    transverse = 1 - square / 8 + square**2 / 192
    longitudinal = 1 + square / 8 + square**2 / 192
    rapidity, phi = eta_phi[..., 0], eta_phi[..., 1]
    return (np.pi * square) * np.stack(
        [
            transverse * np.cos(phi),
            transverse * np.sin(phi),
            longitudinal * np.sinh(rapidity),
            longitudinal * np.cosh(rapidity),
        ],
        axis=-1,
    )


def find_jets(
    flow: FlowObjects, events: int, settings: Jets, *, constituents: bool = False
) -> EventJets:
    """Cluster energy-flow objects with anti-kT and subtract pile-up.

    Args:
        flow: The objects.
        events: Events in the batch.
        settings: Radius and thresholds.
        constituents: Whether to list the objects of each jet.
    """
    rho = pileup_density(flow, events)
    counts = np.bincount(flow.event, minlength=events)
    sequence = _cluster(flow.momentum, counts, settings.radius)
    found = sequence.inclusive_jets(min_pt=settings.pt_min)
    per_event = ak.to_numpy(ak.num(found, axis=1))
    momentum = np.stack(
        [ak.to_numpy(ak.flatten(found[axis])) for axis in ("px", "py", "pz", "E")], axis=1
    ).reshape(-1, 4)
    event = np.repeat(np.arange(events), per_event)
    jets = pt_eta_phi_m(_subtract(momentum, rho[event], settings.radius))
    kept = jets[:, 0] > settings.pt_min

    order = np.lexsort((-jets[:, 0], event))
    order = order[kept[order]]
    slot = _rank(event[order])
    padded = np.zeros((events, int(slot.max(initial=-1)) + 1, 4))
    padded[event[order], slot] = jets[order]
    members = None
    if constituents:
        members = _members(sequence, settings.pt_min, flow, counts, per_event, order, slot)
    return EventJets(padded, members, rho[:, 1])


def _subtract(momentum: Array, rho: Array, radius: float) -> Array:
    """Subtract pile-up density times area; a jet without more pt than that becomes 0."""
    px, py, pz, energy = momentum.T
    pt = np.hypot(px, py)
    eta = np.arcsinh(pz / pt)
    rapidity = 0.5 * np.log((energy + pz) / (energy - pz))
    band = np.searchsorted(RHO_BANDS, eta, side="right") - 1
    inside = (band >= 0) & (band < rho.shape[1])
    density = np.where(inside, rho[np.arange(len(rho)), np.where(inside, band, 0)], 0.0)
    axis = np.stack([rapidity, np.arctan2(py, px)], axis=1)
    pileup = density[:, None] * area_vector(axis, radius)
    enough = pt > np.hypot(pileup[:, 0], pileup[:, 1])
    return np.where(enough[:, None], momentum - pileup, 0.0)


def _members(
    sequence: fastjet.ClusterSequence,
    pt_min: float,
    flow: FlowObjects,
    counts: Array,
    per_event: Array,
    order: Array,
    slot: Array,
) -> Array:
    """Rows of the flow objects in each kept jet, the leading first, padded with -1."""
    listed = sequence.constituent_index(min_pt=pt_min)
    start = np.concatenate([[0], np.cumsum(counts)])
    sizes = ak.to_numpy(ak.flatten(ak.num(listed, axis=2)))
    event_of_jet = np.repeat(np.arange(len(counts)), per_event)
    rows = ak.to_numpy(ak.flatten(listed, axis=None)) + np.repeat(start[event_of_jet], sizes)
    jet = np.repeat(np.arange(len(sizes)), sizes)
    pt = np.hypot(*flow.momentum[rows, :2].T)
    by_pt = np.lexsort((-pt, jet))
    place = _rank(jet[by_pt])
    table = np.full((len(sizes), int(place.max(initial=-1)) + 1), -1)
    table[jet[by_pt], place] = rows[by_pt]
    members = np.full((len(counts), int(slot.max(initial=-1)) + 1, table.shape[1]), -1)
    members[event_of_jet[order], slot] = table[order]
    return members


def _rank(group: Array) -> Array:
    """Position of each entry within its group; equal groups stand together."""
    position = np.arange(len(group))
    first = np.flatnonzero(np.diff(group, prepend=-1))
    return position - np.repeat(first, np.diff(np.append(first, len(group))))


def _cluster(momentum: Array, counts: Array, radius: float) -> fastjet.ClusterSequence:
    """Cluster the objects of each event; FastJet prints its banner once a process."""
    objects = ak.zip(
        {axis: momentum[:, i] for i, axis in enumerate(("px", "py", "pz", "E"))},
        with_name="Momentum4D",
        behavior=vector.backends.awkward.behavior,
    )
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
    return fastjet.ClusterSequence(ak.unflatten(objects, counts), definition)
