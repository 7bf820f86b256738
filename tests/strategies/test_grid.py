"""Grid search from the command line."""

import json
import shutil
import time

import numpy as np
import pytest
import yaml
from process import Command, Limits, fails, msml, until
from searches import GRID
from tiny import log, metrics, only_run, results, spoil_test_split, weights, write_recipe

pytestmark = pytest.mark.xdist_group("grid")
ALL = [f"{a}+mlp[units={n}]" for a in ("sf", "noise") for n in (8, 16)]


def selection(folder, kind="search"):
    return json.loads((only_run(folder) / kind / "selection.json").read_text())


def combination(folder, name):
    return json.loads((only_run(folder) / "grid" / name / "metrics.json").read_text())


def test_every_combination_has_its_own_folder(gridded):
    run = only_run(gridded)
    assert sorted(p.name for p in (run / "grid").iterdir() if p.is_dir()) == sorted(ALL)
    by_unit = {}
    for record in log(run):
        by_unit.setdefault(record["unit"], []).append(record["epoch"])
    for name in ALL:
        assert by_unit[f"grid/{name}"] == [1, 2]
        assert weights(run / "grid" / name / "weights.h5")
        assert combination(gridded, name)["epochs"] == 2
    kept = [str(weights(run / "grid" / name / "weights.h5")) for name in ALL]
    assert len(set(kept)) == 4


@pytest.mark.parametrize("command", ["gridded", "grid_work"])
def test_all_is_pretrained_first(command, request):
    """The report's wall time of a search begins where pre-training ends."""
    folder = request.getfixturevalue(command)
    if command == "grid_work":
        msml(folder, "grid", "tiny.yaml")
    stages = [record["unit"].split("/")[0] for record in log(only_run(folder))]
    assert stages == sorted(stages, key=["pretrain", "grid"].index)


def test_the_ranking_is_that_of_the_combinations(gridded):
    found = selection(gridded)
    assert (found["strategy"], found["by"], found["trained"]) == ("grid", "auc on valid", True)
    scores = {name: combination(gridded, name)["score"] for name in ALL}
    ranked = ["+".join(record["chain"].values()) for record in found["ranking"]]
    assert ranked == sorted(ALL, key=scores.__getitem__, reverse=True)
    assert found["chosen"] == found["ranking"][0]["chain"]
    assert found["gradient_passes"] == 4 * 2 * 2
    for record, name in zip(found["ranking"], ranked, strict=True):
        assert record["score"] == scores[name]
        assert record["behind"] == pytest.approx(scores[ranked[0]] - scores[name])
        losses = combination(gridded, name)["valid_losses"]
        assert record["losses"] == pytest.approx(
            {task: losses[task] for task in ("momentum", "higgs")}, rel=1e-5
        )


