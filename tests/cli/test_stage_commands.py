"""The stage commands as a user sees them."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

RECIPE = """\
name: tiny
data:
  file: events.h5
  transform: {jets: log_pt, taus: log_pt}
tasks:
  momentum:
    inputs: [jets, calo_images]
    target: taus
    loss: {name: momentum_mse}
    weight: 0.5
    metrics: [momentum_mse]
    candidates:
      sf: {model: tau_scale_factor}
  higgs:
    inputs: [momentum]
    target: label
    loss: {name: bce_logits}
    weight: remainder
    metrics: [auc]
    candidates:
      mlp: {model: higgs_mlp, args: {units: 8, layers: 1}}
pretrain: {epochs: 2}
posttrain: {modes: [sequential, joint], epochs: 2}
evaluate: {bootstrap: 10, cost: false}
"""

pytestmark = pytest.mark.xdist_group("stages as a user sees them")


def msml(folder, *arguments):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TF_CPP")}
    return subprocess.run(
        [sys.executable, "-m", "msml", *arguments],
        cwd=folder,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory, event_file):
    """A run, by its folder and what the command printed."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "events.h5").symlink_to(event_file)
    (folder / "tiny.yaml").write_text(RECIPE)
    printed = msml(folder, "run", "tiny.yaml")
    assert printed.returncode == 0, printed.stderr
    (run,) = (folder / "runs" / "tiny").iterdir()
    return folder, run, printed


@pytest.mark.slow
def test_tensorflow_says_nothing(done):
    lines = done[2].stderr.splitlines()
    assert lines
    assert [
        line
        for line in lines
        if line.split()[0] not in ("pretrain", "posttrain", "evaluate")
        and not line.startswith("evaluate:")
    ] == []


def test_figures_and_tables(done):
    _, run, printed = done
    figures = {str(p.relative_to(run / "evaluate")) for p in (run / "evaluate").rglob("*.png")}
    drawn = {f"sf+mlp/{name}.png" for name in ("mass", "response", "reliability")}
    assert figures == {"roc.png", *drawn}
    assert all((run / "evaluate" / name).with_suffix(".pdf").exists() for name in figures)
    assert "joint - sequential" in printed.stdout
    assert printed.stdout.splitlines()[-1] == f"run: {run.relative_to(done[0])}"


def test_json_has_the_differences_of_the_same_replicas(done):
    folder, run, _ = done
    again = msml(folder, "run", "tiny.yaml", "--json")
    records = json.loads(again.stdout)
    assert records == json.loads((run / "evaluate" / "metrics.json").read_text())
    assert "drawing" not in again.stderr
    sequential, joint = records
    change = joint["minus"]["sequential"]["higgs"]["auc"]
    values = [record["metrics"]["higgs"]["auc"]["value"] for record in (sequential, joint)]
    assert change["value"] == pytest.approx(values[1] - values[0])
    replicas = []
    for mode in ("sequential", "joint"):
        with h5py.File(run / "evaluate" / "sf+mlp" / mode / "predictions.h5") as file:
            replicas.append(np.asarray(file["higgs/replicas/auc"]))
    assert change["error"] == pytest.approx((replicas[1] - replicas[0]).std(ddof=1))
    assert not (run / "unfinished.json").exists()


def test_status_of_it(done):
    folder, _, _ = done
    (found,) = json.loads(msml(folder, "status", "tiny.yaml", "--json").stdout)
    assert found["state"] == "done"
    assert all(unit["done"] for unit in found["units"])
    assert found["units"][0]["epochs"] == 2


def test_tensorboard_or_what_to_install(done):
    folder, run, _ = done
    printed = msml(folder, "pretrain", "tiny.yaml", "seed=2", "--tensorboard")
    try:
        import tensorboard  # noqa: F401
    except ModuleNotFoundError:
        assert printed.returncode == 2
        assert printed.stderr == (
            "msml: --tensorboard needs the package tensorboard: pip install 'msml[tensorboard]'\n"
        )
    else:
        assert list(run.parent.glob("seed=2*/tensorboard/pretrain/higgs/mlp/events.*"))
