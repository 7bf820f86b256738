"""Hand-made tracks, towers, jets and quarks of a batch, for the tests of leptons and objects."""

from collections.abc import Sequence

import numpy as np

from msml.simulation.calorimeter import Towers
from msml.simulation.detector import Measurement, Tracks
from msml.simulation.jets import EventJets
from msml.simulation.particles import Kind
from msml.simulation.truth import HeavyQuarks, TrueTaus, Truth

Track = tuple[int, Kind, float, float, float]
Tower = tuple[int, float, float, float]
NOTHING = Towers(np.zeros(0, int), *np.zeros((3, 0)))


def tracks(*rows: Track, kept: Sequence[bool] | None = None) -> Tracks:
    """Event, kind, pt, eta and phi of each; the pt before energy flow is another one."""
    event, kind, pt, eta, phi = (np.array(column) for column in zip(*rows, strict=True))
    count = len(rows)
    mass = np.where(kind == Kind.MUON, 0.10566, 0.0)
    kept = np.ones(count, bool) if kept is None else np.array(kept)
    return Tracks(event, kind, 2 * pt, eta, phi, mass, np.ones(count), kept, pt)


def towers(*rows: Tower) -> Towers:
    """Event, ET, eta and phi of each."""
    event, et, eta, phi = (np.array(column) for column in zip(*rows, strict=True))
    return Towers(event, eta, phi, et * np.cosh(eta))


def measured(
    tracks: Tracks, photons: Towers = NOTHING, neutral_hadrons: Towers = NOTHING
) -> Measurement:
    """What the detector saw; its calorimeters' own towers are of no use here."""
    return Measurement(tracks, NOTHING, NOTHING, photons, neutral_hadrons)


def jets(rows: Sequence[Sequence[Sequence[float]]]) -> EventJets:
    """pt, eta, phi and m of the jets of each event."""
    most = max(len(row) for row in rows)
    table = np.zeros((len(rows), most, 4))
    for event, row in enumerate(rows):
        table[event, : len(row)] = np.reshape(row, (-1, 4))
    return EventJets(table, None, np.zeros(len(rows)))


def truth(quarks: Sequence[Sequence[tuple[int, float, float, float]]]) -> Truth:
    """Flavour, pt, eta and phi of the quarks of each event."""
    most = max(len(row) for row in quarks)
    momentum = np.zeros((len(quarks), most, 3))
    flavour = np.zeros((len(quarks), most), np.int8)
    for event, row in enumerate(quarks):
        for place, (kind, *vector) in enumerate(row):
            flavour[event, place], momentum[event, place] = kind, vector
    taus = TrueTaus(*np.zeros((2, len(quarks), 2, 4)), np.full((len(quarks), 2), -1, np.int8))
    return Truth(taus, HeavyQuarks(momentum, flavour))
