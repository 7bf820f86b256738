"""`msml search` with single paths, random combinations and a learned distribution."""

import json
import os
import random
import shutil
import time

import numpy as np
import pytest
from process import Command, Limits, fails, msml, until
from tiny import RECIPE, log, only_run, weights, write_recipe

from msml.chain import Chain
from msml.stages.opening import opened
from msml.stages.training import build_model, predict
from msml.strategies.grid import combinations
from msml.strategies.ranking import score
from msml.training.checkpoint import assign, load_arrays
from msml.training.variables import model_variables

pytestmark = pytest.mark.xdist_group("path searches")

SEARCH = "strategy: {name: spos, sampling: fair, batch_size: 50, epochs: 6}"
HIGGS = "{model: higgs_mlp, args: {layers: 1}, grid: {units: [3, 4]}}"
TINY = (
    RECIPE.replace("      noise: {model: noise}\n", "")
    .replace("sf: {model: tau_scale_factor}", "sf: {model: tau_scale_factor, copies: 2}")
    .replace("{model: higgs_mlp, args: {units: 8, layers: 1}}", HIGGS)
    .replace("chain: {momentum: sf, higgs: mlp}", SEARCH)
    .replace("[connected, sequential, joint]", "[connected, joint]")
)
assert TINY.count("copies: 2") == TINY.count("units: [3, 4]") == TINY.count(SEARCH) == 1
ONE_TASK = """\
name: one_task
xla: false
data: {file: events.h5, transform: {jets: log_pt}}
tasks:
  higgs:
    inputs: [jets]
    target: label
    loss: {name: bce_logits}
    weight: remainder
    metrics: [auc]
    candidates: {mlp: {model: higgs_mlp, args: {layers: 1}, grid: {units: [3, 4]}}}
strategy: {name: spos}
pretrain: {epochs: 1}
posttrain: {epochs: 1}
"""


def selection(folder, name="tiny"):
    return json.loads((only_run(folder, name) / "search" / "selection.json").read_text())


@pytest.fixture(scope="module")
def searched(tmp_path_factory, event_file):
    """A folder in which a search with SPOS and all up to its post-training was done."""
    folder = tmp_path_factory.mktemp("searched")
    shutil.copy(event_file, folder / "events.h5")
    write_recipe(folder, TINY)
    command = msml(folder, "posttrain", "tiny.yaml")
    (folder / "output").write_text(command.output)
    return folder


def test_spos_ranks_all_and_keeps_the_best(searched):
    found, run = selection(searched), only_run(searched)
    chains = [record["chain"] for record in found["ranking"]]
    assert len({tuple(chain.values()) for chain in chains}) == len(chains) == 4
    assert found["chosen"] == chains[0]
    assert found["by"] == "total on valid, shared weights"
    assert found["gradient_passes"] == 2 * len(found["epochs"])
    scores = [record["score"] for record in found["ranking"]]
    assert scores == sorted(scores)
    kept, supernet = weights(run / "search/weights.h5"), weights(run / "search/supernet.h5")
    for task, name in found["chosen"].items():
        for number in range(2):
            assert kept[f"{task}/{number:03d}"] == supernet[f"{task}/{name}/{number:03d}"]
    best = found["epochs"][found["best_epoch"] - 1]["valid"]["total"]
    assert best == min(epoch["valid"]["total"] for epoch in found["epochs"])
    units = [record["unit"] for record in log(run)]
    assert units.count("search/spos") == len(found["epochs"])


def test_posttrain_goes_on_from_the_shared_weights(searched):
    found, run = selection(searched), only_run(searched)
    name = "+".join(found["chosen"].values())
    joint = json.loads((run / "posttrain" / name / "joint/metrics.json").read_text())
    assert joint["chain"] == found["chosen"]
    assert joint["valid_losses"]["total"] < found["ranking"][0]["score"] + 0.01
    assert name in (searched / "output").read_text()


