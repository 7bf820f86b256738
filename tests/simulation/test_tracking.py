from typing import Any

import numpy as np
import pytest
from simulated import particles

from msml.simulation.detector_card import Detector
from msml.simulation.particles import Kind
from msml.simulation.tracking import (
    efficiency,
    find_tracks,
    from_hard_vertex,
    log_normal,
    muon_fall,
    resolution,
    tracking_of,
)

CARD = Detector()
TABLES = tracking_of(CARD)
EPS = 1e-9

# Efficiencies by |eta| band and pt band, as the card has them; each band closed above.
EFFICIENCIES = {
    Kind.HADRON: [(0.1, 1.0, 0.70, 0.60), (1.0, np.inf, 0.95, 0.85)],
    Kind.ELECTRON: [(0.1, 1.0, 0.73, 0.50), (1.0, 100.0, 0.95, 0.83), (100.0, np.inf, 0.99, 0.90)],
    Kind.MUON: [(0.1, 1.0, 0.75, 0.70), (1.0, np.inf, 0.99, 0.98)],
}
# Constant and slope of the relative resolution in the bands up to 0.5, 1.5 and 2.5.
RESOLUTIONS = {
    Kind.HADRON: [(0.06, 1.3e-3), (0.10, 1.7e-3), (0.25, 3.1e-3)],
    Kind.ELECTRON: [(0.03, 1.3e-3), (0.05, 1.7e-3), (0.15, 3.1e-3)],
    Kind.MUON: [(0.01, 1.0e-4), (0.015, 1.5e-4), (0.025, 3.5e-4)],
}


def one(function: Any, kind: Kind, pt: float, eta: float) -> float:
    return float(function(TABLES[kind], np.array([pt]), np.array([eta]))[0])


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("kind", list(EFFICIENCIES))
def test_efficiency_table(kind: Kind, sign: int) -> None:
    for low, high, central, forward in EFFICIENCIES[kind]:
        for pt in (low + EPS, min(high, 1e4)):
            for eta, expected in (
                (0.0, central),
                (1.5, central),
                (1.5 + EPS, forward),
                (2.5, forward),
                (2.5 + EPS, 0.0),
                (4.0, 0.0),
            ):
                assert one(efficiency, kind, pt, sign * eta) == expected, (pt, eta)
    assert one(efficiency, kind, 0.1, 0.0) == 0.0
    assert one(efficiency, kind, 0.01, 0.0) == 0.0


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("kind", list(RESOLUTIONS))
def test_resolution_table(kind: Kind, sign: int) -> None:
    bands = [(0.0, 0.5), (0.5 + EPS, 1.5), (1.5 + EPS, 2.5)]
    for (low, high), (constant, slope) in zip(bands, RESOLUTIONS[kind], strict=True):
        for eta in (low, high):
            for pt in (0.5, 20.0, 100.0):
                expected = np.sqrt(constant**2 + (slope * pt) ** 2)
                assert one(resolution, kind, pt, sign * eta) == pytest.approx(expected)
    assert one(resolution, kind, 20.0, sign * (2.5 + EPS)) == 0.0


def test_resolution_is_at_most_one() -> None:
    assert one(resolution, Kind.HADRON, 1e5, 0.0) == 1.0


def test_muons_fall_above_1_tev() -> None:
    pt = np.array([1.0, 999.0, 1000.0, 2000.0, 3000.0, 1e6])
    expected = [1.0, 1.0, 1.0, np.exp(-0.5), np.exp(-1.0), 0.0]
    np.testing.assert_allclose(muon_fall(pt), expected, atol=1e-12)


@pytest.mark.parametrize(("mean", "width"), [(10.0, 0.5), (2.0, 2.0), (100.0, 30.0)])
def test_log_normal_has_the_mean_and_the_width(mean: float, width: float) -> None:
    draws = 400_000
    drawn = log_normal(np.full(draws, mean), np.full(draws, width), np.random.default_rng(1))
    assert drawn.min() > 0
    assert drawn.mean() == pytest.approx(mean, abs=5 * width / draws**0.5)
    # The logarithm is normal with variance log(1 + (width / mean)^2).
    variance = np.log1p((width / mean) ** 2)
    assert np.log(drawn).var() == pytest.approx(variance, rel=5 * (2 / draws) ** 0.5)
    assert drawn.std() == pytest.approx(width, rel=0.05)


def test_log_normal_of_zero_is_zero_and_without_width_exact() -> None:
    random = np.random.default_rng(1)
    with np.errstate(all="raise"):
        drawn = log_normal(np.array([0.0, 5.0, 0.0]), np.array([1.0, 0.0, 0.0]), random)
    np.testing.assert_array_equal(drawn, [0.0, 5.0, 0.0])


@pytest.mark.parametrize("kind", [Kind.HADRON, Kind.ELECTRON, Kind.MUON])
@pytest.mark.parametrize(("pt", "eta"), [(0.5, 0.2), (30.0, 1.0), (200.0, 2.0)])
def test_measured_efficiency_and_resolution(kind: Kind, pt: float, eta: float) -> None:
    count = 40_000
    charged = particles(count, kind=kind, charge=1.0, pt=pt)
    found, measured, relative = find_tracks(
        charged, np.full(count, eta), CARD, np.random.default_rng(2)
    )
    expected = one(efficiency, kind, pt, eta)
    error = np.sqrt(expected * (1 - expected) / count)
    assert len(found) / count == pytest.approx(expected, abs=5 * error)
    assert len(np.unique(found)) == len(found)
    spread = one(resolution, kind, pt, eta)
    assert set(relative.tolist()) == {spread}
    assert measured.mean() == pytest.approx(pt, abs=5 * spread * pt / len(found) ** 0.5)
    assert np.log(measured).std() == pytest.approx(np.sqrt(np.log1p(spread**2)), rel=0.02)


def test_measured_efficiency_of_a_2_tev_muon_falls_and_that_of_a_hadron_does_not() -> None:
    count = 20_000
    for kind, expected in ((Kind.MUON, 0.99 * np.exp(-0.5)), (Kind.HADRON, 0.95)):
        charged = particles(count, kind=kind, charge=1.0, pt=2000.0)
        found, _, _ = find_tracks(charged, np.zeros(count), CARD, np.random.default_rng(3))
        error = np.sqrt(expected * (1 - expected) / count)
        assert len(found) / count == pytest.approx(expected, abs=5 * error)


def test_no_track_beyond_2_5_or_below_100_mev() -> None:
    charged = particles(3, kind=Kind.HADRON, charge=1.0, pt=np.array([10.0, 10.0, 0.1]))
    eta = np.array([2.51, -3.0, 0.0])
    for seed in range(50):
        assert len(find_tracks(charged, eta, CARD, np.random.default_rng(seed))[0]) == 0


def test_charged_hadron_subtraction() -> None:
    vertex_z = np.array([0.05, -0.1])
    tracks = particles(
        7,
        event=np.array([0, 0, 0, 0, 1, 1, 0]),
        z=np.array([0.05, 0.0502, 0.05009, 0.2, -0.1, 0.05, 0.0498]),
        pileup=np.array([True, True, True, False, True, True, True]),
    )
    kept = from_hard_vertex(tracks, vertex_z, CARD.vertex_resolution)
    np.testing.assert_array_equal(kept, [True, False, True, True, True, False, False])


def test_the_card_removes_pileup_tracks_beyond_a_tenth_of_a_millimetre() -> None:
    assert CARD.vertex_resolution == pytest.approx(1e-4)
