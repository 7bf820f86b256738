"""The stages on a tiny event file: what they do, keep and share."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from process import Limits, fails, msml
from synthetic import synthetic_events, write_events
from tiny import (
    PAPER,
    RECIPE,
    copy_of,
    log,
    metrics,
    only_run,
    results,
    runs,
    spoil_test_split,
    weights,
    write_recipe,
)

from msml.data.dataset import load_split
from msml.data.splits import split_rows
from msml.metrics import bootstrap
from msml.recipe import load
from msml.recipe.files import shipped
from msml.recipe.schema import Data, TrainRecipe
from msml.registry import metrics as registered
from msml.runs.directory import write_json

pytestmark = pytest.mark.xdist_group("stages")


def cached(folder: Path) -> dict[str, int]:
    """When each entry of the cache was made."""
    cache = folder / "runs" / ".cache" / "pretrain"
    return {path.parent.name: path.stat().st_mtime_ns for path in cache.glob("*/metrics.json")}


def test_what_a_run_keeps(finished):
    run = only_run(finished)
    assert run.name.startswith("seed=0-")
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    assert recipe["pretrain"]["epochs"] == 4
    assert recipe["evaluate"] == {"bootstrap": 10, "validity": None, "subsets": {}}
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["seed"] == 0
    assert manifest["precision"] == "float32"
    assert manifest["xla"] is False
    (session,) = manifest["sessions"]
    assert session["command"][1:] == ["run", "tiny.yaml"]
    assert session["versions"]["numpy"] == np.__version__
    assert session["seconds"] > 1
    assert session["peak_memory_mb"] > 100
    assert len(manifest["data"]["sha256"]) == 64
    assert manifest["environment"]["tensorflow"]
    for name in ("momentum/sf.h5", "momentum/noise.h5", "higgs/mlp.h5"):
        assert weights(run / "pretrain" / name)
    for mode in ("connected", "sequential", "joint"):
        assert weights(run / "posttrain" / "sf+mlp" / mode / "weights.h5")
        assert (run / "evaluate" / "sf+mlp" / mode / "predictions.h5").exists()
    assert list((finished / "runs").rglob("checkpoint.h5")) == []
    assert list((finished / "runs").rglob("*.tmp")) == []


def test_every_epoch_is_in_the_log(finished):
    by_unit: dict[str, list[dict]] = {}
    for record in log(only_run(finished)):
        by_unit.setdefault(record["unit"], []).append(record)
    assert list(by_unit) == [
        "pretrain/momentum/sf",
        "pretrain/momentum/noise",
        "pretrain/higgs/mlp",
        "posttrain/sf+mlp/sequential/higgs",
        "posttrain/sf+mlp/joint",
    ]
    assert len(by_unit["pretrain/momentum/noise"]) == 1  # nothing to train
    for records in by_unit.values():
        assert [record["epoch"] for record in records] == list(range(1, len(records) + 1))
        valid = [record["valid"]["total"] for record in records]
        assert records[-1]["best"] == min(valid)
        assert records[-1]["best_epoch"] == valid.index(min(valid)) + 1
    joint = by_unit["posttrain/sf+mlp/joint"][-1]["valid"]
    assert joint["total"] == pytest.approx(0.5 * joint["momentum"] + 0.5 * joint["higgs"], rel=1e-5)


def test_progress_is_plain_and_short(finished):
    errors = (finished / "errors").read_text().splitlines()
    units = [line.split(":")[0] for line in errors]
    assert units[:6] == [
        "pretrain momentum/sf",
        "pretrain momentum/noise",
        "pretrain higgs/mlp",
        "posttrain sf+mlp connected",
        "posttrain sf+mlp sequential",
        "posttrain sf+mlp joint",
    ]
    assert all(unit.startswith("evaluate") for unit in units[6:])
    assert "run: runs/tiny/seed=0-" in (finished / "output").read_text()


def test_connected_is_the_pretrained_weights(finished):
    run = only_run(finished)
    connected = weights(run / "posttrain/sf+mlp/connected/weights.h5")
    alone = weights(run / "pretrain/momentum/sf.h5") | weights(run / "pretrain/higgs/mlp.h5")
    assert connected == alone


def test_sequential_freezes_upstream_and_starts_downstream_afresh(finished):
    run = only_run(finished)
    found = weights(run / "posttrain/sf+mlp/sequential/weights.h5")
    upstream = weights(run / "pretrain/momentum/sf.h5")
    downstream = weights(run / "pretrain/higgs/mlp.h5")
    assert found.items() > upstream.items()
    assert all(found[name] != downstream[name] for name in downstream)
    first = [r for r in log(run) if "sequential" in r["unit"] or r["unit"] == "pretrain/higgs/mlp"]
    assert first[0]["train"]["higgs"] != first[4]["train"]["higgs"]


def test_joint_moves_all_weights_from_the_pretrained_ones(finished, work):
    run = only_run(finished)
    joint = weights(run / "posttrain/sf+mlp/joint/weights.h5")
    connected = weights(run / "posttrain/sf+mlp/connected/weights.h5")
    assert joint.keys() == connected.keys()
    assert all(joint[name] != connected[name] for name in joint)
    # At a vanishing learning rate joint training is where pre-training ended.
    shutil.copytree(finished / "runs" / ".cache", work / "runs" / ".cache")
    still = ("posttrain.optimizer.learning_rate=1e-30", "posttrain.modes=[joint]")
    msml(work, "posttrain", "tiny.yaml", *still)
    assert weights(only_run(work) / "posttrain/sf+mlp/joint/weights.h5") == connected


def test_what_is_done_is_not_repeated(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    before = {p: p.stat().st_mtime_ns for p in (folder / "runs").rglob("*") if p.is_file()}
    again = msml(folder, "run", "tiny.yaml")
    assert again.errors == []
    assert again.output == (finished / "output").read_text()
    changed = {path for path, time in before.items() if path.stat().st_mtime_ns != time}
    run, locks = only_run(folder), {path for path in before if path.name == "lock"}
    own = (run / "manifest.json", run / "evaluate" / "metrics.json", run / "msml.sha256")
    assert changed - locks <= set(own)
    assert results(only_run(folder)) == results(only_run(finished))


def test_pretraining_is_shared_between_recipes(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    before = cached(folder)
    assert len(before) == 3
    other = RECIPE.replace("name: tiny", "name: other").replace("weight: 0.5", "weight: 0.1")
    write_recipe(folder, other.replace("modes: [connected, sequential, joint]", "modes: [joint]"))
    command = msml(folder, "posttrain", "tiny.yaml")
    assert cached(folder) == before
    assert [line.split(":")[0] for line in command.errors] == ["posttrain sf+mlp joint"]
    one = weights(only_run(folder, "other") / "posttrain/sf+mlp/joint/weights.h5")
    assert one != weights(only_run(folder) / "posttrain/sf+mlp/joint/weights.h5")


@pytest.mark.parametrize(
    ("override", "new"),
    [
        ("seed=1", 3),
        ("pretrain.batch_size=60", 3),
        ("data.split.seed=2", 3),
        ("tasks.higgs.candidates.mlp.args.units=9", 1),
        ("tasks.momentum.loss.scale=50", 2),
        ("posttrain.epochs=3", 0),
        ("evaluate.bootstrap=5", 0),
    ],
)
def test_what_a_pretraining_depends_on(finished, tmp_path, override, new):
    folder = copy_of(finished, tmp_path)
    before = cached(folder)
    overrides = [override] if override.startswith("pretrain") else [override, "pretrain.epochs=4"]
    msml(folder, "pretrain", "tiny.yaml", *overrides)
    after = cached(folder)
    assert before.items() <= after.items()
    assert len(after) - len(before) == new
    assert len(runs(folder)) == 2  # and nothing of the first run is overwritten


def test_changed_events_are_noticed(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    write_events(folder / "events.h5", synthetic_events(seed=2))
    message = fails(3, folder, "run", "tiny.yaml")
    assert "events.h5" in message
    assert "other events" in message
    assert results(only_run(folder)) == results(only_run(finished))


def test_a_new_tensorflow_is_mentioned(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    path = only_run(folder) / "manifest.json"
    manifest = json.loads(path.read_text())
    versions = manifest["sessions"][0]["versions"]
    now, versions["tensorflow"] = versions["tensorflow"], "1.0"
    write_json(path, manifest)
    run = only_run(folder).relative_to(folder)
    for count in (2, 3):  # for as long as the run may hold results of both
        errors = msml(folder, "run", "tiny.yaml").errors
        assert errors == [f"warning: {run} began with tensorflow 1.0; this is tensorflow {now}"]
        assert len(json.loads(path.read_text())["sessions"]) == count
    assert results(only_run(folder)) == results(only_run(finished))


PAIRS = RECIPE.replace("chain: {momentum: sf, higgs: mlp}", "chain: {momentum: CHOICE, higgs: mlp}")


def test_chains_do_not_depend_on_those_trained_before(work, finished):
    """Never warm-started: a pair alone, or after another, gives the same."""
    shutil.copytree(finished / "runs" / ".cache", work / "runs" / ".cache")
    short = PAIRS.replace("[connected, sequential, joint]", "[sequential, joint]")
    write_recipe(work, short.replace("CHOICE", "[noise, sf]"))
    msml(work, "posttrain", "tiny.yaml")
    both = results(only_run(work))
    alone = results(only_run(finished))
    for mode in ("sequential", "joint"):
        for file in ("weights.h5", "metrics.json"):
            name = f"posttrain/sf+mlp/{mode}/{file}"
            assert both[name] == alone[name]
        assert (
            both[f"posttrain/noise+mlp/{mode}/weights.h5"]
            != both[f"posttrain/sf+mlp/{mode}/weights.h5"]
        )


def test_the_test_split_is_opened_by_evaluate_alone(finished, work):
    """Garbage in it, of finite numbers, changes nothing before."""
    spoil_test_split(work / "events.h5")
    msml(work, "pretrain", "tiny.yaml")
    msml(work, "posttrain", "tiny.yaml")
    poisoned, clean = only_run(work), only_run(finished)
    before = {k: v for k, v in results(clean).items() if not k.startswith("evaluate")}
    assert results(poisoned) == before
    assert not (poisoned / "evaluate").exists()
    msml(work, "evaluate", "tiny.yaml")
    assert metrics(work) != metrics(finished)


def test_metrics_are_those_of_the_predictions(finished):
    data = Data(file="events.h5", transform={"jets": "log_pt", "taus": "log_pt"}, weight="weight")
    test = load_split(data, "test", ["taus", "label"], finished / "events.h5")
    records = metrics(finished)
    assert [record["mode"] for record in records] == ["connected", "sequential", "joint"]
    for record in records:
        assert record["chain"] == {"momentum": "sf", "higgs": "mlp"}
        path = only_run(finished) / "evaluate" / "sf+mlp" / record["mode"] / "predictions.h5"
        with h5py.File(path) as file:
            assert file["event"][:].tolist() == test.event.tolist()
            assert np.array_equal(file["weight"][:], test.weight)
            for task, target, names in (
                ("momentum", "taus", ["momentum_mse", "momentum_mse_gev2"]),
                ("higgs", "label", ["auc", "bce"]),
            ):
                assert np.array_equal(file[task]["target"][:], test.columns[target])
                assert list(record["metrics"][task]) == names
                for name in names:
                    prediction = file[task]["prediction"][:]
                    function = registered.get(name).function
                    value = function(test.columns[target], prediction, test.weight)
                    found = record["metrics"][task][name]
                    assert found["value"] == pytest.approx(value, rel=1e-9)
                    again = bootstrap(
                        function, (test.columns[target], prediction), test.weight, 10, 20210518
                    )
                    assert found["error"] == pytest.approx(again.error, rel=1e-9)
                    assert found["low"] <= found["high"]


def test_the_losses_on_valid_are_those_of_the_weights(finished):
    """What posttrain reports is what the kept weights give, not the last epoch's."""
    run = only_run(finished)
    best = [r for r in log(run) if r["unit"] == "posttrain/sf+mlp/joint"][-1]["best"]
    found = json.loads((run / "posttrain/sf+mlp/joint/metrics.json").read_text())
    assert found["valid_losses"]["total"] == pytest.approx(best, rel=1e-6)