def test_the_shared_ranking_is_that_of_each_chain_by_itself(searched, monkeypatch):
    monkeypatch.chdir(searched)
    ranking = {tuple(r["chain"].values()): r for r in selection(searched)["ranking"]}
    with opened("tiny.yaml", (), searched / "runs", False) as session:
        arrays, _ = load_arrays(only_run(searched) / "search/supernet.h5")
        for chosen in combinations(session.tasks):
            models = {task: build_model(session, task, name) for task, name in chosen.items()}
            chain = Chain(session.tasks, models)
            own = {
                f"{task}/{number}": arrays[f"{task}/{chosen[task]}/{number}"]
                for task, _, number in (key.partition("/") for key in model_variables(chain))
            }
            assign(model_variables(chain), own, "supernet")
            alone = score(session, predict(session, chain, "valid"))
            shared = ranking[tuple(chosen.values())]
            assert alone.value == pytest.approx(shared["score"], rel=1e-6)
            assert dict(alone.losses) == pytest.approx(shared["losses"], rel=1e-6)
            assert np.std(alone.replicas) == pytest.approx(shared["error"], rel=1e-3)


def beside(searched, folder):
    """A folder with the same candidates pre-trained."""
    os.symlink(searched / "events.h5", folder / "events.h5")
    shutil.copytree(searched / "runs/.cache", folder / "runs/.cache")
    return folder


@pytest.mark.slow
def test_killed_in_the_middle_of_spos_with_candidates_in_another_order(searched, tmp_path):
    work = beside(searched, tmp_path)
    turned = TINY.replace("units: [3, 4]", "units: [4, 3]").replace("name: tiny", "name: turned")
    write_recipe(work, turned)

    def epochs():
        found = list((work / "runs").glob("turned/*/metrics.jsonl"))
        return found[0].read_bytes().count(b"search/spos") if found else 0

    command = Command(work, "search", "tiny.yaml", limits=Limits(epoch_seconds=0.1))
    until(lambda: epochs() >= 3)
    time.sleep(random.Random(3).uniform(0, 0.1))
    command.kill()
    run = only_run(work, "turned")
    assert not (run / "search/selection.json").exists()
    msml(work, "search", "tiny.yaml")
    assert selection(work, "turned") == selection(searched)
    for name in ("search/supernet.h5", "search/weights.h5"):
        assert weights(run / name) == weights(only_run(searched) / name)


def test_killed_while_ranking_the_training_is_not_repeated(searched, tmp_path):
    work = beside(searched, tmp_path)
    shutil.copytree(searched / "runs/tiny", work / "runs/tiny")
    write_recipe(work, TINY)
    before = selection(work)
    (only_run(work) / "search/selection.json").unlink()
    (only_run(work) / "search/weights.h5").unlink()
    logged = log(only_run(work))
    msml(work, "search", "tiny.yaml")
    assert selection(work) == before
    assert log(only_run(work)) == logged


def test_asng(searched, tmp_path):
    work = beside(searched, tmp_path)
    write_recipe(work, TINY.replace("name: spos, sampling: fair", "name: asng, step: 0.3"))
    command = msml(work, "search", "tiny.yaml")
    found = selection(work)
    assert [list(e["distribution"]) for e in found["epochs"]] == [["momentum", "higgs"]] * 6
    final = found["epochs"][found["best_epoch"] - 1]["distribution"]
    assert found["distribution"] == final
    for task, shares in final.items():
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert found["chosen"][task] == max(shares, key=shares.get)
    assert any(epoch["distribution"] != final for epoch in found["epochs"])
    assert "probability" in command.output
    assert (only_run(work) / "search/weights.h5").exists()
    assert found["trained"] is False


@pytest.mark.slow
@pytest.mark.parametrize("name", ["spos", "asng"])
def test_with_xla(searched, tmp_path, name):
    work = beside(searched, tmp_path)
    write_recipe(work, TINY.replace("name: spos, sampling: fair", f"name: {name}"))
    msml(work, "search", "tiny.yaml", "xla=true")
    assert selection(work)["chosen"]["momentum"] in ("sf", "sf_2")


def test_random(searched, tmp_path):
    work = beside(searched, tmp_path)
    write_recipe(work, TINY.replace(SEARCH, "strategy: {name: random, n: 2}"))
    command = msml(work, "search", "tiny.yaml")
    found = selection(work)
    name = "+".join(found["chosen"].values())
    assert "[units=" in name
    assert f"search random: chose {name}" in command.errors
    assert f"higgs: {found['chosen']['higgs']}" in command.output
    assert len(found["ranking"]) == 2
    assert found["trained"] is True
    run = only_run(work)
    assert weights(run / "search/weights.h5") == weights(run / "grid" / name / "weights.h5")


