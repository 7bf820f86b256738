"""A recipe's weighting in joint training."""

import shutil

import numpy as np
import pytest
from process import Limits, fails, msml
from tiny import log, only_run, runs, weights

from msml.training.checkpoint import load_arrays

pytestmark = pytest.mark.xdist_group("stages")


def test_only_joint_training_is_weighted(finished, tmp_path):
    """And v_t stays what the total is made of."""
    shutil.copytree(finished, tmp_path / "copy")
    folder = tmp_path / "copy"
    (plain,) = runs(folder)
    msml(folder, "posttrain", "tiny.yaml", "weighting.name=gradnorm")
    (weighted,) = (run for run in runs(folder) if run != plain)
    for mode, alike in (("connected", True), ("sequential", True), ("joint", False)):
        first, second = (
            weights(run / "posttrain" / "sf+mlp" / mode / "weights.h5") for run in (plain, weighted)
        )
        assert (first == second) == alike
    for record in log(weighted):
        losses = record["train"]
        if record["unit"].endswith("joint"):
            expected = 0.5 * losses["momentum"] + 0.5 * losses["higgs"]
            assert losses["total"] == pytest.approx(expected, rel=1e-5)


def test_looking_at_the_gradients_changes_nothing(finished, tmp_path):
    """The log of v_t has the gradients' angles where that is asked for."""
    shutil.copytree(finished, tmp_path / "copy")
    folder = tmp_path / "copy"
    (plain,) = runs(folder)
    msml(folder, "posttrain", "tiny.yaml", "weighting.diagnose=true", "posttrain.modes=[joint]")
    (looked,) = (run for run in runs(folder) if run != plain)
    first, second = (weights(run / "posttrain/sf+mlp/joint/weights.h5") for run in (plain, looked))
    assert first == second
    records = [record for record in log(looked) if record["unit"].endswith("joint")]
    assert all(-1 <= r["weighting"]["cosine"]["momentum,higgs"] <= 1 for r in records)
    assert all("weighting" not in record for record in log(plain))


def test_the_state_of_the_rule_is_in_the_checkpoint(finished, tmp_path):
    shutil.copytree(finished / "runs" / ".cache", tmp_path / "runs" / ".cache")
    for name in ("events.h5", "tiny.yaml"):
        shutil.copy(finished / name, tmp_path)
    arguments = ("posttrain", "tiny.yaml", "weighting.name=famo", "posttrain.modes=[joint]")
    wild = "posttrain.optimizer={name: sgd, learning_rate: 1e+30}"
    error = fails(4, tmp_path, *arguments, wild, limits=Limits())
    assert "not finite" in error
    (path,) = only_run(tmp_path).rglob("checkpoint.h5")
    arrays, _ = load_arrays(path)
    state = {k: v for k, v in arrays.items() if k.startswith("state/weighting/")}
    assert "state/weighting/value" in state
    assert all(np.isfinite(v).all() for v in state.values())
