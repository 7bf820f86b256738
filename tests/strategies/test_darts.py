"""DARTS from the command line: what it keeps, goes on from, and does again after a kill."""

import json
import random
import shutil
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from process import Command, Limits, fails, msml, until
from searches import DARTS
from tiny import log, metrics, only_run, results, runs, spoil_test_split, weights, write_recipe

from msml.strategies.darts.choice import scores_of_alpha
from msml.strategies.darts.choice import selection as selection_of
from msml.training.checkpoint import load_arrays
from msml.training.fit import History

pytestmark = pytest.mark.xdist_group("darts")
UNIT = "search/darts"


def selection(folder: Path, run: Path | None = None) -> dict:
    return json.loads(((run or only_run(folder)) / "search" / "selection.json").read_text())


def epochs(run: Path) -> list[dict]:
    return [record for record in log(run) if record["unit"] == UNIT]


def newest(folder: Path) -> Path:
    return max(runs(folder), key=lambda run: (run / "manifest.json").stat().st_mtime_ns)


def test_a_search_keeps_what_led_to_the_choice(searched):
    run, found = only_run(searched), selection(searched)
    assert (found["strategy"], found["by"], found["trained"]) == ("darts", "alpha", False)
    assert {task: set(c) for task, c in found["alpha"].items()} == {
        "momentum": {"sf", "noise"},
        "higgs": {"mlp", "mass"},
    }
    assert len(found["epochs"]) == len(epochs(run)) == 4
    losses = ["momentum/noise", "momentum/sf", "higgs/mass", "higgs/mlp"]
    losses += ["momentum", "higgs", "total"]
    for kept, logged in zip(found["epochs"], epochs(run), strict=True):
        assert list(kept["train"]) == list(kept["valid"]) == losses
        assert kept == {key: logged[key] for key in ("train", "valid", "alpha", "entropy")}
        total = 0.5 * kept["valid"]["momentum"] + 0.5 * kept["valid"]["higgs"]
        assert kept["valid"]["total"] == pytest.approx(total, rel=1e-5)
    assert len({str(kept["alpha"]) for kept in found["epochs"]}) == 4  # α moves
    assert found["chosen"]["momentum"] == "sf"
    assert found["gradient_passes"] == pytest.approx((2 + 1 / 3) * 4 * 4)
    for task, candidates in found["alpha"].items():
        assert sum(c["share"] for c in candidates.values()) == pytest.approx(1)
        best = max(candidates, key=lambda name: candidates[name]["alpha"])
        assert found["chosen"][task] == best
    assert list(run.rglob("checkpoint.h5")) == []


def test_the_alpha_of_the_restored_epoch_chooses(searched):
    run, found = only_run(searched), selection(searched)
    totals = [kept["valid"]["total"] for kept in found["epochs"]]
    assert found["best_epoch"] == totals.index(min(totals)) + 1
    best = found["epochs"][found["best_epoch"] - 1]
    arrays, about = load_arrays(run / "search" / "supernet.h5")
    assert about["history"]["best_epoch"] + 1 == found["best_epoch"]
    for task, values in best["alpha"].items():
        assert arrays[f"alpha/{task}"].tolist() == list(values.values())
        for name, value in values.items():
            assert found["alpha"][task][name]["alpha"] == value
            assert found["alpha"][task][name]["valid_loss"] == best["valid"][f"{task}/{name}"]
    kept = weights(run / "search" / "weights.h5")
    for task, name in found["chosen"].items():
        for variable in (v for v in kept if v.startswith(f"{task}/")):
            number = variable.partition("/")[2]
            assert kept[variable] == arrays[f"{task}/{name}/{number}"].tobytes()


def choice(alphas, valid, best):
    """What is chosen after epochs with these α of two candidates, and their losses."""
    history = History(
        train=[{}] * len(alphas),
        valid=[{"task/a": first, "task/b": second} for first, second in valid],
        notes=[{"alpha": {"task": dict(zip("ab", alpha, strict=True))}} for alpha in alphas],
        best_epoch=best,
    )
    kept = SimpleNamespace(
        values=lambda: history.notes[best]["alpha"],  # of the epoch that was restored
        shares=lambda: {"task": {"a": 0.5, "b": 0.5}},
    )
    return selection_of("alpha", scores_of_alpha(kept, history), history, 1.0)


def test_ties_go_to_the_lower_loss():
    alphas, valid = [(0.0, 0.3), (0.2, 0.1)], [(1.0, 2.0), (1.0, 2.0)]
    found = choice(alphas, valid, 0)
    assert (found.chosen, found.undetermined, found.best_epoch) == ({"task": "b"}, [], 1)
    assert choice(alphas, valid, 1).chosen == {"task": "a"}
    tie = choice([(0.0, 0.0)], [(2.0, 1.0)], 0)
    assert (tie.chosen, tie.undetermined) == ({"task": "b"}, ["task"])
    tie = choice([(0.5, 0.5)], [(1.0, 1.0)], 0)
    assert (tie.chosen, tie.undetermined) == ({"task": "a"}, ["task"])


