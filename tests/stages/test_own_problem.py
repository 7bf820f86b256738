"""What a new user tries: a plain HDF5 file of five datasets, and tasks of their own."""

import json

import h5py
import numpy as np
import pytest
from process import fails, msml
from sklearn.metrics import roc_auc_score

EVENTS = 600

CHAIN = """\
name: mine
xla: false
data:
  file: mine.h5
  weight: weight
  transform: {features: standardise, energy: [log, standardise]}
tasks:
  regression:
    inputs: [features]
    target: energy
    loss: {name: mse}
    weight: 0.3
    metrics: [mse, bias, resolution]
    candidates:
      mlp: {model: mlp, args: {units: 8, layers: 1}}
      linear: {model: linear}
  direction:
    inputs: [features, regression]
    target: angles
    loss: {name: huber, delta: 0.5}
    weight: 0.2
    candidates:
      mlp: {model: mlp, args: {units: 8, layers: 1}}
      residual: {model: residual_mlp, args: {units: 8, layers: 1}}
  signal:
    inputs: [features, direction]
    target: label
    loss: {name: bce_logits}
    weight: remainder
    metrics: [auc, accuracy, 'background_rejection(efficiency=0.5)', ece]
    candidates:
      mlp: {model: mlp, args: {units: 8, layers: 1}}
      linear: {model: linear}
strategy: {name: darts, batch_size: 60, epochs: 2}
pretrain: {optimizer: {name: adam, learning_rate: 1e-2}, batch_size: 60, epochs: 3}
posttrain:
  modes: [connected, sequential, joint]
  optimizer: {name: adam, learning_rate: 1e-2}
  batch_size: 60
  epochs: 3
evaluate: {bootstrap: 10, cost: false}
"""
DIAMOND = CHAIN.replace("[features, regression]", "[features]").replace(
    "[features, direction]", "[regression, direction]"
)
WIRINGS = {"chain": CHAIN, "diamond": DIAMOND}
DARTS = "{name: darts, batch_size: 60, epochs: 2}"
STRATEGIES = {
    "second order": DARTS,
    "first order": "{name: darts, batch_size: 60, epochs: 2, order: first}",
    "difference": "{name: darts, batch_size: 60, epochs: 2, derivative: difference}",
    "spos": "{name: spos, batch_size: 60, epochs: 2}",
    "asng": "{name: asng, batch_size: 60, epochs: 2}",
    "random": "{name: random, n: 3}",
    "grid": "{name: grid}",
}


def write(folder):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(EVENTS, 5)).astype("f4")
    signal = rng.random(EVENTS) < 1 / (1 + np.exp(-3 * (x[:, 0] + x[:, 2])))
    columns = {
        "features": x,
        "energy": 60 + 10 * x[:, 0] + 2 * x[:, 3] ** 2 + rng.normal(size=EVENTS),
        "angles": np.stack([np.tanh(x[:, 1]), x[:, 4] / 2], -1)
        + 0.1 * rng.normal(size=(EVENTS, 2)),
        "label": signal.astype("i8"),
        "weight": rng.normal(1, 0.6, EVENTS),
    }
    with h5py.File(folder / "mine.h5", "w") as file:
        for name, values in columns.items():
            file[name] = values
    return columns


def run(folder, text, command="run"):
    columns = write(folder)
    (folder / "mine.yaml").write_text(text)
    found = msml(folder, command, "mine.yaml")
    (directory,) = (folder / "runs" / "mine").iterdir()
    return found, directory, columns


