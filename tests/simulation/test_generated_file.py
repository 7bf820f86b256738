"""What a file made by the real command holds."""

import json
from pathlib import Path

import numpy as np
import pytest
from command import QUICK, generate
from conftest import SMALL

from msml.data.described import EventFile
from msml.data.events import describe, read
from msml.data.kinematics import Array, delta_r, pair_mass
from msml.data.schema import COLUMNS
from msml.recipe import load
from msml.simulation.columns import ALWAYS, TAU_PAIRS
from msml.simulation.job import plan
from msml.simulation.seeds import batch_seeds
from msml.simulation.settings import EventRecipe

pytestmark = pytest.mark.xdist_group("generated")  # the files are made once


@pytest.fixture(scope="module")
def events(small_file: Path) -> dict[str, Array]:
    return read(small_file)


@pytest.fixture(scope="module")
def described(small_file: Path) -> EventFile:
    return describe(small_file)


@pytest.fixture(scope="module")
def higgs(events: dict[str, Array]) -> Array:
    return events["label"] == 1


def test_columns_types_and_shapes(events: dict[str, Array], described: EventFile) -> None:
    assert described.events == 120
    assert set(events) == {*ALWAYS, *TAU_PAIRS}
    for name, array in events.items():
        assert array.dtype == COLUMNS[name].dtype, name
        assert len(array) == 120
    assert events["calo_images"].shape == (120, 2, 16, 16, 3)


def test_provenance(described: EventFile, small_file: Path) -> None:
    provenance = described.provenance
    assert provenance["source"] == "generate"
    assert provenance["processes"] == ["higgs", "z"]
    settings = provenance["settings"]
    overrides = [f"output={small_file}", *SMALL]
    assert (
        provenance["job"]
        == plan(load("events/htautau.yaml", EventRecipe, overrides).values).fingerprint
    )
    assert settings["events"] == 60
    assert settings["pileup"]["mean"] == 20
    assert settings["detector"]["magnetic_field"] == 3.8
    assert settings["processes"]["higgs"]["pythia"]["25:m0"] == 125.0
    assert settings["selection"]["visible_pt_min"] == 15
    assert "output" not in settings
    assert set(provenance["versions"]) == {
        "msml",
        "pythia8mc",
        "fastjet",
        "awkward",
        "numpy",
        "h5py",
    }
    assert str(small_file) not in json.dumps(provenance)


def test_summary(described: EventFile) -> None:
    summary = described.provenance["summary"]
    assert list(summary) == ["higgs", "z"]
    for name, label in (("higgs", 1), ("z", 0)):
        entry = summary[name]
        assert entry["label"] == label
        assert entry["events"] == 60
        names, counts = zip(*entry["cuts"], strict=True)
        assert names == (
            "generated",
            "passed the parton-level veto",
            "two fiducial taus",
            "two matched jets",
        )
        assert counts[0] % 50 == 0
        assert list(counts) == sorted(counts, reverse=True)
        assert counts[3] >= 60
        assert counts[2] < counts[1] < counts[0]
        assert 0 < entry["cross_section_error_pb"] < 0.1 * entry["cross_section_pb"]
    # About 20 pb of gg -> H against 60 nb of pp -> Z in all channels at leading order, and a third
    # of that each where only decays to taus count.
    ratio = summary["z"]["cross_section_pb"] / summary["higgs"]["cross_section_pb"]
    assert 100 < ratio < 10_000


