"""Kaggle's submission: which events are signal, and their ranks."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
from commands import run
from made_table import table

from msml.errors import IncompleteError, RecipeError
from msml.studies.higgsml.formats import cut_of, ranked

RECIPE = """\
name: higgs
xla: false
data:
  file: train.h5
  transform: {derived: [fill_missing, standardise]}
  split: {column: kaggle_set, train: 0.6, valid: 0.4, test: [1, 2, 3]}
  weight: kaggle_weight
tasks:
  signal:
    inputs: [derived]
    target: label
    loss: {name: bce_logits}
    weight: 1
    metrics: [auc, ams(least=0.1)]
    candidates: {linear: {model: linear}}
posttrain: {from: initial, epochs: 2}
evaluate: {bootstrap: 2, cost: false}
"""


@pytest.mark.parametrize("cut", [0.0, 0.3, 0.5, 0.77, 1.0])
def test_ranks(cut):
    rng = np.random.default_rng(1)
    event, logit = rng.permutation(500), np.round(rng.normal(size=500), 1).astype("f4")
    rank, signal = ranked(event, logit, cut)
    assert np.array_equal(np.sort(rank), 1 + np.arange(500))
    order = np.argsort(rank)
    assert (np.diff(logit[order]) >= 0).all()
    assert np.array_equal(signal[order], np.sort(signal))  # the highest ranks, without a gap
    assert np.array_equal(signal, 1 / (1 + np.exp(-logit.astype(float))) >= cut)
    again = rng.permutation(500)  # ties do not depend on the order of the events
    assert np.array_equal(ranked(event[again], logit[again], cut)[0], rank[again])


def test_of_a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table(240, sets="ttb").to_csv("official.csv", index=False)
    run("import", "higgsml", "official.csv", "output=train.h5")
    Path("mine.yaml").write_text(RECIPE)
    run("posttrain", "mine.yaml")
    (folder,) = Path("runs/higgs").iterdir()
    made = table(130, seed=2).drop(columns=["Weight", "Label", "KaggleSet", "KaggleWeight"])
    made.to_csv("test.csv", index=False)
    asked = ("predict", str(folder), "test.csv", "--format", "higgsml", "-o")
    with pytest.raises(IncompleteError, match="linear was not evaluated in mode joint; the comm"):
        run(*asked, "submission.csv")
    run("evaluate", "mine.yaml")
    run(*asked, "submission.csv")
    found = pandas.read_csv("submission.csv")
    assert list(found) == ["EventId", "RankOrder", "Class"]
    assert np.array_equal(found["EventId"], made["EventId"])
    assert sorted(found["RankOrder"]) == list(range(1, 131))
    run("predict", str(folder), "test.csv", "-o", "out.csv")
    share = pandas.read_csv("out.csv")["signal.probabilities"]
    record = json.loads((folder / "evaluate" / "linear" / "joint" / "metrics.json").read_text())
    cut = record["tuned"]["signal/ams(least=0.1)"]["cut"]
    assert np.array_equal(found["Class"] == "s", share >= cut)
    ranks = [found["RankOrder"][found["Class"] == kind] for kind in "bs"]
    assert ranks[0].max() < ranks[1].min()
    # The event file of the same table gives the same, byte for byte.
    run("import", "higgsml", "test.csv", "output=test.h5")
    run("predict", str(folder), "test.h5", "--format", "higgsml", "-o", "other.csv")
    assert Path("other.csv").read_bytes() == Path("submission.csv").read_bytes()


@pytest.mark.parametrize(
    ("metrics", "found"),
    [
        (["auc"], "got none"),
        (["ams(cut=0.5)", "ams(cut=0.6)"], "got signal at 0.5, signal at 0.6"),
        (["auc", "ams(cut=0.8)", "ams(cut=0.8,folds=10)"], ("signal", 0.8)),
        (["ams(cut=0.4)", "ams"], "got signal at 0.3, signal at 0.4"),
    ],
)
def test_which_cut(metrics, found):
    setup = SimpleNamespace(
        tasks={"signal": SimpleNamespace(metrics=metrics)},
        directory=SimpleNamespace(path=Path("runs/higgs/1")),
    )
    finished = SimpleNamespace(setup=setup, tuned=lambda: {"signal/ams": {"cut": 0.3}})
    if isinstance(found, tuple):
        assert cut_of(finished) == found
        return
    with pytest.raises(RecipeError, match=f"expected one cut of the metric `ams`, {found}"):
        cut_of(finished)
