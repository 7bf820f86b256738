"""Runs whose candidates start from the weights of another run."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from process import fails, msml
from tiny import weights

from msml.sweep.execute import left
from msml.sweep.plan import make
from msml.training.checkpoint import load_arrays

pytestmark = pytest.mark.xdist_group("start_run")

RECIPE = """\
name: {name}
xla: false
data: {{file: {name}.h5, split: {{seed: 3}}}}
tasks:
  signal:
    inputs: [x]
    target: label
    loss: {{name: bce_logits}}
    weight: 1
    metrics: [auc]
    candidates: {{network: {{model: mlp, args: {{units: 6, layers: 2, norm: batch}}{start}}}}}
posttrain: {{modes: [joint], from: initial, epochs: 3, patience: 3, batch_size: 32}}
evaluate: {{bootstrap: 5, cost: false}}
"""
START = ", start: {from: source.yaml, mode: fixed}"
EVENTS = 200


def write_events(path, seed, columns=3, units="GeV"):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, EVENTS).astype(np.int8)
    with h5py.File(path, "w") as file:
        file["x"] = (rng.normal(size=(EVENTS, columns)) + label[:, None]).astype(np.float32)
        names = ["pt", "eta", "phi", "mass"][:columns]
        file["x"].attrs["components"] = names
        file["x"].attrs["axes"] = ["component"]
        file["x"].attrs["units"] = [units, "1", "rad", units][:columns]
        file["label"] = label


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start")
    for number, name in enumerate(("source", "target")):
        write_events(folder / f"{name}.h5", number)
    (folder / "source.yaml").write_text(RECIPE.format(name="source", start=""))
    (folder / "target.yaml").write_text(RECIPE.format(name="target", start=START))
    msml(folder, "posttrain", "source.yaml")
    return folder


@pytest.fixture
def folder(source, tmp_path):
    shutil.copytree(source, tmp_path / "work")
    return tmp_path / "work"


def trained(folder, name, pattern="*"):
    (path,) = folder.glob(f"runs/{name}/{pattern}/posttrain/network/joint/weights.h5")
    return path


def test_fixed_weights_are_those_of_the_source(folder):
    msml(folder, "run", "target.yaml")
    ours, theirs = (load_arrays(trained(folder, name))[0] for name in ("target", "source"))
    equal = {name: np.array_equal(values, theirs[name]) for name, values in ours.items()}
    # Kernel, bias, scale and shift of two layers; statistics of batches and the last layer move.
    assert sum(equal.values()) == 8
    assert len(equal) == 14
    run = trained(folder, "target").parents[3]
    (mark,) = json.loads((run / "manifest.json").read_text())["starts"].items()
    assert mark[0].startswith("runs/source/seed=0-")
    msml(folder, "predict", run, "source.h5", "-o", "out.h5")
    shutil.rmtree(folder / "runs/source")  # what is done needs it no more
    msml(folder, "predict", run, "source.h5", "-o", "again.h5")
    assert (folder / "out.h5").read_bytes() == (folder / "again.h5").read_bytes()


@pytest.mark.slow
def test_frozen_statistics_and_some_layers(folder):
    change = "tasks.signal.candidates.network.start"
    msml(folder, "posttrain", "target.yaml", f"{change}.batchnorm=freeze")
    ours, theirs = (load_arrays(trained(folder, name))[0] for name in ("target", "source"))
    assert sum(np.array_equal(values, theirs[name]) for name, values in ours.items()) == 12
    msml(folder, "posttrain", "target.yaml", f"{change}.layers=[hidden_0]")
    path = trained(folder, "target", "*layers*")
    some = load_arrays(path)[0]
    assert sum(np.array_equal(values, theirs[name]) for name, values in some.items()) == 2


@pytest.mark.slow
def test_modes_as_candidates_of_a_grid(folder):
    recipe = RECIPE.format(name="target", start="").replace("from: initial, ", "")
    one = "{model: mlp, args: {units: 6, layers: 2, norm: batch}"
    start = "start: {{from: source.yaml, mode: {0}}}"
    recipe = recipe.replace(
        f"network: {one}}}",
        f"scratch: {one}}}, fixed: {one}, {start.format('fixed')}}}, "
        f"tuned: {one}, {start.format('tuned')}}}",
    )
    strategy = "strategy: {name: grid}\npretrain: {epochs: 2, patience: 2, batch_size: 32}\n"
    (folder / "target.yaml").write_text(recipe + strategy)
    msml(folder, "search", "target.yaml")
    (path,) = folder.glob("runs/target/*/search/selection.json")
    ranking = json.loads(path.read_text())["ranking"]
    assert {line["chain"]["signal"] for line in ranking} == {"scratch", "fixed", "tuned"}
    assert len({line["score"] for line in ranking}) == 3


def test_the_same_again_from_where_it_was(folder):
    msml(folder, "posttrain", "target.yaml")
    before = weights(trained(folder, "target"))
    shutil.rmtree(folder / "runs/target")
    msml(folder, "posttrain", "target.yaml")
    assert weights(trained(folder, "target")) == before


def test_a_folder_of_a_run(folder):
    run = trained(folder, "source").parents[3].relative_to(folder)
    msml(folder, "posttrain", "target.yaml", f"tasks.signal.candidates.network.start.from={run}")
    assert len(list(folder.glob("runs/target/*/posttrain/network/joint/weights.h5"))) == 1


def test_another_source_is_not_mixed_in(folder):
    msml(folder, "posttrain", "target.yaml")
    path = trained(folder, "source")
    run = path.parents[3]
    shutil.rmtree(run)
    write_events(folder / "source.h5", 7)
    msml(folder, "posttrain", "source.yaml")
    said = fails(3, folder, "evaluate", "target.yaml")
    assert "changed since" in said
    assert str(run.relative_to(folder)) in said


def test_what_does_not_fit(folder):
    key = "tasks.signal.candidates.network.start"
    shutil.move(folder / "runs", folder / "elsewhere")
    said = fails(5, folder, "run", "target.yaml")
    assert said.startswith(f"{key}.from: runs/source/seed=0-")
    assert said.endswith("this run is not there yet: msml posttrain source.yaml")
    shutil.move(folder / "elsewhere/source", folder / "runs/source")
    said = fails(2, folder, "run", "target.yaml", f"{key}.from=sourc.yaml")
    assert "sourc.yaml" in said
    said = fails(2, folder, "run", "target.yaml", f"{key}.task=signl")
    assert said == f"{key}.task: unknown task 'signl'; did you mean 'signal'?"
    write_events(folder / "target.h5", 1, units="MeV")
    said = fails(2, folder, "run", "target.yaml")
    assert said.startswith(
        f"{key}.from: 'x' is (pt [MeV], eta [1], phi [rad]), 'x' of runs/source/"
    )
    assert said.endswith(" is (pt [GeV], eta [1], phi [rad])")
    said = fails(2, folder, "run", "target.yaml", f"{key}.mode=frozen")
    assert "mode" in said
    write_events(folder / "target.h5", 1)
    said = fails(2, folder, "run", "target.yaml", "tasks.signal.candidates.network.args.units=7")
    assert said.startswith(f"{key}: the layer 'hidden_0' has weights of shapes (3, 7), (7,), in ")


def test_a_sweep_makes_first_what_its_points_start_from(folder, monkeypatch):
    monkeypatch.chdir(folder)
    plan = make("target.yaml", ["seed=0:2"], Path("runs"))
    found = [(unit.stage, unit.recipe, unit.needs) for unit in plan.units]
    assert found == [("posttrain", "source.yaml", ()), ("run", "", (0,)), ("run", "", (0,))]
    assert plan.is_done(plan.units[0])
    assert plan.command(plan.units[0]) == ["posttrain", "--runs", "runs", "--", "source.yaml"]
    shutil.rmtree(folder / "runs/source")
    assert [unit.number for unit in left(plan)] == [0, 1, 2]
    key = "tasks.signal.candidates.network.start"
    other = make("target.yaml", [f"{key}.overrides=[seed=1]"], Path("runs")).units[0]
    assert other.overrides == ("seed=1",)
    assert other.directory.startswith("source/seed=1-")