def test_word_for_word(tmp_path):
    command, directory, columns = run(tmp_path, CHAIN)
    assert any("events of the train split have negative weights" in e for e in command.errors)
    assert "regression on test" in command.output
    assert "background_rejection(efficiency=0.5)" in command.output
    records = json.loads((directory / "evaluate" / "metrics.json").read_text())
    assert [record["mode"] for record in records] == ["connected", "sequential", "joint"]
    last = records[-1]
    assert set(last["metrics"]["direction"]) == {"loss"}  # it has no metrics
    chain = "+".join(last["chain"].values())
    with h5py.File(directory / "evaluate" / chain / "joint" / "predictions.h5") as file:
        rows, seen = file["event"][:], {task: file[task]["prediction"][:] for task in last["chain"]}
    weight = columns["weight"][rows]
    # The metrics of the regression are in the file's own unit.
    mean, deviation = (
        json.loads((directory / "transforms.json").read_text())["energy"][1][key][0]
        for key in ("mean", "deviation")
    )
    energy = np.exp(seen["regression"][:, 0].astype(float) * deviation + mean)
    square = np.average((energy - columns["energy"][rows]) ** 2, weights=weight)
    assert last["metrics"]["regression"]["mse"]["value"] == pytest.approx(square, rel=1e-4)
    assert square < columns["energy"].var()
    # AUC by its definition: weights of both signs.
    label, score = columns["label"][rows], seen["signal"][:, 0]
    signal, background = ((label == n, weight[label == n]) for n in (1, 0))
    above = score[signal[0]][:, None] > score[background[0]]
    area = (signal[1][:, None] * background[1] * above).sum()
    area /= signal[1].sum() * background[1].sum()
    assert last["metrics"]["signal"]["auc"]["value"] == pytest.approx(area)
    assert roc_auc_score(label, score) > 0.6
    # Metrics do not depend on whether the run began just now.
    msml(tmp_path, "run", "mine.yaml")
    assert json.loads((directory / "evaluate" / "metrics.json").read_text()) == records
    manifest = json.loads((directory / "manifest.json").read_text())
    assert {n: s["events"] for n, s in manifest["data"]["split"].items()} == {
        "train": 360, "valid": 120, "test": 120,
    }  # fmt: skip


def searched(folder, wiring, strategy):
    text = WIRINGS[wiring].replace(DARTS, STRATEGIES[strategy])
    _, directory, _ = run(folder, text.replace("[connected, sequential, joint]", "[joint]"))
    records = json.loads((directory / "evaluate" / "metrics.json").read_text())
    assert all(set(record["chain"]) == {"regression", "direction", "signal"} for record in records)
    areas = [record["metrics"]["signal"]["auc"]["value"] for record in records]
    assert max(areas) > 0.55
    selection = json.loads((directory / "search" / "selection.json").read_text())
    assert selection
    return records


@pytest.mark.slow
def test_a_diamond_through_a_grid(tmp_path):
    assert len(searched(tmp_path, "diamond", "grid")) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("wiring", WIRINGS)
def test_every_strategy(tmp_path, wiring, strategy):
    searched(tmp_path, wiring, strategy)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "target: label",
            "target: energy",
            "'energy' is transformed to numbers; the loss 'bce_log",
        ),
        ("target: label", "target: weight", "'weight' is data.weight"),
        ("target: label", "target: angles", "'angles' holds"),
    ],
)
def test_targets_that_are_not_what_the_loss_is_for(tmp_path, old, new, problem):
    write(tmp_path)
    (tmp_path / "mine.yaml").write_text(CHAIN.replace(old, new, 1))
    assert problem in fails(2, tmp_path, "validate", "mine.yaml")


CLASSES = """\
name: classes
xla: false
data:
  file: mine.h5
  TRANSFORM
tasks:
  which:
    inputs: [x]
    target: kind
    loss: {name: cross_entropy}
    weight: 1
    metrics: [accuracy, auc, cross_entropy, ece]
    candidates: {mlp: {model: MODEL}}
chain: {which: mlp}
pretrain: {epochs: 2}
posttrain: {epochs: 2}
evaluate: {bootstrap: 5, cost: false}
"""


def classes(folder, kinds, transform="", model="linear"):
    rng = np.random.default_rng(3)
    with h5py.File(folder / "mine.h5", "w") as file:
        file["kind"] = kinds
        file["x"] = rng.normal(size=(len(kinds), 4)) + np.asarray(kinds)[:, None]
    text = CLASSES.replace("TRANSFORM", transform).replace("MODEL", model)
    (folder / "mine.yaml").write_text(text)