def test_results_as_json(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    assert json.loads(msml(folder, "evaluate", "tiny.yaml", "--json").output) == metrics(finished)
    pretrained = json.loads(msml(folder, "pretrain", "tiny.yaml", "--json").output)
    assert pretrained["higgs"]["mlp"]["parameters"] == 6 * 8 + 8 + 8 + 1
    assert pretrained["momentum"]["noise"]["parameters"] == 0
    posttrained = json.loads(msml(folder, "posttrain", "tiny.yaml", "--json").output)
    assert list(posttrained["sf+mlp"]) == ["connected", "sequential", "joint"]


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_label_of_one_class_is_refused(work, split):
    """That of test before anything is trained, too."""
    columns = synthetic_events()
    columns["label"][split_rows(400, PAPER, 1)[split]] = 0
    write_events(work / "events.h5", columns)
    message = fails(3, work, "pretrain", "tiny.yaml")
    assert (
        f"events.h5: column 'label': all 80 events of the {split} split are of class 0" in message
    )
    assert not list((work / "runs").rglob("metrics.jsonl"))


def test_weights_of_test_are_looked_at_first(work):
    columns = synthetic_events()
    columns["weight"][split_rows(400, PAPER, 1)["test"]] *= -1
    write_events(work / "events.h5", columns)
    message = fails(3, work, "pretrain", "tiny.yaml")
    assert "the weights of the test split sum to -" in message
    assert not list((work / "runs").rglob("metrics.jsonl"))


@pytest.mark.slow
def test_mixed_precision_from_the_recipe(finished, work):
    half = "precision=mixed_float16"
    msml(work, "run", "tiny.yaml", half, "posttrain.modes=[joint]", "pretrain.epochs=2")
    run = only_run(work)
    assert json.loads((run / "manifest.json").read_text())["precision"] == "mixed_float16"
    (record,) = metrics(work)
    exact = metrics(finished)[-1]["metrics"]["momentum"]["momentum_mse"]
    found = record["metrics"]["momentum"]["momentum_mse"]["value"]
    assert found == pytest.approx(exact["value"], abs=3 * exact["error"])
    with h5py.File(run / "evaluate/sf+mlp/joint/predictions.h5") as file:
        assert file["higgs"]["prediction"].dtype == np.float32


def test_what_xla_cannot_compile_is_said_so(work):
    cnn = RECIPE.replace("sf: {model: tau_scale_factor}", "sf: {model: tau_cnn}")
    write_recipe(work, cnn)
    message = fails(2, work, "pretrain", "tiny.yaml", "xla=true")
    assert "xla: XLA cannot compile this model (" in message
    assert "MaxPool" in message
    assert "; expected false" in message
    assert len(message.splitlines()) == 1


def test_a_changed_plugin_is_trained_again(work):
    plugin = """
from msml.registry import models

@models.register("own", parameters=0)
def own(first, *, output):
    \"\"\"Dense.\"\"\"
    import keras
    inputs = keras.Input(first)
    return keras.Model(inputs, keras.layers.Dense(1, dtype="float32")(
        keras.layers.Flatten()(inputs)) * FACTOR)
"""
    (work / "own.py").write_text(plugin.replace("FACTOR", "1.0"))
    text = RECIPE.replace("{model: higgs_mlp, args: {units: 8, layers: 1}}", "{model: own}")
    write_recipe(work, text + "plugins: [own.py]\n")
    fast = ("pretrain.epochs=1", "posttrain.epochs=1")
    msml(work, "pretrain", "tiny.yaml", *fast)
    before = cached(work)
    (work / "own.py").write_text(plugin.replace("FACTOR", "2.0"))
    msml(work, "pretrain", "tiny.yaml", *fast, "evaluate.bootstrap=3")
    assert len(cached(work)) == len(before) + 1
    manifest = (runs(work)[-1] / "manifest.json").read_text()
    message = fails(3, work, "pretrain", "tiny.yaml", *fast)  # the first run is of the old plugin
    assert message.startswith("own.py: changed since runs/tiny/")
    assert message.endswith("; remove that folder, or give the recipe another name")
    assert (runs(work)[-1] / "manifest.json").read_text() == manifest
    shutil.rmtree(runs(work)[-1] / "pretrain")
    msml(work, "pretrain", "tiny.yaml", *fast)  # nothing that could be mixed


SHIPPED = {
    "quick.yaml": ("quick", 1),
    "sweep.yaml": ("sweep", 1),
    "htautau_darts.yaml": ("htautau_darts", 1),
    "htautau_darts_published.yaml": ("htautau_darts_published", 1),
    "htautau_darts_robust.yaml": ("htautau_darts_robust", 1),
    "htautau_grid.yaml": ("htautau_grid", 1),
    "htautau_spos.yaml": ("htautau_spos", 1),
    "htautau_asng.yaml": ("htautau_asng", 1),
    "htautau_random.yaml": ("htautau_random", 1),
    "model_size.yaml": ("model_size", 1),
    "end_to_end.yaml": ("end_to_end", 1),
    "htautau_cnn_lstm.yaml": ("htautau_cnn_lstm", 1),
    "htautau_reoptimise.yaml": ("htautau_reoptimise", 9),
}
GENERAL = ("decay_modes.yaml", "regression.yaml", "three_steps.yaml")


TRANSFER = ("transfer/", "base/transfer")


def test_every_shipped_training_recipe_is_tested():
    bases = {"base/htautau.yaml", "base/htautau_dummies.yaml", "base/hierarchy.yaml"}
    sweeps = {"compare_strategies.yaml", "darts_validity.yaml", "compare_three_steps.yaml"}
    found = {str(path.relative_to(shipped())) for path in shipped().rglob("*.yaml")}
    # Those of the studies have their own tests.
    others = ("events/", "paper/", "hierarchy/", "higgsml/", "base/higgsml", *TRANSFER)
    trained = {name for name in found if not name.startswith(others)}
    assert trained == bases | sweeps | set(SHIPPED) | set(GENERAL)


FAST = {"quick.yaml"}


@pytest.mark.parametrize(
    "recipe", [r if r in FAST else pytest.param(r, marks=pytest.mark.slow) for r in SHIPPED]
)
def test_shipped_recipes(work, recipe):
    short = ["data.file=events.h5", "pretrain.epochs=1", "posttrain.epochs=1", "xla=false"]
    if load(recipe, TrainRecipe).values.strategy.get("name") in ("darts", "spos", "asng"):
        short.append("strategy.epochs=1")
    limits = Limits(seconds_between_checkpoints=10)
    msml(work, "run", recipe, *short, "evaluate.bootstrap=5", limits=limits)
    name, chains = SHIPPED[recipe]
    records = metrics(work, name)
    assert len({tuple(record["chain"].values()) for record in records}) == chains
    assert all(np.isfinite(r["metrics"]["higgs_id"]["auc"]["value"]) for r in records)


@pytest.mark.parametrize(
    ("recipe", "strategy"),
    [
        ("regression.yaml", "grid"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("decay_modes.yaml", "grid"),
                *(("three_steps.yaml", name) for name in ("darts", "spos", "grid")),
            )
        ),
    ],
)
def test_shipped_recipes_of_other_problems(tmp_path, recipe, strategy):
    """On the shipped events, which have columns that the synthetic ones have not."""
    short = ["data.events=1000", "pretrain.epochs=2", "posttrain.epochs=1", "xla=false"]
    if strategy != "grid":
        short += ["strategy=null", f"strategy.name={strategy}", "strategy.epochs=1"]
    elif recipe == "three_steps.yaml":
        short += ["strategy=null", "strategy.name=grid"]
    msml(tmp_path, "run", recipe, *short, "evaluate.bootstrap=5")
    records = metrics(tmp_path, recipe.removesuffix(".yaml"))
    assert len({tuple(record["chain"].values()) for record in records}) == 1
    found = records[-1]["metrics"]
    assert all(np.isfinite(m["value"]) for task in found.values() for m in task.values())
    if recipe == "regression.yaml":
        assert 0.5 < found["density"]["mae"]["value"] < 6  # GeV


