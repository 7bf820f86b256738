"""Sweeps that train several seeds at once."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sweeping import msml, run_folders
from tiny import RECIPE, log, write_recipe

from msml.errors import RecipeError
from msml.sweep import at_once
from msml.sweep.at_once import _tried
from msml.sweep.execute import left
from msml.sweep.plan import make, write
from msml.training.checkpoint import load_arrays

pytestmark = pytest.mark.xdist_group("sweeps")

RUNS = Path("runs")
JOINT = RECIPE.replace("[connected, sequential, joint]", "[joint]").replace(
    "      noise: {model: noise}\n", ""
)


@pytest.fixture(autouse=True)
def recipe(folder):
    write_recipe(folder, JOINT)


def test_groups_of_equal_sizes(folder):
    plan = make("tiny.yaml", ["seed=0:5", "sweep.replicas=3"], RUNS)
    several = [unit for unit in plan.units if unit.stage == "replicas"]
    assert [unit.seeds for unit in several] == [(0, 1, 2), (3, 4)]
    assert [unit.needs for unit in plan.units if unit.stage == "run"] == [(0,)] * 3 + [(1,)] * 2
    assert plan.command(several[1]) == [
        *("replicas", "--runs", "runs", "--seeds", "3,4", "--stage", "run"),
        *("--", "tiny.yaml"),
    ]
    beside = Path(plan.points[4][1]).name
    assert f"../{beside}/posttrain/sf+mlp/joint/weights.h5" in several[1].results
    assert f"../{beside}/pretrain/momentum/sf.json" in several[1].results


def test_what_other_points_pre_train_too_is_trained_once(folder):
    plan = make(
        "tiny.yaml", ["tasks.momentum.weight=0.2,0.8", "seed=0:2", "sweep.replicas=2"], RUNS
    )
    found = [(unit.stage, unit.needs) for unit in plan.units]
    assert found == [
        ("replicas", ()),
        ("replicas", (0,)),
        ("run", (0,)),
        ("run", (0,)),
        ("run", (0, 1)),
        ("run", (0, 1)),
    ]


def test_only_seeds(folder):
    for overrides in (["tasks.momentum.weight=0.2,0.8"], ["seed=0:3", "sweep.replicas=1"]):
        plan = make("tiny.yaml", [*overrides], RUNS)
        assert "replicas" not in {unit.stage for unit in plan.units}


def test_stage(folder):
    plan = make("tiny.yaml", ["seed=0:2", "sweep.replicas=2", "sweep.stage=search"], RUNS)
    assert not any("posttrain" in name for name in plan.units[0].results)


def test_the_number_is_tried_once(folder, monkeypatch):
    tried = []

    def most(recipe, overrides, stage, count, threads):
        tried.append((recipe, stage, count, threads))
        return 2

    monkeypatch.setattr(at_once, "most_at_once", most)
    plan = make("tiny.yaml", ["seed=0:4", "sweep.replicas=auto"], RUNS)
    assert [unit.seeds for unit in plan.units[:2]] == [(0, 1), (2, 3)]
    write(plan)
    assert make("tiny.yaml", ["seed=0:4", "sweep.replicas=auto"], RUNS) == plan
    assert tried == [("tiny.yaml", "run", 4, 1)]
    assert make("tiny.yaml", ["seed=0", "sweep.replicas=auto"], RUNS).replicas == 1


def test_trying(folder, monkeypatch):
    assert _tried("tiny.yaml", [], "run", 4) in (1, 2, 4)
    seconds = {1: 1.0, 2: 0.6, 4: 0.6, 8: 0.7}
    monkeypatch.setattr(at_once, "_seconds", lambda session, stage, count: seconds[count])
    assert _tried("tiny.yaml", [], "run", 100) == 4
    assert _tried("tiny.yaml", [], "run", 3) == 2
    monkeypatch.setattr(at_once, "_seconds", lambda session, stage, count: 0.0)
    assert _tried("tiny.yaml", [], "run", 100) == 1  # no layers that can be one graph


def test_a_wrong_number(folder):
    with pytest.raises(RecipeError, match=r"sweep.replicas.*expected .*'?auto"):
        make("tiny.yaml", ["seed=0:4", "sweep.replicas=automatic"], RUNS)


@pytest.mark.slow
def test_from_a_shell(folder):
    options = ("seed=0:2", "sweep.replicas=2", "sweep.workers=1")
    _, errors = msml(folder, 0, "sweep", "tiny.yaml", *options)
    assert "1/3  0 replicas tiny/seed=0-" in errors
    found = run_folders(folder)
    assert len(found) == 2
    for run in found.values():
        assert load_arrays(run / "posttrain/sf+mlp/joint/weights.h5")[1]["replicas"] == 2
        assert {line["unit"] for line in log(run)} >= {"posttrain/sf+mlp/joint"}
        assert (run / "evaluate/metrics.json").exists()
    plan = make("tiny.yaml", [*options], RUNS)
    assert left(plan) == []
    (written,) = folder.glob("runs/tiny/sweep-*/plan.json")
    assert [tuple(unit["seeds"]) for unit in json.loads(written.read_text())["units"]] == [
        (0, 1),
        (),
        (),
    ]
    assert not plan.is_done(replace(plan.units[0], results=("../nowhere/metrics.json",)))
