"""What predictions cost, measured once in a run."""

import json
import shutil

import pytest
from process import msml
from tiny import RECIPE, only_run, results, write_recipe

from msml.digests import LIST
from msml.runs.cost import read

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cost_stage")]
OURS = RECIPE.replace(", cost: false", "")


def costs(run):
    return {path: path.stat().st_mtime_ns for path in run.glob("cost/*/*.json")}


def test_once_for_all_modes_and_commands_and_again_where_damaged(tmp_path, event_file):
    shutil.copy(event_file, tmp_path / "events.h5")
    write_recipe(tmp_path, OURS)
    msml(tmp_path, "run", "tiny.yaml")
    run = only_run(tmp_path)
    before, first = costs(run), results(run)
    (path,) = before
    assert path == run / "cost" / "sf+mlp" / "alone.json"
    found = read(run, "sf+mlp", "joint")
    assert found.parameters == 6 + 65  # of a scale factor, and of 6 inputs, 8 units and an output
    assert found.flops > 100
    assert min(found.latency) > 0
    assert found.by.startswith("Keras, compiled, ")
    assert "cost/sf+mlp/alone.json" in (run / LIST).read_text()

    shown = msml(tmp_path, "grid", "tiny.yaml", "--json")
    ranked = json.loads(shown.output)
    assert sorted(ranked["costs"]) == ["noise+mlp", "sf+mlp"]
    assert before.items() <= costs(run).items()

    path.write_text("{}")
    msml(tmp_path, "evaluate", "tiny.yaml")
    assert read(run, "sf+mlp").flops == found.flops
    assert results(run).items() >= first.items()  # nothing was trained or measured again


def test_an_ensemble_costs_as_much_as_its_members(tmp_path, event_file):
    shutil.copy(event_file, tmp_path / "events.h5")
    text = OURS.replace("posttrain:\n", "posttrain:\n  ensemble: {members: 2, folds: null}\n")
    write_recipe(tmp_path, text.replace("[connected, sequential, joint]", "[connected, joint]"))
    msml(tmp_path, "run", "tiny.yaml")
    run = only_run(tmp_path)
    alone, joint = (read(run, "sf+mlp", mode) for mode in ("connected", "joint"))
    assert joint.parameters == 2 * alone.parameters
    assert 2 * alone.flops <= joint.flops < 2.5 * alone.flops
