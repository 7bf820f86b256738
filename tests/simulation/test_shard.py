from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from simulated import pythia_settings, recipe

from msml.data.kinematics import Array, wrap_phi
from msml.errors import RecipeError
from msml.simulation.generator import Generator
from msml.simulation.particles import Particles
from msml.simulation.seeds import batch_seeds
from msml.simulation.selections import Seen, build_selection
from msml.simulation.shard import EventSimulation, Shard, make_shard
from msml.simulation.tau_pair_selection import largest_tau_eta
from msml.simulation.truth import Truth, find_truth


def test_seeds_of_batches_are_different_and_fixed() -> None:
    seeds = [
        batch_seeds(seed, name, shard, batch)[0]
        for seed in (1, 2)
        for name in ("higgs", "z")
        for shard in range(20)
        for batch in range(20)
    ]
    assert len(set(seeds)) == len(seeds)
    assert 1 <= min(seeds) < max(seeds) <= 900_000_000
    again = batch_seeds(1, "higgs", 0, 0)
    assert again[0] == seeds[0]
    assert again[1].random() == batch_seeds(1, "higgs", 0, 0)[1].random()
    assert again[1].random() != batch_seeds(1, "higgs", 0, 1)[1].random()


def test_saving_and_loading(tmp_path: Path) -> None:
    shard = Shard({"jets": np.ones((2, 2, 4)), "label": np.ones(2, np.uint8)}, 70, [60, 9, 3], 1.5)
    shard.save(tmp_path / "shard.npz")
    loaded = Shard.load(tmp_path / "shard.npz")
    assert (loaded.attempts, loaded.passed) == (70, [60, 9, 3])
    assert (loaded.cross_section, loaded.cross_section_error) == (1.5, 0.0)
    assert set(loaded.columns) == {"jets", "label"}
    np.testing.assert_array_equal(loaded.columns["jets"], shard.columns["jets"])
    assert loaded.columns["label"].dtype == np.uint8


def test_a_shard_is_a_function_of_the_recipe() -> None:
    own = recipe("shard_size=6")
    counts: list[int] = []
    shard = make_shard(own, "higgs", 3, 6, None, counts.append)
    same = make_shard(own, "higgs", 3, 6, None)
    for name, column in shard.columns.items():
        np.testing.assert_array_equal(column, same.columns[name])
        assert len(column) == 6
    assert sum(counts) == 6
    assert shard.columns["event_number"].tolist() == [18, 19, 20, 21, 22, 23]
    assert set(shard.columns["label"].tolist()) == {1}
    assert shard.attempts % 50 == 0
    assert shard.attempts > shard.passed[0] > shard.passed[1] > shard.passed[2] >= 6
    fewer = make_shard(own, "higgs", 3, 2, None)
    np.testing.assert_array_equal(fewer.columns["jets"], shard.columns["jets"][:2])
    other = make_shard(own, "higgs", 4, 2, None)
    assert not np.isin(other.columns["taus"], shard.columns["taus"]).any()


def test_impossible_cuts_end_with_the_counts() -> None:
    own = recipe("max_tries=100", "selection.visible_pt_min=3000")
    with pytest.raises(RecipeError, match=r"100 tries \(0 passed the parton-level veto, 0 had two"):
        make_shard(own, "higgs", 0, 1, None)


@pytest.fixture(scope="module")
def batch() -> tuple[Particles, Truth]:
    selection = build_selection(recipe())
    generator = Generator(pythia_settings("higgs"), selection.veto)
    events = generator.batch(120, 3)
    truth = find_truth(events)
    worth = np.flatnonzero(selection.worth(truth))
    return generator.stable_particles(events[worth]), truth.take(worth)


