"""An ensemble as the result of a recipe: members over folds, together or one by one."""

import json
import shutil

import h5py
import numpy as np
import pytest
from process import Command, Limits, fails, msml, until
from tiny import only_run, weights

from msml.ensemble import parts_of
from msml.runs.log import damaged, records
from msml.stages.ensemble import folds
from msml.stages.explanation.frozen import FrozenTask
from msml.stages.opening import opened
from msml.stages.posttrain import result as result_of
from msml.training.checkpoint import load_arrays

pytestmark = pytest.mark.xdist_group("ensemble_stage")

RECIPE = """\
name: tiny
data:
  file: events.h5
  transform: {tau: [cartesian, standardise], lepton: [cartesian, standardise]}
  split: {seed: 3}
tasks:
  higgs:
    inputs: [tau, lepton, other]
    target: label
    loss: {name: bce_logits}
    weight: 1
    metrics: [auc]
    candidates: {mlp: {model: mlp, args: {units: 6, layers: 2}}}
posttrain:
  modes: [joint]
  from: initial
  epochs: 4
  patience: 2
  batch_size: 32
  augment: {columns: [tau, lepton], rotations: 2}
  ensemble: {members: 3, folds: 4}
evaluate: {bootstrap: 20, cost: false}
"""
EVENTS = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("ensemble"), np.random.default_rng(1)
    label = rng.integers(0, 2, EVENTS).astype(np.int8)
    with h5py.File(folder / "events.h5", "w") as file:
        for name in ("tau", "lepton"):
            pt, phi = rng.exponential(30 + 10 * label), rng.uniform(-np.pi, np.pi, EVENTS)
            values = np.stack([pt, rng.normal(size=EVENTS), phi], axis=1)
            file[name] = values.astype(np.float32)
            file[name].attrs["components"] = ["pt", "eta", "phi"]
            file[name].attrs["axes"], file[name].attrs["units"] = ["component"], ["GeV", "1", "rad"]
        file["other"] = (rng.normal(size=(EVENTS, 2)) + label[:, None]).astype(np.float32)
        file["label"] = label
    (folder / "tiny.yaml").write_text(RECIPE)
    msml(folder, "run", "tiny.yaml")
    return folder


def result(run):
    return json.loads((run / "posttrain/mlp/joint/metrics.json").read_text())


def predictions(run):
    with h5py.File(next(run.rglob("predictions.h5"))) as file:
        return np.asarray(file["higgs/prediction"])


def again(folder, place):
    shutil.copytree(folder, place, ignore=shutil.ignore_patterns("runs"))
    return place


def test_the_result(folder):
    run = only_run(folder)
    members = result(run)["members"]
    worth = np.array([1 / member["valid_losses"]["total"] for member in members])
    assert [member["share"] for member in members] == pytest.approx(worth / worth.sum())
    (record,) = json.loads((run / "evaluate/metrics.json").read_text())
    assert record["metrics"]["higgs"]["auc"]["value"] > 0.7


@pytest.mark.slow
def test_together_as_one_by_one(folder, tmp_path):
    """Each has its own events, order, draws, stop and best weights."""
    other = again(folder, tmp_path / "other")
    msml(other, "run", "tiny.yaml", "posttrain.ensemble.at_once=1")
    one, many = only_run(other), only_run(folder)
    for first, second in zip(result(one)["members"], result(many)["members"], strict=True):
        assert first["epochs"] == second["epochs"]
        assert first["valid_losses"]["higgs"] == pytest.approx(
            second["valid_losses"]["higgs"], rel=1e-4
        )
    assert predictions(one) == pytest.approx(predictions(many), rel=1e-3, abs=1e-4)
    assert not (predictions(one) == predictions(many)).all()  # in the last digit they differ


@pytest.mark.slow
def test_killed_and_run_again(folder, tmp_path):
    killed_and_run_again(folder, tmp_path / "other")


@pytest.fixture(scope="module")
def side_by_side(folder, tmp_path_factory):
    """As `folder`, where members are trained in two graphs, each in a thread."""
    other = again(folder, tmp_path_factory.mktemp("ensemble") / "side by side")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_NUM_INTEROP_THREADS", "2")
        msml(other, "run", "tiny.yaml", "threads=1")
    return other


@pytest.mark.slow
def test_side_by_side(folder, side_by_side):
    """Each has its own events, order, draws, stop and best weights, and all are logged."""
    one, two = only_run(side_by_side), only_run(folder)
    assert json.loads((one / "manifest.json").read_text())["environment"]["threads"] == 1
    members = [f"posttrain/mlp/joint/member-{number}/weights.h5" for number in range(3)]
    assert [load_arrays(one / place)[1]["replicas"] for place in members] == [2, 2, 1]
    for first, second in zip(result(one)["members"], result(two)["members"], strict=True):
        assert first["epochs"] == second["epochs"]
        known = pytest.approx(second["valid_losses"]["higgs"], rel=1e-4)
        assert first["valid_losses"]["higgs"] == known
    assert predictions(one) == pytest.approx(predictions(two), rel=1e-3, abs=1e-4)
    logged = [(record["unit"], record["epoch"]) for record in records(one)]
    assert len(set(logged)) == len(logged) == sum(m["epochs"] for m in result(one)["members"])
    assert not damaged(one)


@pytest.mark.slow
def test_side_by_side_killed_and_run_again(side_by_side, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "2")
    killed_and_run_again(side_by_side, tmp_path / "other", "threads=1")