def test_training_and_measuring_go_on_from_the_choice(searched):
    run, found = only_run(searched), selection(searched)
    name = "+".join(found["chosen"].values())
    assert [p.name for p in (run / "posttrain").iterdir()] == [name]
    assert [(r["chain"], r["mode"]) for r in metrics(searched)] == [
        (found["chosen"], "connected"),
        (found["chosen"], "joint"),
    ]
    units = [line.split(":")[0] for line in (searched / "errors").read_text().splitlines()]
    assert units[:5] == [
        "pretrain momentum/sf",
        "pretrain momentum/noise",
        "pretrain higgs/mlp",
        "pretrain higgs/mass",
        "search darts",
    ]
    assert units[5:7] == [f"posttrain {name} connected", f"posttrain {name} joint"]


def test_a_second_search_does_nothing(searched, tmp_path):
    folder = shutil.copytree(searched, tmp_path / "copy")
    before = {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("*.h5")}
    again = msml(folder, "search", "tiny.yaml")
    assert again.errors == []
    assert {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("*.h5")} == before
    assert results(only_run(folder)) == results(only_run(searched))
    found = selection(searched)
    lines = again.output.splitlines()
    assert lines[0] == f"darts: α of epoch {found['best_epoch']} of 4"
    for task, candidates in found["alpha"].items():
        for name, values in candidates.items():
            (line,) = [x.split() for x in lines if x.split()[:2] == [task, name]]
            assert line[2] == f"{values['alpha']:+.4f}"
            assert (line[-1] == "chosen") == (found["chosen"][task] == name)
    assert f"momentum: {found['chosen']['momentum']}" in lines
    assert json.loads(msml(folder, "search", "tiny.yaml", "--json").output) == found


@pytest.mark.slow
def test_the_order_of_the_candidates_does_not_matter(searched, with_cache):
    """Seeds are keyed by name, and sums are in the order of names."""
    recipe = yaml.safe_load(DARTS)
    for task in recipe["tasks"].values():
        task["candidates"] = dict(reversed(task["candidates"].items()))
    write_recipe(with_cache, yaml.safe_dump(recipe, sort_keys=False))
    msml(with_cache, "search", "tiny.yaml")
    found, expected = selection(with_cache), selection(searched)
    assert found["epochs"] == expected["epochs"]
    assert found["alpha"] == expected["alpha"]
    assert found["chosen"] == expected["chosen"]


def test_warm_up(with_cache):
    """α stays, and no epoch of it can be the best."""
    msml(with_cache, "search", "tiny.yaml", "strategy.warmup=2")
    found, logged = selection(with_cache), epochs(only_run(with_cache))
    still = [not any(v for t in e["alpha"].values() for v in t.values()) for e in found["epochs"]]
    assert still == [True, True, False, False]
    assert found["best_epoch"] > 2
    assert [(r["best"], r["best_epoch"]) for r in logged[:2]] == [(None, None)] * 2
    assert logged[2]["best_epoch"] == 3
    assert found["gradient_passes"] == pytest.approx(4 * (4 + 2 * (1 + 1 / 3)))
    changed = [e["train"]["total"] for e in found["epochs"]]
    assert len(set(changed)) == 4  # while the weights do not


@pytest.mark.parametrize("origin", ["search", pytest.param("pretrain", marks=pytest.mark.slow)])
def test_where_posttraining_begins(with_cache, origin):
    still = ("posttrain.optimizer.learning_rate=1e-30", "posttrain.modes=[joint]")
    fast = ("strategy.epochs=2", "strategy.derivative=difference", "posttrain.epochs=1")
    msml(with_cache, "posttrain", "tiny.yaml", f"posttrain.from={origin}", *still, *fast)
    run = only_run(with_cache)
    chosen = selection(with_cache)["chosen"]
    (found,) = run.glob("posttrain/*/joint/weights.h5")
    pretrained = {}
    for task, name in chosen.items():
        pretrained |= weights(run / "pretrain" / task / f"{name}.h5")
    after = weights(run / "search" / "weights.h5")
    assert weights(found) == (after if origin == "search" else pretrained)
    assert after != pretrained


def test_one_candidate_a_task_is_chosen_and_trained_as_a_chain(with_cache):
    recipe = yaml.safe_load(DARTS)
    recipe["tasks"]["momentum"]["candidates"] = {"sf": {"model": "tau_scale_factor"}}
    recipe["tasks"]["higgs"]["candidates"].pop("mass")
    recipe["posttrain"] |= {"modes": ["joint"], "from": "pretrain"}
    write_recipe(with_cache, yaml.safe_dump(recipe, sort_keys=False))
    msml(with_cache, "posttrain", "tiny.yaml", "strategy.epochs=1")
    found = selection(with_cache)
    assert found["chosen"] == {"momentum": "sf", "higgs": "mlp"}
    assert found["undetermined"] == []
    del recipe["strategy"]
    recipe |= {"name": "chain", "chain": {"momentum": "sf", "higgs": "mlp"}}
    write_recipe(with_cache, yaml.safe_dump(recipe, sort_keys=False), "chain.yaml")
    msml(with_cache, "posttrain", "chain.yaml")
    one, other = (only_run(with_cache, name) for name in ("tiny", "chain"))
    joint = "posttrain/sf+mlp/joint"
    assert weights(one / joint / "weights.h5") == weights(other / joint / "weights.h5")
    assert results(one)[f"{joint}/metrics.json"] == results(other)[f"{joint}/metrics.json"]