def test_bookkeeping(events: dict[str, Array], higgs: Array) -> None:
    np.testing.assert_array_equal(events["label"], np.repeat([1, 0], 60))
    np.testing.assert_array_equal(events["process"], np.repeat([0, 1], 60))
    np.testing.assert_array_equal(events["event_number"], np.tile(np.arange(60), 2))
    for name, chosen in (("higgs", higgs), ("z", ~higgs)):
        for number, seed in zip(
            events["event_number"][chosen], events["seed"][chosen], strict=True
        ):
            seeds = {batch_seeds(1, name, int(number) // 20, batch)[0] for batch in range(40)}
            assert int(seed) in seeds
    assert len(np.unique(events["seed"])) > 12


def test_jets(events: dict[str, Array]) -> None:
    jets = events["jets"]
    assert (jets[:, 0, 0] >= jets[:, 1, 0]).all()
    assert jets[..., 0].min() > 20
    assert np.abs(jets[..., 1]).max() < 2.5
    assert np.abs(jets[..., 2]).max() <= np.pi + 1e-6
    # Subtraction makes some of them space-like.
    assert 2 < np.median(np.abs(jets[..., 3])) < 8
    assert 0.05 < np.mean(jets[..., 3] < 0) < 0.6


def test_taus_stand_in_the_rows_of_their_jets(events: dict[str, Array]) -> None:
    jets, visible, full = events["jets"], events["visible_taus"], events["taus"]
    near = delta_r(jets[..., 1], jets[..., 2], visible[..., 1], visible[..., 2])
    assert near.max() < 0.3
    assert np.median(near) < 0.1
    crossed = delta_r(jets[..., 1], jets[..., 2], visible[:, ::-1, 1], visible[:, ::-1, 2])
    assert (near.max(axis=1) < crossed.max(axis=1)).all()
    assert delta_r(full[..., 1], full[..., 2], visible[..., 1], visible[..., 2]).max() < 0.15
    assert visible[..., 0].min() > 15
    assert np.abs(visible[..., 1]).max() < 2.3
    assert (visible[..., 3] < 1.78).all()
    assert np.median(jets[..., 0] / visible[..., 0]) == pytest.approx(1.0, abs=0.1)
    # Some taus are ordered against their jets.
    assert 0.1 < np.mean(full[:, 0, 0] < full[:, 1, 0]) < 0.6


def test_masses(events: dict[str, Array], higgs: Array) -> None:
    taus = np.concatenate([events["taus"], np.full((120, 2, 1), 1.77693)], axis=2)
    mass = pair_mass(taus)
    assert np.median(mass[higgs]) == pytest.approx(125.0, abs=0.2)
    assert np.median(mass[~higgs]) == pytest.approx(91.2, abs=1.5)
    assert np.mean(np.abs(mass[higgs] - 125) < 5) > 0.85
    assert np.mean(np.abs(mass[~higgs] - 91.2) < 10) > 0.8
    assert (pair_mass(events["visible_taus"]) < mass).all()


def test_decay_modes_and_pileup(events: dict[str, Array]) -> None:
    assert set(events["decay_modes"].ravel().tolist()) <= {0, 1, 2, 3, 4, 10, 11, 12, 20}
    interactions = events["pileup_interactions"]
    assert interactions.mean() == pytest.approx(20, abs=5 * (20 / 120) ** 0.5)
    assert 1 < events["rho"].mean() < 8
    assert np.corrcoef(interactions, events["rho"])[0, 1] > 0.3


def test_images(events: dict[str, Array]) -> None:
    images = events["calo_images"]
    assert images.min() == 0
    occupancy = (images > 0).mean(axis=(0, 1, 2, 3))
    assert ((occupancy > 0.001) & (occupancy < 0.03)).all()
    total = images.sum(axis=(2, 3, 4))
    assert np.corrcoef(total.ravel(), events["jets"][..., 0].ravel())[0, 1] > 0.6
    # Energy sits in the middle of the window, and nothing is mirrored or shifted.
    mean = images.sum(axis=(0, 1, 4))
    rows = (np.arange(16) - 7.5) / 20
    for axis in (0, 1):
        profile = mean.sum(axis=1 - axis)
        assert np.average(rows, weights=profile) == pytest.approx(0.0, abs=0.02)
        assert np.average(rows**2, weights=profile) ** 0.5 < 0.15


@pytest.mark.slow
def test_the_number_of_workers_does_not_change_a_byte(tmp_path: Path, small_file: Path) -> None:
    output = tmp_path / "one.h5"
    assert generate(output, *SMALL, workers=1) == []
    assert output.read_bytes() == small_file.read_bytes()


def test_another_seed_makes_other_events(tmp_path: Path, quick_file: Path) -> None:
    output = tmp_path / "other.h5"
    generate(output, *QUICK, "events=2", "seed=2")
    assert not np.isin(read(output)["taus"], read(quick_file)["taus"]).any()


def test_fewer_events_are_the_first_ones(tmp_path: Path, quick_file: Path) -> None:
    """Shards do not depend on how many there are, nor a process on the other."""
    output = tmp_path / "fewer.h5"
    generate(output, *QUICK, "events=2", "processes.z.events=4")
    fewer, more = read(output), read(quick_file)
    rows = np.r_[:2, 8:12]
    for name, array in fewer.items():
        np.testing.assert_array_equal(array, more[name][rows])