def test_classes_of_any_numbers(tmp_path):
    classes(tmp_path, np.arange(200) % 3 * 11 - 11, "transform: {kind: categories}")
    command = msml(tmp_path, "run", "mine.yaml")
    assert "accuracy" in command.output


@pytest.mark.parametrize(
    ("kinds", "problem"),
    [
        (np.arange(200) % 3 * 2, "'kind' goes up to 4 but has no event of class 1"),
        (np.arange(200) % 3 - 1, "'kind' holds -1"),
        (np.arange(200) % 3 + 0.5, "'kind' holds 0.5, which is no whole number"),
    ],
)
def test_classes_that_are_none(tmp_path, kinds, problem):
    classes(tmp_path, kinds)
    assert problem in fails(2, tmp_path, "run", "mine.yaml")
    assert not (tmp_path / "runs").exists()


def test_transforms_are_fitted_anew_for_events_that_were_mended(tmp_path):
    kinds = np.arange(200) % 3
    for bad in (True, False):
        classes(tmp_path, kinds, "weight: w\n  transform: {x: standardise}")
        with h5py.File(tmp_path / "mine.h5", "r+") as file:
            file["w"] = -np.ones(200) if bad else np.ones(200)
            file["x"][:] = file["x"][:] + (0 if bad else 500)
        if bad:
            problem = "the weights of the train split sum to -120; expected a positive total"
            assert problem in fails(3, tmp_path, "pretrain", "mine.yaml")
        else:
            msml(tmp_path, "pretrain", "mine.yaml")
        (path,) = (tmp_path / "runs" / "classes").glob("*/transforms.json")
        (fitted,) = json.loads(path.read_text())["x"]
        assert np.allclose(fitted["mean"], 1 if bad else 501, atol=0.5)


def test_an_output_whose_width_is_not_the_number_of_classes(tmp_path):
    classes(tmp_path, np.arange(200) % 3, model="mine")
    (tmp_path / "plugin.py").write_text(
        "from msml.registry import models\n"
        "@models.register('mine')\n"
        "def mine(x):\n"
        "    import keras\n"
        "    given = keras.Input(x)\n"
        "    return keras.Model(given, keras.layers.Dense(4)(given))\n"
    )
    with (tmp_path / "mine.yaml").open("a") as file:
        file.write("plugins: [plugin.py]\n")
    found = fails(2, tmp_path, "validate", "mine.yaml")
    assert "model 'mine' has outputs of shape (4,), the task's loss wants (3,)" in found


def test_a_category_that_train_never_had(tmp_path):
    kinds = np.arange(200) % 3
    classes(tmp_path, kinds, "transform: {kind: categories}")
    from msml.data.splits import split_rows

    valid = split_rows(200, {"train": 0.6, "valid": 0.2, "test": 0.2}, 1)["valid"]
    kinds[valid[0]] = 7
    classes(tmp_path, kinds, "transform: {kind: categories}")
    found = fails(3, tmp_path, "run", "mine.yaml")
    assert f"column 'kind': 'categories' of 7 in event {valid[0]} is none of 0, 1, 2" in found


def test_missing_numbers(tmp_path):
    columns = write(tmp_path)
    (tmp_path / "mine.yaml").write_text(CHAIN)
    with h5py.File(tmp_path / "mine.h5", "r+") as file:
        file["features"][17:19, 2] = np.nan
    problem = "column 'features': NaN or infinity in event 17; the transform `fill_missing` fills"
    assert problem in fails(3, tmp_path, "run", "mine.yaml")
    text = CHAIN.replace("features: standardise", "features: [fill_missing, standardise]")
    (tmp_path / "mine.yaml").write_text(text)
    msml(tmp_path, "pretrain", "mine.yaml", "pretrain.epochs=1")
    assert len(columns["features"]) == EVENTS