def test_points_of_a_candidate_are_built_anew(gridded):
    """Other layers, other numbers of weights, other first weights."""
    run = only_run(gridded)
    counts = {n: combination(gridded, f"sf+mlp[units={n}]")["parameters"] for n in (8, 16)}
    assert counts == {n: 6 + (6 * n + n) + (n + 1) for n in (8, 16)}
    small, large = (weights(run / "pretrain/higgs" / f"mlp[units={n}].h5") for n in (8, 16))
    assert small.keys() == large.keys()
    sizes = [[len(w) for w in kept.values()] for kept in (small, large)]
    assert sizes[0][:3] == [n // 2 for n in sizes[1][:3]]
    kernels = [np.frombuffer(kept["higgs/000"], np.float32) for kept in (small, large)]
    assert not set(kernels[0]) & set(kernels[1])


def test_a_combination_does_not_depend_on_those_before_it(gridded, grid_work):
    """The last of the grid, alone in a fresh folder, by post-training: the same bits."""
    recipe = yaml.safe_load(GRID)
    del recipe["strategy"]
    recipe["chain"] = {"momentum": "sf", "higgs": "mlp[units=16]"}
    write_recipe(grid_work, yaml.safe_dump(recipe, sort_keys=False))
    msml(grid_work, "posttrain", "tiny.yaml")
    name = "sf+mlp[units=16]"
    alone, found = only_run(grid_work) / "posttrain" / name / "joint", combination(gridded, name)
    joint = only_run(gridded) / "grid" / name
    assert weights(alone / "weights.h5") == weights(joint / "weights.h5")
    measured = json.loads((alone / "metrics.json").read_text())
    assert measured["valid_losses"] == found["valid_losses"]
    assert measured["epochs"] == found["epochs"]


def test_posttraining_takes_the_weights_of_the_winner(gridded):
    run, found = only_run(gridded), selection(gridded)
    name = "+".join(found["chosen"].values())
    winner = weights(run / "grid" / name / "weights.h5")
    assert weights(run / "search" / "weights.h5") == winner
    assert [p.name for p in (run / "posttrain").iterdir()] == [name]
    assert weights(run / "posttrain" / name / "joint" / "weights.h5") == winner
    assert not [r for r in log(run) if r["unit"].startswith("posttrain")]
    assert [r["chain"] for r in metrics(gridded)] == [found["chosen"]]


def test_what_is_done_is_not_repeated(gridded, tmp_path):
    folder = shutil.copytree(gridded, tmp_path / "copy")
    before = {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("*.h5")}
    shown = msml(folder, "grid", "tiny.yaml")
    assert shown.errors == []
    assert {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("*.h5")} == before
    assert selection(folder, "grid") == selection(gridded)
    lines = shown.output.splitlines()
    assert lines[0] == "grid: 4 combinations, ranked by auc on valid"
    rows = [line.split()[0] for line in lines if line.split() and line.split()[0] in ALL]
    assert rows == ["+".join(r["chain"].values()) for r in selection(gridded)["ranking"]]


def test_a_grid_beside_darts(searched, tmp_path):
    folder = shutil.copytree(searched, tmp_path / "copy")
    before = results(only_run(folder))
    found = json.loads(msml(folder, "grid", "tiny.yaml", "--json").output)
    assert found == {**selection(folder, "grid"), "costs": {}}
    assert found["by"] == "total on valid"
    names = ["+".join(record["chain"].values()) for record in found["ranking"]]
    assert sorted(names) == ["noise+mass", "noise+mlp", "sf+mass", "sf+mlp"]
    totals = [combination(folder, name)["valid_losses"]["total"] for name in names]
    assert totals == sorted(totals)
    assert selection(folder) == selection(searched)
    after = results(only_run(folder))
    assert {k: v for k, v in after.items() if not k.startswith("grid/")} == before


@pytest.mark.slow
def test_the_test_split_ranks_only_where_that_is_allowed(gridded, grid_work):
    """Garbage in it changes nothing; asked for, it is refused, and named where it is allowed."""
    spoil_test_split(grid_work / "events.h5")
    msml(grid_work, "search", "tiny.yaml")
    assert selection(grid_work) == selection(gridded)
    on_test = ("select.split=test", "posttrain.epochs=1")
    message = fails(2, grid_work, "search", "tiny.yaml", *on_test)
    assert "select.split: choosing on test makes its figures optimistic" in message
    shown = msml(grid_work, "grid", "tiny.yaml", *on_test, "select.allow_test=true").output
    assert "ranked by auc on TEST (allowed by the recipe)" in shown


def done(folder):
    return len(list((folder / "runs").glob("tiny/*/grid/*/metrics.json")))


def test_killed_in_the_middle(gridded, grid_work):
    shutil.copytree(gridded / "runs" / ".cache", grid_work / "runs" / ".cache")
    command = Command(grid_work, "run", "tiny.yaml", limits=Limits(epoch_seconds=0.2))
    until(lambda: done(grid_work) >= 1)
    time.sleep(0.5)
    command.kill()
    assert done(grid_work) < 4
    msml(grid_work, "run", "tiny.yaml")
    assert selection(grid_work) == selection(gridded)
    assert results(only_run(grid_work)) == results(only_run(gridded))
    units = [r["unit"] for r in log(only_run(grid_work)) if r["unit"].startswith("grid")]
    assert sorted(units) == sorted(f"grid/{name}" for name in ALL for _ in range(2))