@pytest.mark.parametrize("source", ["towers", "energy_flow"])
def test_images_sum_to_what_the_detector_saw_in_the_window(
    batch: tuple[Particles, Truth], source: str
) -> None:
    own = recipe(f"images.source={source}")
    particles, truth = batch
    count = len(truth)
    simulation = EventSimulation(own, build_selection(own), None)
    random = np.random.default_rng(1)
    seen, interactions = simulation.detect(particles, count, random)
    flow, jets = simulation.cluster(seen, count)
    columns = simulation.select(Seen(truth, seen, jets, random), flow, interactions)
    images = columns["calo_images"]
    assert len(images) > 15
    # Find the rows of the accepted events again by their leading tau jet.
    rows = [
        int(np.flatnonzero((jets.jets == pair[0]).all(axis=2).any(axis=1))[0])
        for pair in columns["jets"]
    ]
    tracks = seen.tracks
    kept = tracks.kept
    calorimeters = (
        (seen.ecal, seen.hcal) if source == "towers" else (seen.photons, seen.neutral_hadrons)
    )
    layers = [(tracks.event[kept], tracks.eta[kept], tracks.phi[kept], tracks.pt[kept])]
    layers += [(t.event, t.eta, t.phi, t.energy / np.cosh(t.eta)) for t in calorimeters]
    for layer, (event, eta, phi, weight) in enumerate(layers):
        for number, row in enumerate(rows):
            for jet in range(2):
                axis = columns["jets"][number, jet]
                inside = (
                    (event == row)
                    & (np.abs(eta - axis[1]) < 0.4)
                    & (np.abs(wrap_phi(phi - axis[2])) < 0.4)
                )
                total = images[number, jet, :, :, layer].sum()
                assert total == pytest.approx(weight[inside].sum(), rel=1e-5, abs=1e-6)
    assert (images.sum(axis=(0, 1, 2, 3)) > 0).all()


def test_the_measured_energy_is_that_of_the_particles(batch: tuple[Particles, Truth]) -> None:
    """Summed over many events, within acceptance: nothing is lost or counted twice."""
    particles, truth = batch
    own = recipe()
    simulation = EventSimulation(own, build_selection(own), None)
    seen, _ = simulation.detect(particles, len(truth), np.random.default_rng(1))
    true = particles.take(np.abs(particles.sinh_eta) < np.sinh(2.5))
    true = true.take((true.kind != 2) & (true.pt > 1.0))
    energy = sum(t.energy[np.abs(t.eta) < 2.5].sum() for t in (seen.ecal, seen.hcal))
    assert energy / true.energy.sum() == pytest.approx(1.0, abs=0.12)


# The parton-level veto


def accepted_taus(process: str, index: int, wanted: int) -> tuple[Array, int]:
    """Taus of events accepted without the veto."""
    shard = make_shard(recipe(), process, index, wanted, None, veto=False)
    assert shard.passed[0] == shard.attempts
    return shard.columns["taus"], shard.attempts


def check(taus: Array) -> None:
    veto = build_selection(recipe()).veto
    for pair in taus.astype(np.float64):
        assert veto.may_pass(pair[:, 0].tolist(), pair[:, 1].tolist()), pair


@pytest.mark.parametrize("process", ["higgs", pytest.param("z", marks=pytest.mark.slow)])
def test_no_accepted_event_would_have_been_vetoed(process: str) -> None:
    taus, attempts = accepted_taus(process, 0, 50)
    assert len(taus) == 50
    assert attempts >= 100
    check(taus)


def many() -> Iterator[tuple[str, int, int]]:
    for process in ("z", "higgs"):
        for index in range(10):
            yield process, index, 250


@pytest.mark.slow
def test_none_of_5000_accepted_events_would_have_been_vetoed() -> None:
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as executor:
        found = list(executor.map(accepted_taus, *zip(*many(), strict=True)))
    taus = np.concatenate([entry[0] for entry in found])
    assert len(taus) == 5000
    assert len(np.unique(taus[:, 0, 0])) == 5000
    check(taus)
    # The events come near the limits, or this shows nothing.
    assert taus[..., 0].min() < 17
    assert np.abs(taus[..., 1]).max() > 2.29
    assert largest_tau_eta(15.0, 2.3) < 2.4


@pytest.mark.slow
def test_the_veto_does_not_change_the_distributions() -> None:
    """Compare 600 events with and without it by their taus and jets."""
    for process in ("higgs", "z"):
        with_veto = make_shard(recipe(), process, 0, 600, None)
        without = make_shard(recipe(), process, 1, 600, None, veto=False)
        for name in ("taus", "jets"):
            for component in (0, 1):
                first = np.sort(with_veto.columns[name][..., component].ravel())
                second = np.sort(without.columns[name][..., component].ravel())
                every = np.concatenate([first, second])
                distance = np.abs(
                    np.searchsorted(first, every, side="right") / len(first)
                    - np.searchsorted(second, every, side="right") / len(second)
                ).max()
                # Kolmogorov's distance for two samples of 600 events at one in 100,000.
                assert distance < 2.47 * (2 / 600) ** 0.5, (process, name, component)
        ratio = [s.passed[2] / s.attempts for s in (with_veto, without)]
        assert ratio[0] == pytest.approx(ratio[1], rel=0.25)
        assert with_veto.cross_section == pytest.approx(without.cross_section, rel=0.1)
