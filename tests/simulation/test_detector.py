from collections.abc import Callable

import numpy as np
import pytest
from simulated import particles

from msml.simulation.calorimeter import ecal_resolution, hcal_resolution
from msml.simulation.detector import DetectorSimulation, Measurement
from msml.simulation.detector_card import Detector
from msml.simulation.particles import Kind

CARD = Detector()
COUNT = 4000


def gun(kind: Kind, charge: float, pt: float, eta: float, mass: float = 0.0) -> Measurement:
    """Shoot one particle an event from the origin."""
    shot = particles(
        COUNT,
        event=np.arange(COUNT),
        kind=int(kind),
        charge=charge,
        pt=pt,
        sinh_eta=np.sinh(eta),
        phi=0.5,
        mass=mass,
    )
    return DetectorSimulation(CARD).measure(shot, np.zeros(COUNT), np.random.default_rng(1))


def close(found: np.ndarray, energy: float, resolution: Callable, eta: float) -> None:
    width = float(resolution(np.array([energy]), np.array([eta]))[0])
    assert found.mean() == pytest.approx(energy, abs=6 * width / len(found) ** 0.5)
    assert np.log(found).std() == pytest.approx(np.sqrt(np.log1p((width / energy) ** 2)), rel=0.06)


def test_photon() -> None:
    seen = gun(Kind.PHOTON, 0.0, 40.0, 1.0)
    energy = 40 * np.cosh(1.0)
    close(seen.ecal.energy, energy, ecal_resolution, 1.0)
    assert len(seen.ecal.energy) == COUNT
    np.testing.assert_array_equal(seen.photons.energy, seen.ecal.energy)
    assert len(seen.hcal.energy) == len(seen.neutral_hadrons.energy) == len(seen.tracks.pt) == 0
    assert np.abs(seen.ecal.eta - 1.0).max() < 0.0174
    assert np.abs(seen.ecal.phi - 0.5).max() < np.radians(1)


def test_neutral_hadron() -> None:
    seen = gun(Kind.HADRON, 0.0, 60.0, 0.3, mass=0.4976)
    close(seen.hcal.energy, np.hypot(60 * np.cosh(0.3), 0.4976), hcal_resolution, 0.3)
    np.testing.assert_array_equal(seen.neutral_hadrons.energy, seen.hcal.energy)
    assert len(seen.ecal.energy) == len(seen.tracks.pt) == 0


def test_strange_neutrals_share_their_energy() -> None:
    seen = gun(Kind.STRANGE_NEUTRAL, 0.0, 300.0, 0.3)
    close(seen.ecal.energy, 0.3 * 300 * np.cosh(0.3), ecal_resolution, 0.3)
    close(seen.hcal.energy, 0.7 * 300 * np.cosh(0.3), hcal_resolution, 0.3)


def test_charged_pion() -> None:
    seen = gun(Kind.HADRON, 1.0, 30.0, 0.3, mass=0.1396)
    assert len(seen.tracks.pt) / COUNT == pytest.approx(0.95, abs=5 * (0.05 / COUNT) ** 0.5)
    relative = np.hypot(0.06, 1.3e-3 * 30)
    assert seen.tracks.pt.mean() == pytest.approx(30, abs=5 * relative * 30 / COUNT**0.5)
    np.testing.assert_allclose(seen.tracks.eta, 0.3)
    np.testing.assert_allclose(seen.tracks.phi, 0.5)
    assert not len(seen.ecal.energy)
    close(seen.hcal.energy, np.hypot(30 * np.cosh(0.3), 0.1396), hcal_resolution, 0.3)
    # The tower is where the track ends, 24.5 mrad away; the track points to where it began.
    bent = 0.5 - np.arcsin(1.29 * 0.299792458 * 3.8 / (2 * 30))
    assert seen.hcal.phi.mean() == pytest.approx(bent, abs=0.045)
    # Energy flow averages the track and the tower: mostly the track, better than both.
    assert (seen.tracks.flow_pt != seen.tracks.pt).any()
    assert seen.tracks.flow_pt.mean() == pytest.approx(30, rel=0.03)
    assert seen.tracks.flow_pt.std() < seen.tracks.pt.std()


def test_electron_and_muon() -> None:
    electron = gun(Kind.ELECTRON, -1.0, 30.0, 0.3)
    assert len(electron.ecal.energy) == COUNT
    assert not len(electron.hcal.energy)
    muon = gun(Kind.MUON, -1.0, 30.0, 0.3)
    assert not len(muon.ecal.energy)
    assert not len(muon.hcal.energy)
    np.testing.assert_array_equal(muon.tracks.flow_pt, muon.tracks.pt)
    assert len(muon.tracks.pt) / COUNT == pytest.approx(0.99, abs=5 * (0.01 / COUNT) ** 0.5)


def test_nothing_is_seen_beyond_5_and_no_track_beyond_2_5() -> None:
    far = gun(Kind.HADRON, 1.0, 10.0, 5.2)
    assert not len(far.tracks.pt)
    assert not len(far.hcal.energy)
    forward = gun(Kind.HADRON, 1.0, 30.0, 3.0)
    assert not len(forward.tracks.pt)
    assert len(forward.hcal.energy) > 0.9 * COUNT
    # What a track would have carried is neutral there.
    np.testing.assert_array_equal(forward.neutral_hadrons.energy, forward.hcal.energy)


def test_an_empty_batch() -> None:
    seen = DetectorSimulation(CARD).measure(particles(0), np.zeros(3), np.random.default_rng(1))
    assert not len(seen.tracks.pt)
    assert not len(seen.ecal.energy)
    assert not len(seen.hcal.energy)


def test_a_displaced_vertex_moves_towers_and_not_tracks() -> None:
    shot = particles(
        COUNT, event=np.arange(COUNT), kind=int(Kind.HADRON), charge=1.0, pt=50.0, z=0.1
    )
    vertex = np.full(COUNT, 0.1)
    seen = DetectorSimulation(CARD).measure(shot, vertex, np.random.default_rng(1))
    np.testing.assert_allclose(seen.tracks.eta, 0.0)
    # 0.1 m at 1.29 m is 0.077, in the cell from 0 to 0.087.
    assert seen.hcal.eta.min() > 0.0
    assert seen.hcal.eta.max() < 0.087
    assert seen.tracks.kept.all()