def killed_and_run_again(folder, place, *overrides):
    other = again(folder, place)
    limits = Limits(epoch_seconds=0.2)
    command = Command(other, "run", "tiny.yaml", *overrides, limits=limits)
    until(lambda: any(other.rglob("together-*.h5")) or not command.process.is_alive())
    assert command.process.is_alive()
    command.kill()
    msml(other, "run", "tiny.yaml", *overrides)
    for number in range(3):
        place = f"posttrain/mlp/joint/member-{number}/weights.h5"
        assert weights(only_run(other) / place) == weights(only_run(folder) / place)
    assert (predictions(only_run(other)) == predictions(only_run(folder))).all()


def test_other_events(folder, tmp_path):
    """Members and copies of events predict as one, and as in evaluation."""
    run, out = only_run(folder), tmp_path / "out.h5"
    msml(folder, "predict", run, "events.h5", "-o", out)
    with h5py.File(next(run.rglob("predictions.h5"))) as file, h5py.File(out) as others:
        rows = np.asarray(file["event"])
        seen = np.asarray(file["higgs/prediction"])[:, 0]
        assert (np.asarray(others["higgs"])[rows] == seen).all()


def test_explanations_predict_as_evaluation_does(folder):
    """All members, all copies of events."""
    with opened(str(folder / "tiny.yaml"), (), folder / "runs", False) as session:
        predictor = result_of(session, {"higgs": "mlp"}, "joint")
        found = FrozenTask(session, predictor, "higgs").output()
    assert len(parts_of(predictor)) == 3 * 8
    assert found == pytest.approx(predictions(only_run(folder)), rel=1e-4, abs=1e-5)


def test_folds(folder):
    """Each event is valid in one fold; all trainings have as many events, and as many signals."""
    with opened(str(folder / "tiny.yaml"), (), folder / "runs", False) as session:
        parts, label = folds(session, 4), session.split("train").columns["label"]
    assert sorted(np.concatenate([part["valid"] for part in parts])) == list(range(len(label)))
    assert {len(part["train"]) for part in parts} == {min(len(p["train"]) for p in parts)}
    for part in parts:
        assert not set(part["train"]) & set(part["valid"])
        assert label[part["valid"]].mean() == pytest.approx(label.mean(), abs=0.03)


@pytest.mark.slow
def test_events_of_one_orientation(folder, tmp_path):
    """They are turned for training, evaluation and prediction alike."""
    other, out = again(folder, tmp_path / "other"), tmp_path / "out.h5"
    align = "data.align={columns: [tau, lepton], to: lepton, above: tau, forward: lepton}"
    msml(other, "run", "tiny.yaml", align, "posttrain.augment=null", "posttrain.ensemble=null")
    before = predictions(only_run(other))
    msml(other, "predict", only_run(other), "events.h5", "-o", out)
    with h5py.File(next(only_run(other).rglob("predictions.h5"))) as file:
        rows = np.asarray(file["event"])
    with h5py.File(out) as file:
        assert (np.asarray(file["higgs"])[rows] == before[:, 0]).all()
    with h5py.File(other / "events.h5", "r+") as file:
        for name in ("tau", "lepton"):
            file[name][:, 2] = (file[name][:, 2] + 1 + np.pi) % (2 * np.pi) - np.pi
    msml(other, "predict", only_run(other), "events.h5", "-o", tmp_path / "turned.h5")
    with h5py.File(tmp_path / "turned.h5") as file:
        assert np.asarray(file["higgs"])[rows] == pytest.approx(before[:, 0], abs=1e-4)


@pytest.mark.slow
def test_members_never_see_what_they_are_judged_by(folder, tmp_path):
    """Other numbers in the fold of a member change nothing of its first epoch."""
    other = again(folder, tmp_path / "other")
    learnt = []
    for added in (0, 5):
        with opened(str(other / "tiny.yaml"), (), other / "runs", False) as session:
            rows = session.split("train").event[folds(session, 4)[0]["valid"]]
        with h5py.File(other / "events.h5", "r+") as file:
            values = np.asarray(file["other"])
            values[rows] += added
            file["other"][...] = values
        msml(other, "posttrain", "tiny.yaml", "posttrain.epochs=1")
        (path,) = other.rglob("member-0/weights.h5")
        learnt.append(weights(path))
        shutil.rmtree(other / "runs")
    assert learnt[0] == learnt[1]


@pytest.mark.slow
def test_what_cannot_be_one_graph_is_trained_one_by_one(folder, tmp_path):
    other = again(folder, tmp_path / "other")
    given = ["weighting.name=uncertainty", "posttrain.epochs=1", "posttrain.ensemble.members=2"]
    shown = msml(other, "posttrain", "tiny.yaml", *given)
    assert "trained one by one: the weighting 'uncertainty' is of one training" in "\n".join(
        [shown.output, *shown.errors]
    )
    assert len(result(only_run(other))["members"]) == 2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("posttrain.ensemble.folds=2", "expected one for each of the 3 members, got 2"),
        ("posttrain.from=pretrain", "expected null, or posttrain.from: initial"),
        ("posttrain.modes=[connected]", "expected it among posttrain.modes"),
        ("posttrain.augment.columns=[taus]", "unknown column 'taus'; did you mean 'tau'?"),
        ("posttrain.augment.columns=[other]", "expected momenta"),
        ("posttrain.augment.columns=[]", "is empty; expected columns of momenta"),
        ("data.align={columns: [tau], to: lepton}", "unknown momentum 'lepton'; known: tau"),
        ("data.align={columns: [tau, other], to: tau}", "expected momenta"),
        ("posttrain.ensemble.folds=999", "expected at most the 180 events of the train split"),
    ],
)
def test_what_cannot_be(folder, change, problem):
    assert problem in fails(2, folder, "run", "tiny.yaml", change)