@pytest.mark.slow
def test_three_steps_beside_two(tmp_path):
    short = ["data.events=1000", "seed=0", "evaluate.bootstrap=5"]
    short += ["pretrain.epochs=1", "posttrain.epochs=1", "xla=false", "steps=two_grid,three_darts"]
    command = msml(tmp_path, "compare", "compare_three_steps.yaml", *short)
    assert "two_grid" in command.output
    three = [line for line in command.output.splitlines() if "three_darts" in line]
    assert any(word.count("+") == 2 for line in three for word in line.split())


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["base/htautau.yaml", "base/htautau_dummies.yaml"])
def test_shipped_bases_pretrain(work, recipe):
    short = ("data.file=events.h5", "pretrain.epochs=1", "xla=false", "data.events=100")
    command = msml(work, "pretrain", recipe, *short, "pretrain.batch_size=60", "--json")
    found = json.loads(command.output)
    expected = 10 if "dummies" in recipe else 6
    assert sum(len(candidates) for candidates in found.values()) == expected


OWN = """
import keras
from msml.registry import models
from numbers_of_mine import FACTOR

@models.register("own", parameters=0)
def own(first, *, output, numbers: str = ""):
    \"\"\"Dense.\"\"\"
    inputs = keras.Input(first)
    factor = float(open(numbers).read()) if numbers else FACTOR
    dense = keras.layers.Dense(1, dtype="float32")
    return keras.Model(inputs, dense(keras.layers.Flatten()(inputs)) * factor)
"""


