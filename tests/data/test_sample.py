"""The shipped sample: what its manifest says, its physics, and that it can be made again."""

import hashlib
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from msml.data.events import describe, read
from msml.data.kinematics import delta_r, pair_mass
from msml.recipe import load
from msml.simulation.job import pileup_pool
from msml.simulation.pileup import Pool
from msml.simulation.settings import EventRecipe
from msml.simulation.shard import make_shard

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "htautau_sample.h5"
TAU_ID = ROOT / "data" / "tau_id_sample.h5"
TAU_MASS = 1.777
REGENERATED = 60


@pytest.fixture(scope="module")
def sample():
    return read(SAMPLE)


def with_mass(taus):
    return np.concatenate([taus, np.full((*taus.shape[:-1], 1), TAU_MASS)], axis=-1)


def auc(features, label):
    train = np.arange(len(label)) % 10 < 7
    model = HistGradientBoostingClassifier(random_state=1).fit(features[train], label[train])
    score = model.predict_proba(features[~train])[:, 1]
    return roc_auc_score(label[~train], score)


@pytest.mark.parametrize(("path", "events"), [(SAMPLE, 20_000), (TAU_ID, 10_000)])
def test_manifest(path, events):
    manifest = json.loads(path.with_suffix(".json").read_text())
    content = path.read_bytes()
    made = describe(path)
    assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
    assert manifest["bytes"] == len(content) <= 8_000_000
    assert manifest["events"] == made.events == events
    assert manifest["seed"] == made.provenance["settings"]["seed"]
    assert manifest["versions"] == made.provenance["versions"]
    assert manifest["command"].endswith(f"output=data/{path.name}")


@pytest.mark.parametrize("path", [SAMPLE, TAU_ID])
def test_all_of_it_has_checksums(path):
    with h5py.File(path) as file:
        assert all(dataset.fletcher32 for dataset in file.values())


def test_half_of_it_is_signal_and_every_event_is_another(sample):
    assert np.bincount(sample["label"]).tolist() == [10_000, 10_000]
    assert len(np.unique(sample["jets"][:, 0], axis=0)) == 20_000
    for process in (0, 1):
        numbers = sample["event_number"][sample["process"] == process]
        assert numbers.tolist() == list(range(10_000))


def test_rows_belong_together(sample):
    jets, visible, taus = sample["jets"], sample["visible_taus"], sample["taus"]
    assert (jets[:, 0, 0] >= jets[:, 1, 0]).all()
    assert (delta_r(jets[..., 1], jets[..., 2], visible[..., 1], visible[..., 2]) < 0.3).all()
    assert (delta_r(taus[..., 1], taus[..., 2], visible[..., 1], visible[..., 2]) < 0.13).all()
    assert (visible[..., 0] < taus[..., 0] + 0.06).all()


def test_masses_peak_at_the_higgs_and_the_z(sample):
    mass = pair_mass(with_mass(sample["taus"]))
    for label, peak in ((1, 125.0), (0, 91.19)):
        chosen = mass[sample["label"] == label]
        assert np.median(chosen) == pytest.approx(peak, abs=0.15)
        assert np.mean(np.abs(chosen - peak) < 5) > 0.8


def test_classifiers_reach_what_the_physics_gives(sample):
    label = sample["label"]
    taus = sample["taus"].reshape(len(label), -1)
    truth = np.column_stack([taus, pair_mass(with_mass(sample["taus"]))])
    assert auc(truth, label) > 0.98
    jets = sample["jets"].reshape(len(label), -1)
    reconstructed = np.column_stack([jets, pair_mass(sample["jets"])])
    assert auc(reconstructed, label) == pytest.approx(0.81, abs=0.02)


@pytest.mark.slow
@pytest.mark.xdist_group("generation")
def test_first_jets_come_out_of_the_generator_again(pool_of_the_sample):
    recipe = load(ROOT / "recipes" / "events" / "tau_id.yaml", EventRecipe).values
    again = make_shard(recipe, "higgs", 0, REGENERATED, pool_of_the_sample).columns
    shipped = read(TAU_ID, events=slice(0, recipe.shard_size))
    same = (again["seed"][:, None] == shipped["seed"]) & np.isclose(
        again["all_jets"][:, None], shipped["all_jets"], rtol=1e-3, atol=1e-2
    ).all(axis=(2, 3))
    mine, theirs = np.nonzero(same)
    assert len(mine) >= 0.9 * REGENERATED
    members = np.isclose(
        again["constituents"][mine], shipped["constituents"][theirs], rtol=1e-2, atol=2e-3
    )
    assert members.all(axis=(1, 2, 3)).mean() > 0.9
    assert (again["all_jets_tau"][mine] == shipped["all_jets_tau"][theirs]).all()


@pytest.mark.xdist_group("generation")
@pytest.mark.slow
@pytest.mark.parametrize("process", ["higgs", "z"])
def test_first_events_come_out_of_the_generator_again(sample, process, pool_of_the_sample):
    recipe = load(ROOT / "recipes" / "events" / "htautau.yaml", EventRecipe).values
    again = make_shard(recipe, process, 0, REGENERATED, pool_of_the_sample).columns
    index = list(recipe.processes).index(process)
    shipped = {
        name: column[(sample["process"] == index)][: recipe.shard_size]
        for name, column in sample.items()
    }
    # Another processor may round an event across a cut: events are found by their seed and taus.
    same = (
        (again["seed"][:, None] == shipped["seed"])
        & np.isclose(again["taus"][:, None], shipped["taus"], rtol=1e-4).all(axis=(2, 3))
        & np.isclose(again["jets"][:, None], shipped["jets"], rtol=1e-3, atol=1e-2).all(axis=(2, 3))
    )
    mine, theirs = np.nonzero(same)
    assert len(mine) >= 0.9 * REGENERATED
    images = np.isclose(again["calo_images"][mine], shipped["calo_images"][theirs], rtol=1e-3)
    assert images.all(axis=(1, 2, 3, 4)).mean() > 0.9
    assert (again["decay_modes"][mine] == shipped["decay_modes"][theirs]).all()


def test_jets_and_their_constituents():
    events = read(TAU_ID)
    real, present, tau = (events[n] for n in ("all_jets_real", "constituents_real", "all_jets_tau"))
    assert np.bincount(events["label"]).tolist() == [5_000, 5_000]
    assert (real.sum(axis=1) >= 2).all()
    assert (present.any(axis=2) == real).all()
    assert not tau[~real].any()
    assert (tau.sum(axis=1) <= 2).all()
    assert (events["all_jets"][real][:, 0] > 20).all()
    assert (np.abs(events["all_jets"][real][:, 1]) < 2.5).all()
    distance = np.hypot(*np.moveaxis(events["constituents"][present][:, 1:], -1, 0))
    assert np.quantile(distance, 0.99) < 0.52  # the jets' radius
    matched = tau == 1
    jet, true = events["all_jets"][matched], events["all_jets_taus"][matched]
    assert np.median(delta_r(jet[:, 1], jet[:, 2], true[:, 1], true[:, 2])) < 0.05
    # Taus have fewer constituents, of which the first carries more.
    count, first = present.sum(axis=2), events["constituents"][..., 0, 0]
    features = np.column_stack([count[real], first[real], events["all_jets"][real]])
    assert auc(features, tau[real]) > 0.87


@pytest.fixture(scope="module")
def pool_of_the_sample(tmp_path_factory):
    recipe = load(ROOT / "recipes" / "events" / "htautau.yaml", EventRecipe).values
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSML_CACHE", str(tmp_path_factory.mktemp("cache")))
        return Pool.load(pileup_pool(recipe, 2))
