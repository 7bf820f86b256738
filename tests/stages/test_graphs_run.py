"""Runs of graph networks on a file with padding, trained as the study of transfer learning does."""

import h5py
import numpy as np
import pytest
from nested import write_nested
from process import msml
from tiny import metrics, only_run, results, write_recipe

pytestmark = pytest.mark.xdist_group("graphs_run")

RECIPE = """\
name: tiny
xla: false
data:
  file: nested.h5
  transform: {all_jets: log_pt}
tasks:
  higgs_id:
    inputs: [all_jets]
    target: label
    loss: {name: bce_logits}
    weight: 1
    metrics: [auc]
    candidates:
      attention:
        model: graph_attention
        args: {units: 8, layers: 2, heads: 2, pairwise: {0: [log_pt, eta, phi, m]}}
CHOICE
pretrain: &training
  optimizer: {name: sgd, learning_rate: 1e-2, momentum: 0.9, l2: 5e-5}
  schedule: {name: cosine, every: epoch, end: 1e-4}
  batch_size: 30
  epochs: 4
posttrain: *training
evaluate: {bootstrap: 5, cost: false}
"""
NETWORK = "      network: {model: graph_network, args: {units: 8, layers: 2}}\n"
DEEPSETS = "      deepsets: {model: deepsets, args: {units: 8, layers: 1, norm: batch_torch}}\n"
STRATEGIES = {
    "darts": "{name: darts, batch_size: 60, epochs: 2}",
    "spos": "{name: spos, batch_size: 60, epochs: 2}",
    "grid": "{name: grid}",
}


def run(folder, choice, garbage=0.0, change=("", "")):
    folder.mkdir(exist_ok=True)
    write_nested(folder / "nested.h5", garbage=garbage)
    text = RECIPE.replace("CHOICE\n", choice).replace(*change)
    write_recipe(folder, text)
    msml(folder, "run", "tiny.yaml")
    return only_run(folder)


@pytest.mark.slow
def test_alone_with_its_attention(tmp_path):
    """The attention of the test events is kept; what is in padding changes nothing."""
    change = ("heads: 2,", "heads: 2, attention: true,")
    choice = "chain: {higgs_id: attention}\n"
    first = run(tmp_path / "first", choice, change=change)
    (record,) = metrics(tmp_path / "first")
    assert record["metrics"]["higgs_id"]["auc"]["value"] > 0.5
    with h5py.File(first / "evaluate" / "attention" / "joint" / "predictions.h5") as file:
        maps, rows = file["higgs_id/attention"][:], file["event"][:]
    with h5py.File(tmp_path / "first" / "nested.h5") as file:
        real = file["all_jets_real"][:][rows].astype(bool)
    assert maps.shape == (60, 2, 2, 4, 4)
    expected = np.broadcast_to(real[:, None, None], maps.shape[:-1])
    assert maps.sum(axis=-2) == pytest.approx(expected.astype(float), abs=1e-5)
    second = run(tmp_path / "second", choice, garbage=3e4, change=change)
    assert results(first) == results(second)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_as_candidates(tmp_path, strategy):
    choice = f"{NETWORK}{DEEPSETS}strategy: {STRATEGIES[strategy]}\n"
    run(tmp_path, choice)
    found = metrics(tmp_path)
    assert all(set(record["chain"]) == {"higgs_id"} for record in found)
    assert all(np.isfinite(r["metrics"]["higgs_id"]["auc"]["value"]) for r in found)