def own_plugin(work: Path, model: str) -> tuple[str, ...]:
    """Write the tiny recipe with a model and a module of the user; make it fast."""
    (work / "own.py").write_text(OWN)
    (work / "numbers_of_mine.py").write_text("FACTOR = 1.0")
    text = RECIPE.replace("{model: higgs_mlp, args: {units: 8, layers: 1}}", model)
    write_recipe(work, text + "plugins: [own.py]\n")
    return ("pretrain.epochs=1", "posttrain.epochs=1", "evaluate.bootstrap=3")


@pytest.mark.parametrize(
    ("model", "file", "text", "named"),
    [
        ("{model: own}", "numbers_of_mine.py", "FACTOR = 2.0", "own.py"),
        pytest.param(
            "{model: own, args: {numbers: mine.txt}}",
            "mine.txt",
            "2.0",
            "mine.txt",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_a_model_of_a_plugin_depends_on_is_trained_again(work, model, file, text, named):
    """A module that it imports from its folder, a file that an argument names."""
    fast = own_plugin(work, model)
    (work / "mine.txt").write_text("1.0")
    msml(work, "pretrain", "tiny.yaml", *fast)
    before = cached(work)
    (work / file).write_text(text)
    message = fails(3, work, "run", "tiny.yaml", *fast)
    assert message.startswith(f"{named}: changed since runs/tiny/")
    msml(work, "pretrain", "tiny.yaml", *fast, "name=other")
    assert len(cached(work)) == len(before) + 1


@pytest.mark.slow
def test_a_changed_transform_of_a_plugin_is_trained_again(work):
    """Also what other runs left in the cache, of models that are none of the plugin's."""
    plugin = """
from msml.data.transforms import Step
from msml.registry import transforms

@transforms.register("louder")
def louder(column, learn):
    \"\"\"Louder.\"\"\"
    return Step(lambda values: values * FACTOR, column)
"""
    (work / "own.py").write_text(plugin.replace("FACTOR", "2"))
    text = RECIPE.replace("taus: log_pt}", "taus: log_pt, calo_images: louder}")
    write_recipe(work, text + "plugins: [own.py]\n")
    fast = ("pretrain.epochs=1", "data.memory_gb=1e-9")
    msml(work, "pretrain", "tiny.yaml", *fast)
    before, unpacked = cached(work), list(work.glob("runs/.cache/unpacked/*"))
    (work / "own.py").write_text(plugin.replace("FACTOR", "3"))
    msml(work, "pretrain", "tiny.yaml", *fast, "name=other")
    assert len(cached(work)) == 2 * len(before)
    assert len(list(work.glob("runs/.cache/unpacked/*"))) == 2 * len(unpacked) == 2
