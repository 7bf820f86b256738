from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from simulated import particles

from msml.simulation.detector_card import Detector
from msml.simulation.particles import Particles
from msml.simulation.pileup import Pool, make_pool, overlay
from msml.simulation.settings import PileUp

CARD = Detector()


def make_hand_pool() -> Pool:
    """Interactions of 2, 0 and 3 particles, told apart by their pt."""
    made = particles(
        5,
        event=np.array([0, 0, 2, 2, 2]),
        pt=np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
        phi=np.array([0.0, 1.0, 2.0, -2.0, 3.0]),
        x=np.array([0.0, 0.01, 0.0, 0.02, 0.0]),
        y=np.array([0.0, 0.0, 0.03, 0.04, 0.0]),
        z=np.array([0.0, 0.1, 0.0, -0.1, 0.0]),
    )
    return Pool(made, np.array([0, 2, 2, 5]))


def hard_events(events: int) -> Particles:
    return particles(events, event=np.arange(events), pt=100.0, z=0.001)


def test_number_of_interactions_is_poisson() -> None:
    events, mean = 20_000, 20.0
    _, _, number = overlay(
        hard_events(events), events, make_hand_pool(), mean, CARD, np.random.default_rng(1)
    )
    assert number.mean() == pytest.approx(mean, abs=5 * (mean / events) ** 0.5)
    assert number.var() == pytest.approx(mean, rel=5 * (2 / events) ** 0.5)


def test_vertices_are_gaussian_and_truncated() -> None:
    events = 40_000
    _, z, _ = overlay(hard_events(events), events, None, 0.0, CARD, np.random.default_rng(2))
    assert z.mean() == pytest.approx(0.0, abs=5 * 0.053 / events**0.5)
    assert z.std() == pytest.approx(0.053, rel=0.02)
    assert np.mean(np.abs(z) < 0.053) == pytest.approx(0.6827, abs=0.012)
    narrow = Detector(vertex_spread=0.053, vertex_max=0.05)
    _, z, _ = overlay(hard_events(events), events, None, 0.0, narrow, np.random.default_rng(2))
    assert 0.0495 < np.abs(z).max() <= 0.05
    # A truncated Gaussian is nearly flat here, and not piled up at its ends.
    assert np.mean(np.abs(z) > 0.045) < 0.1


def test_without_a_pool_only_the_vertex_moves() -> None:
    hard = hard_events(30)
    found, z, number = overlay(hard, 30, None, 50.0, CARD, np.random.default_rng(3))
    assert not number.any()
    np.testing.assert_allclose(found.z, 0.001 + z)
    for field in fields(Particles):
        if field.name != "z":
            np.testing.assert_array_equal(getattr(found, field.name), getattr(hard, field.name))


def test_whole_interactions_are_turned_and_shifted_together() -> None:
    pool = make_hand_pool()
    events = 300
    found, vertex_z, number = overlay(
        hard_events(events), events, pool, 5.0, CARD, np.random.default_rng(4)
    )
    np.testing.assert_array_equal(found.pileup[:events], False)
    np.testing.assert_allclose(found.z[:events], 0.001 + vertex_z)
    added = found.take(found.pileup)
    assert len(added) == len(found) - events
    first = np.flatnonzero(np.isin(added.pt, [1.0, 3.0]))
    turns = []
    for start in first:
        size, rows = (2, [0, 1]) if added.pt[start] == 1.0 else (3, [2, 3, 4])
        mine = added.take(np.arange(start, start + size))
        original = pool.particles.take(np.array(rows))
        np.testing.assert_array_equal(mine.pt, original.pt)
        assert len(set(mine.event.tolist())) == 1
        np.testing.assert_allclose(np.hypot(mine.x, mine.y), np.hypot(original.x, original.y))
        turn = mine.phi[0] - original.phi[0]
        np.testing.assert_allclose(mine.phi - original.phi, turn)
        np.testing.assert_allclose(
            mine.x + 1j * mine.y, (original.x + 1j * original.y) * np.exp(1j * turn), atol=1e-15
        )
        shift = mine.z - original.z
        np.testing.assert_allclose(shift, shift[0])
        assert abs(shift[0]) <= CARD.vertex_max
        turns.append(turn)
    # About two in three interactions of the pool leave something, in all directions.
    assert len(first) == pytest.approx(number.sum() * 2 / 3, rel=0.1)
    assert np.abs(np.mean(np.exp(1j * np.array(turns)))) < 0.12
    per_event = np.bincount(added.event[first], minlength=events)
    assert (per_event <= number).all()


def test_the_same_random_numbers_give_the_same_events_and_others_others() -> None:
    first, same, other = (
        overlay(hard_events(5), 5, make_hand_pool(), 10.0, CARD, np.random.default_rng(seed))[0]
        for seed in (5, 5, 6)
    )
    for field in fields(Particles):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(same, field.name))
    assert first.z[0] != other.z[0]


def test_mean_0_with_a_pool() -> None:
    found, _, number = overlay(
        hard_events(4), 4, make_hand_pool(), 0.0, CARD, np.random.default_rng(7)
    )
    assert len(found) == 4
    assert not number.any()


def equal(first: Pool, second: Pool) -> None:
    np.testing.assert_array_equal(first.start, second.start)
    for field in fields(Particles):
        one, two = getattr(first.particles, field.name), getattr(second.particles, field.name)
        np.testing.assert_array_equal(one, two)
        assert one.dtype == two.dtype


def test_saving_and_loading(tmp_path: Path) -> None:
    pool = make_hand_pool()
    pool.save(tmp_path / "pool.npz")
    equal(Pool.load(tmp_path / "pool.npz"), pool)


def test_joining() -> None:
    pool = make_hand_pool()
    joined = Pool.join([pool, pool, pool])
    assert joined.start.tolist() == [0, 2, 2, 5, 7, 7, 10, 12, 12, 15]
    assert joined.particles.event.tolist() == [0, 0, 2, 2, 2, 3, 3, 5, 5, 5, 6, 6, 8, 8, 8]
    assert joined.particles.pt.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0] * 3
    equal(Pool.join([pool]), pool)


# One process that starts in a moment, not all of SoftQCD.
_QUICK = PileUp(pythia={"SoftQCD:nonDiffractive": True}, eta_max=4.0)


@pytest.fixture(scope="module")
def made() -> Pool:
    return make_pool(_QUICK, {"Beams:eCM": 13000.0}, 0, 260)


def test_a_made_pool(made: Pool) -> None:
    assert len(made.start) == 261
    assert made.start[0] == 0
    assert made.start[-1] == len(made.particles)
    sizes = np.diff(made.start)
    np.testing.assert_array_equal(np.bincount(made.particles.event, minlength=260), sizes)
    assert (np.diff(made.particles.event) >= 0).all()
    assert 50 < sizes.mean() < 300
    assert np.abs(np.arcsinh(made.particles.sinh_eta)).max() < 4.0 + 1e-6
    assert made.particles.pt.dtype == np.float32
    assert np.isfinite(made.particles.energy).all()


def test_a_pool_is_reproducible_and_counts_its_progress(made: Pool) -> None:
    counts: list[int] = []
    again = make_pool(_QUICK, {"Beams:eCM": 13000.0}, 0, 260, counts.append)
    equal(made, again)
    assert sum(counts) == 260
    other = make_pool(_QUICK, {"Beams:eCM": 13000.0}, 1, 10)
    assert other.particles.pt[0] != made.particles.pt[0]