@pytest.mark.parametrize(
    "overrides",
    [
        ("strategy={name: spos, epochs: 1, exhaustive_up_to: 1}",),
        pytest.param(("strategy={name: asng, epochs: 1}",), marks=pytest.mark.slow),
        pytest.param(("strategy={name: random, n: 1}",), marks=pytest.mark.slow),
        pytest.param(("strategy={name: darts, epochs: 1}",), marks=pytest.mark.slow),
        pytest.param(("strategy={name: grid}",), marks=pytest.mark.slow),
    ],
)
def test_one_task(work, overrides):
    write_recipe(work, ONE_TASK, "one.yaml")
    msml(work, "search", "one.yaml", *overrides)
    found = selection(work, "one_task")
    assert list(found["chosen"]) == ["higgs"]
    if "spos" in overrides[0]:
        assert found["by"] == "total on valid, evolution, shared weights"
        assert len(found["ranking"]) == 2


@pytest.mark.parametrize("name", ["spos", pytest.param("asng", marks=pytest.mark.slow)])
def test_one_candidate_a_task_is_selected(searched, tmp_path, name):
    work = beside(searched, tmp_path)
    alone = TINY.replace(", copies: 2", "").replace("[3, 4]", "[3]")
    write_recipe(work, alone.replace("name: spos, sampling: fair", f"name: {name}"))
    chosen = {"momentum": "sf", "higgs": "mlp[units=3]"}
    msml(work, "posttrain", "tiny.yaml", "posttrain.from=pretrain")
    assert selection(work)["chosen"] == chosen
    assert selection(work)["undetermined"] == []
    fixed = alone.replace(SEARCH, f"chain: {json.dumps(chosen)}").replace("name: tiny", "name: fix")
    write_recipe(work, fixed, "fixed.yaml")
    msml(work, "posttrain", "fixed.yaml")
    place = "posttrain/sf+mlp[units=3]/joint/weights.h5"
    assert weights(only_run(work) / place) == weights(only_run(work, "fix") / place)


@pytest.mark.parametrize("name", ["spos", "asng"])
@pytest.mark.parametrize("dummy", ["zeros", "noise"])
def test_dummies_are_refused(work, name, dummy):
    text = TINY.replace("name: spos, sampling: fair", f"name: {name}")
    text = text.replace(
        "candidates:\n      sf", f"candidates:\n      empty: {{model: {dummy}}}\n      sf"
    )
    write_recipe(work, text)
    message = fails(2, work, "search", "tiny.yaml")
    assert f"candidates.empty: strategy '{name}' takes no dummy such as '{dummy}': " in message
    assert "spoils their weights" in message
    assert not (work / "runs").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("sampling: fair", "sampling: odd"),
        ("epochs: 6", "epochs: 0"),
        ("epochs: 6", "exhaustive_up_to: 0"),
        ("name: spos, sampling: fair", "name: asng, samples: 1"),
        ("name: spos, sampling: fair", "name: asng, margin: 1.0"),
        ("name: spos, sampling: fair", "name: asng, step: 0.0"),
        (SEARCH, "strategy: {name: random, n: 0}"),
    ],
)
def test_bad_arguments(work, change, message):
    write_recipe(work, TINY.replace(change, message))
    key = message.rpartition(":")[0].split()[-1].lstrip("{")
    assert f"strategy.{key}: expected" in fails(2, work, "search", "tiny.yaml")


@pytest.mark.parametrize(
    ("strategy", "weighting"),
    [
        ("{name: spos, batch_size: 50, epochs: 2}", "{name: pcgrad}"),
        pytest.param(
            "{name: asng, batch_size: 50, epochs: 2}",
            "{name: uncertainty}",
            marks=pytest.mark.slow,
        ),
        ("{name: darts, batch_size: 120, epochs: 2}", "{name: cagrad}"),
    ],
)
def test_weightings_of_searches_are_logged(searched, tmp_path, strategy, weighting):
    """What they weigh, and how the tasks' gradients by the shared weights lie to each other."""
    shutil.copytree(searched / "runs" / ".cache", tmp_path / "runs" / ".cache")
    shutil.copy(searched / "events.h5", tmp_path)
    write_recipe(tmp_path, TINY.replace(SEARCH, f"strategy: {strategy}\nweighting: {weighting}"))
    msml(tmp_path, "search", "tiny.yaml")
    epochs = selection(tmp_path)["epochs"]
    assert len(epochs) == 2
    for epoch in epochs:
        found = epoch["weighting"]
        assert set(found["losses"]) == set(found["coefficients"]) == {"momentum", "higgs"}
        assert -1 <= found["cosine"]["momentum,higgs"] <= 1
        assert found["norm_ratio"]["momentum,higgs"] > 0
