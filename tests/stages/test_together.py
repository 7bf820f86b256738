"""Runs of several seeds trained at once, before each goes on by itself."""

import json
import shutil

import numpy as np
import pytest
from process import Command, Limits, fails, msml, until
from tiny import RECIPE, log, weights, write_recipe

from msml.training.checkpoint import load_arrays

pytestmark = pytest.mark.xdist_group("together")

LONG = RECIPE.replace("[connected, sequential, joint]", "[joint]").replace(
    "      noise: {model: noise}\n", ""
)
GRID = RECIPE.replace("      noise: {model: noise}\n", "").replace(
    "chain: {momentum: sf, higgs: mlp}\n", "strategy: {name: grid}\n"
)
SEEDS = ("--seeds", "0:3")
JOINT = "posttrain/sf+mlp/joint"


@pytest.fixture(scope="module")
def together(tmp_path_factory, event_file):
    folder = made(tmp_path_factory.mktemp("together"), event_file)
    msml(folder, "replicas", *SEEDS, "tiny.yaml")
    return folder


def made(folder, event_file, text=LONG):
    shutil.copy(event_file, folder / "events.h5")
    write_recipe(folder, text)
    return folder


def run_of(folder, seed):
    (found,) = folder.glob(f"runs/tiny/seed={seed}-*")
    return found


def trained(run):
    return sorted([*run.glob("pretrain/*/*.h5"), *run.rglob("weights.h5")])


def close(one, other):
    ours, theirs = load_arrays(one)[0], load_arrays(other)[0]
    assert set(ours) == set(theirs)
    for name, values in ours.items():
        assert values == pytest.approx(theirs[name], rel=1e-3, abs=1e-4), name


def test_each_as_alone(together, tmp_path, event_file):
    other = made(tmp_path, event_file)
    msml(other, "posttrain", "tiny.yaml", "seed=2")
    alone, run = run_of(other, 2), run_of(together, 2)
    names = [path.relative_to(run).as_posix() for path in trained(run)]
    assert names == [f"{JOINT}/weights.h5", "pretrain/higgs/mlp.h5", "pretrain/momentum/sf.h5"]
    for name in names:
        close(run / name, alone / name)
    assert load_arrays(run / JOINT / "weights.h5")[1]["replicas"] == 3
    units = [(line["unit"], line["epoch"]) for line in log(run)]
    assert units == [(line["unit"], line["epoch"]) for line in log(alone)]


def test_seeds_differ(together):
    found = [weights(run_of(together, seed) / JOINT / "weights.h5") for seed in range(3)]
    assert found[0] != found[1] != found[2] != found[0]


@pytest.mark.slow
def test_a_run_goes_on_from_there(together, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(together, folder)
    run = run_of(folder, 1)
    before = {path: weights(path) for path in trained(run)}
    epochs = len(log(run))
    msml(folder, "run", "tiny.yaml", "seed=1")
    assert json.loads((run / "evaluate/metrics.json").read_text())[0]["mode"] == "joint"
    assert {path: weights(path) for path in before} == before
    assert len(log(run)) == epochs
    began = (run / JOINT / "weights.h5").stat().st_mtime_ns
    msml(folder, "replicas", *SEEDS, "tiny.yaml")  # what is done is not done again
    assert (run / JOINT / "weights.h5").stat().st_mtime_ns == began


@pytest.mark.slow
def test_killed_and_done_again(together, tmp_path, event_file):
    folder = made(tmp_path, event_file)
    command = Command(folder, "replicas", *SEEDS, "tiny.yaml", limits=Limits(epoch_seconds=0.1))
    until(lambda: any(folder.rglob("posttrain/**/together-*.h5")) or not command.process.is_alive())
    assert command.process.is_alive()
    command.kill()
    msml(folder, "replicas", *SEEDS, "tiny.yaml")
    assert not list(folder.rglob("together-*.h5"))
    for seed in range(3):
        ours, theirs = run_of(folder, seed), run_of(together, seed)
        for path in trained(theirs):
            assert weights(ours / path.relative_to(theirs)) == weights(path)
        assert [entry["epoch"] for entry in log(ours)] == [entry["epoch"] for entry in log(theirs)]


@pytest.mark.slow
def test_combinations_of_a_grid(tmp_path, event_file):
    folder = made(tmp_path, event_file, GRID)
    msml(folder, "replicas", "--seeds", "0,1", "tiny.yaml")
    run = run_of(folder, 1)
    assert (run / "grid/sf+mlp/weights.h5").exists()
    assert not (run / "posttrain").exists()
    msml(folder, "search", "tiny.yaml", "seed=1")
    assert json.loads((run / "search/selection.json").read_text())["chosen"] == {
        "momentum": "sf",
        "higgs": "mlp",
    }


@pytest.mark.slow
def test_copies_of_a_candidate_at_once(tmp_path, event_file):
    copies = "args: {units: 8, layers: 1}, copies: 3}"
    text = GRID.replace("args: {units: 8, layers: 1}}", copies)
    folder = made(tmp_path, event_file, text)
    msml(folder, "search", "tiny.yaml", "strategy.at_once=2")
    msml(folder, "search", "tiny.yaml")
    several, single = (
        [json.loads(path.read_text()) for path in sorted(run.glob("grid/*/metrics.json"))]
        for run in sorted(folder.glob("runs/tiny/*"), key=lambda p: "at_once" not in p.name)
    )
    assert len(several) == len(single) == 3
    for one, other in zip(several, single, strict=True):
        assert one["chain"] == other["chain"]
        assert one["score"] == pytest.approx(other["score"], abs=1e-3)
    assert len({one["score"] for one in several}) == 3
    (run,) = folder.glob("runs/tiny/*at_once*")
    stored = [
        load_arrays(path)[1].get("replicas") for path in sorted(run.glob("grid/*/weights.h5"))
    ]
    assert stored == [2, 2, None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--seeds", "0,x"), "--seeds: expected numbers like 0,1,2 or 0:3, got '0,x'"),
        (("--seeds", "3:3"), "--seeds: expected numbers like 0,1,2 or 0:3, got '3:3'"),
        (
            (*SEEDS, "--stage", "evaluat"),
            "--stage: unknown stage 'evaluat'; did you mean evaluate?",
        ),
    ],
)
def test_bad_options(together, arguments, message):
    said = fails(2, together, "replicas", *arguments, "tiny.yaml")
    assert said.startswith(message[: len(message) - 20])


def test_one_that_diverges_is_named(tmp_path, event_file):
    folder = made(tmp_path, event_file)
    rate = "posttrain.optimizer={name: sgd, learning_rate: 1e30}"
    said = fails(4, folder, "replicas", "--seeds", "0,1", "tiny.yaml", rate)
    assert said.startswith("posttrain/sf+mlp/joint and 1 more: the loss is not finite")
    assert np.all([(run / "unfinished.json").exists() for run in folder.glob("runs/tiny/*")])
