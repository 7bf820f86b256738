"""Runs of a task of each jet inside a task of the event, on a file with padding."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from nested import nested_events, write_nested
from process import Command, msml, until
from sklearn.metrics import roc_auc_score
from tiny import only_run, results, write_recipe

from msml.data.splits import split_rows

pytestmark = pytest.mark.xdist_group("stages")

RECIPE = """\
name: tiny
data:
  file: nested.h5
  transform: {all_jets: log_pt, constituents: log_pt}
  weight: weight
tasks:
  tau_id:
    each: all_jets
    inputs: [constituents]
    target: all_jets_tau
    loss: {name: bce_logits}
    weight: 0.5
    metrics: [auc, bce]
    candidates:
      sets: {model: deepsets, args: {units: 8, layers: 1, head_layers: 0, feature: 3}}
      attention: {model: set_transformer, args: {units: 8, heads: 2, layers: 1, feature: 3}}
  higgs_id:
    inputs: [all_jets, tau_id.feature]
    target: label
    loss: {name: bce_logits}
    weight: 0.5
    metrics: [auc]
    candidates:
      sets: {model: deepsets, args: {units: 8, layers: 1}}
      mlp: {model: mlp, args: {units: 8, layers: 1}}
chain: {tau_id: sets, higgs_id: sets}
pretrain: {optimizer: {name: adam, learning_rate: 1e-2}, batch_size: 50, epochs: 4}
posttrain:
  modes: [sequential, joint]
  optimizer: {name: adam, learning_rate: 1e-2}
  batch_size: 50
  epochs: 4
evaluate: {bootstrap: 10, cost: false}
"""
CHOSEN = "chain: {tau_id: sets, higgs_id: sets}\n"
STRATEGIES = {
    "darts": "{name: darts, batch_size: 60, epochs: 3}",
    "spos": "{name: spos, batch_size: 50, epochs: 3}",
    "asng": "{name: asng, batch_size: 50, epochs: 3}",
    "grid": "{name: grid}",
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run."""
    folder = tmp_path_factory.mktemp("each")
    write_nested(folder / "nested.h5")
    write_recipe(folder, RECIPE)
    msml(folder, "run", "tiny.yaml")
    return folder


def evaluated(folder):
    return json.loads((only_run(folder) / "evaluate" / "metrics.json").read_text())


def test_metrics_are_of_real_jets(done):
    events = nested_events()
    rows = split_rows(300, {"train": 0.6, "valid": 0.2, "test": 0.2}, 1)["test"]
    real = events["all_jets_real"][rows]
    weight = np.repeat(events["weight"][rows], real.sum(axis=1))
    label = events["all_jets_tau"][rows][real]
    for record in evaluated(done):
        folder = only_run(done) / "evaluate" / "sets+sets" / record["mode"]
        with h5py.File(folder / "predictions.h5") as file:
            found = {
                name: np.asarray(each)
                for name, each in file["tau_id"].items()
                if name != "replicas"
            }
        assert found["feature"].shape == (60, 4, 3)
        assert np.array_equal(found["real"], real)
        assert not found["prediction"][~real].any()
        logit = found["prediction"][real][:, 0].astype(float)
        measured = {name: each["value"] for name, each in record["metrics"]["tau_id"].items()}
        assert measured["auc"] == pytest.approx(
            roc_auc_score(label, logit, sample_weight=weight), abs=1e-9
        )
        loss = np.logaddexp(0, logit) - logit * label
        assert measured["bce"] == pytest.approx(np.average(loss, weights=weight), rel=1e-6)
        assert measured["auc"] > 0.8


@pytest.mark.slow
def test_what_is_in_padding_changes_nothing(done, tmp_path):
    write_nested(tmp_path / "nested.h5", garbage=3e4)
    write_recipe(tmp_path, RECIPE)
    msml(tmp_path, "run", "tiny.yaml")
    assert results(only_run(tmp_path)) == results(only_run(done))


@pytest.mark.slow
def test_training_may_begin_before_any_pre_training(tmp_path):
    write_nested(tmp_path / "nested.h5")
    text = RECIPE.replace("modes: [sequential, joint]", "modes: [joint]\n  from: initial")
    write_recipe(tmp_path, text.replace("weight: 0.5", "weight: 3") + "free_weights: true\n")
    msml(tmp_path, "run", "tiny.yaml")
    assert not list(only_run(tmp_path).glob("pretrain/*/*"))
    (record,) = json.loads((only_run(tmp_path) / "evaluate" / "metrics.json").read_text())
    assert record["mode"] == "joint"
    path = only_run(tmp_path) / "posttrain" / "sets+sets" / "joint" / "metrics.json"
    losses = json.loads(path.read_text())["valid_losses"]
    assert losses["total"] == pytest.approx(3 * (losses["tau_id"] + losses["higgs_id"]), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["chain", *STRATEGIES])
def test_killed_and_resumed_ends_the_same(tmp_path, how):
    text = RECIPE
    if how in STRATEGIES:
        text = text.replace(CHOSEN, f"strategy: {STRATEGIES[how]}\n")
    whole, other = tmp_path / "whole", tmp_path / "other"
    for folder in (whole, other):
        folder.mkdir()
        write_nested(folder / "nested.h5")
        write_recipe(folder, text)
    msml(whole, "run", "tiny.yaml")
    lines = len((only_run(whole) / "metrics.jsonl").read_text().splitlines())
    for wanted in (lines // 3, 2 * lines // 3, lines - 1):
        command = Command(other, "run", "tiny.yaml")
        log = other / "runs" / "tiny" / only_run(whole).name / "metrics.jsonl"
        until(lambda log=log, wanted=wanted, command=command: _reached(log, wanted, command))
        command.kill()
    msml(other, "run", "tiny.yaml")
    assert results(only_run(other)) == results(only_run(whole))


def _reached(log: Path, lines: int, command: Command) -> bool:
    there = log.exists() and len(log.read_text().splitlines()) >= lines
    return there or not command.process.is_alive()
