"""Runs that learn what is hidden from them."""

import json
import shutil
import signal

import h5py
import numpy as np
import pytest
from commands import run
from process import Command, Limits, msml, until
from tiny import log, weights

pytestmark = pytest.mark.xdist_group("hidden_run")

RECIPE = """\
name: hidden
xla: false
data: {file: events.h5}
tasks:
  told:
    inputs: [kinds]
    hide: {kinds: 0.5}
    target: kinds
    loss: {name: cross_entropy}
    weight: 1
    metrics: [accuracy, cross_entropy]
    candidates:
      network:
        model: graph_network
        args: {units: 16, layers: 2, norm: null, pooling: null, embed: {0: [4, 3]}}
posttrain:
  modes: [joint]
  from: initial
  optimizer: {name: adam, learning_rate: 1e-2}
  epochs: 4
  patience: 4
  batch_size: 20
evaluate: {bootstrap: 5, cost: false}
"""
EVENTS, OBJECTS = 400, 4


@pytest.fixture
def folder(tmp_path):
    """All objects of an event are of the same kind: what is hidden follows from what is not."""
    rng = np.random.default_rng(1)
    kinds = np.repeat(rng.integers(1, 4, (EVENTS, 1)), OBJECTS, axis=1).astype(np.int8)
    real = np.arange(OBJECTS) < rng.integers(2, OBJECTS + 1, (EVENTS, 1))
    folder = tmp_path / "work"
    folder.mkdir()
    with h5py.File(folder / "events.h5", "w") as file:
        file["kinds"], file["real"] = np.where(real, kinds, 0), real
        file["kinds"].attrs["mask"] = "real"
    (folder / "hidden.yaml").write_text(RECIPE)
    return folder


def run_of(folder):
    (path,) = folder.glob("runs/hidden/*")
    return path


def trained(folder):
    return run_of(folder) / "posttrain/network/joint/weights.h5"


def losses(folder):
    return [(line["train"]["told"], line["valid"]["told"]) for line in log(run_of(folder))]


def test_learning_rate_0(folder, monkeypatch):
    """Another part is hidden in each epoch of train; of valid it is the same one."""
    monkeypatch.chdir(folder)
    run("posttrain", "hidden.yaml", "posttrain.optimizer.learning_rate=1e-30")
    found = losses(folder)
    assert len({train for train, _ in found}) == 4
    assert len({valid for _, valid in found}) == 1


@pytest.mark.slow
def test_interrupted(folder, tmp_path):
    """It learns, and goes on with the draws that would have followed."""
    other = shutil.copytree(folder, tmp_path / "other")
    asked = ("run", "hidden.yaml", "posttrain.epochs=12")
    msml(folder, *asked)
    command = Command(other, *asked, limits=Limits(epoch_seconds=0.2))
    until(lambda: any(log(at) for at in other.glob("runs/hidden/*") if list(at.glob("*.jsonl"))))
    command.signal(signal.SIGTERM)
    assert command.wait() == 85
    msml(other, *asked)
    assert weights(trained(other)) == weights(trained(folder))
    assert losses(other) == losses(folder)
    (record,) = json.loads((run_of(folder) / "evaluate/metrics.json").read_text())
    # What can be known: an event tells, unless all of it is hidden. Alone a kind is right by 1/3.
    assert record["metrics"]["told"]["accuracy"]["value"] > 0.75