def test_a_last_task_of_weight_zero_is_undetermined(with_cache):
    shown = msml(
        with_cache, "search", "tiny.yaml", "tasks.momentum.weight=1.0", "strategy.epochs=2"
    ).output
    found = selection(with_cache)
    assert found["undetermined"] == ["higgs"]
    assert all(c["alpha"] == 0 for c in found["alpha"]["higgs"].values())
    losses = {name: c["valid_loss"] for name, c in found["alpha"]["higgs"].items()}
    chosen = found["chosen"]["higgs"]
    assert chosen == min(losses, key=losses.__getitem__)
    assert f"higgs: {chosen} (undetermined: " in shown


def test_the_test_split_does_not_matter(searched, darts_work):
    spoil_test_split(darts_work / "events.h5")
    msml(darts_work, "search", "tiny.yaml")
    assert selection(darts_work) == selection(searched)


def test_fewer_valid_events_than_steps(with_cache):
    message = fails(3, with_cache, "search", "tiny.yaml", "strategy.batch_size=2")
    assert message == (
        "events.h5: 80 valid events are fewer than the train batches of 2; "
        "expected a larger strategy.batch_size"
    )


def test_a_search_that_diverges(with_cache):
    wild = "strategy.optimizer={name: sgd, learning_rate: 1e30}"
    message = fails(4, with_cache, "search", "tiny.yaml", wild)
    assert message.startswith(f"{UNIT}: the loss is not finite in epoch 1, batch 2; ")
    assert not list((with_cache / "runs").rglob("selection.json"))
    (checkpoint,) = (with_cache / "runs").rglob("search/checkpoint.h5")
    arrays = load_arrays(checkpoint)[0]
    assert all(np.isfinite(a).all() for a in arrays.values() if a.dtype.kind == "f")


def done_epochs(folder: Path) -> int:
    found = list((folder / "runs").glob("tiny/*/metrics.jsonl"))
    return sum(path.read_text().count(f'"{UNIT}"') for path in found)


def before_posttraining(run: Path) -> dict[str, object]:
    kept = results(run).items()
    return {name: found for name, found in kept if name.startswith(("pretrain/", "search/"))}


def check_same(folder: Path, searched: Path) -> None:
    assert selection(folder) == selection(searched)
    assert before_posttraining(only_run(folder)) == before_posttraining(only_run(searched))
    one, other = (
        [{k: v for k, v in r.items() if k != "time"} for r in epochs(only_run(f))]
        for f in (folder, searched)
    )
    assert one == other
    assert list((folder / "runs").rglob("checkpoint.h5")) == []
    assert list((folder / "runs").rglob("*.tmp")) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_killed_in_the_middle_of_a_search(searched, with_cache, seed):
    """Perhaps twice, at a random moment; then the same selection and metrics, bit for bit."""
    rng = random.Random(seed)
    for _ in range(1 + seed % 2):
        command = Command(with_cache, "search", "tiny.yaml", limits=Limits(epoch_seconds=0.1))
        wanted = max(rng.randint(1, 4), done_epochs(with_cache))
        until(lambda c=command, w=wanted: done_epochs(with_cache) >= w or not c.process.is_alive())
        time.sleep(rng.uniform(0, 0.3))
        command.kill()
    msml(with_cache, "search", "tiny.yaml")
    check_same(with_cache, searched)


@pytest.mark.slow
def test_a_signal_stops_a_search_and_it_goes_on(searched, with_cache):
    command = Command(with_cache, "search", "tiny.yaml", limits=Limits(epoch_seconds=0.3))
    until(lambda: done_epochs(with_cache) >= 1)
    command.signal(signal.SIGTERM)
    assert command.wait() == 85
    (message,) = [line for line in command.errors if line.startswith("msml: ")]
    assert message.startswith("msml: SIGTERM: saved in epoch ")
    assert message.endswith(f" of {UNIT}")
    msml(with_cache, "search", "tiny.yaml")
    check_same(with_cache, searched)


@pytest.mark.slow
@pytest.mark.parametrize("weight", [0.5, 0.9])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_dummies_are_never_chosen_on_the_shipped_sample(tmp_path, weight, seed):
    """Where candidates stop by themselves; with the paper's settings it depends on the seed."""
    command = Command(
        tmp_path,
        "search",
        "htautau_darts_robust.yaml",
        f"seed={seed}",
        f"tasks.tau_momentum.weight={weight}",
        "--json",
        limits=Limits(seconds_between_checkpoints=60),
    )
    command.process.join()
    assert command.process.exitcode == 0, command.errors
    found = json.loads(command.output)
    assert not {"zeros", "noise"} & set(found["chosen"].values()), found["ranking"]
