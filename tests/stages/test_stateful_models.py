"""Plugins with moving statistics, dropout, or layers that are made when they are first called."""

import json
from pathlib import Path

import numpy as np
import pytest
from process import Command, msml, until
from tiny import RECIPE, only_run, results, write_recipe

from msml.training.checkpoint import load_arrays

PLUGIN = '''\
import keras
from msml.registry import models


@models.register("batch_norm")
def batch_norm(taus):
    """Moving statistics."""
    given = keras.Input(taus)
    x = keras.layers.Dense(8)(keras.layers.Flatten()(given))
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    return keras.Model(given, keras.layers.Dense(1, dtype="float32")(keras.ops.relu(x)))


@models.register("dropout")
def dropout(taus):
    """Random numbers."""
    given = keras.Input(taus)
    x = keras.layers.Dense(16, "relu")(keras.layers.Flatten()(given))
    x = keras.layers.Dropout(0.3)(x)
    return keras.Model(given, keras.layers.Dense(1, dtype="float32")(x))


class Lazy(keras.Model):
    """Layers of its own, of which one is made at the first call, and draws of its own."""

    def __init__(self):
        super().__init__()
        self.flat = keras.layers.Flatten()
        self.normal = keras.layers.BatchNormalization(momentum=0.9)
        self.drop = keras.layers.Dropout(0.1)
        self.draws = keras.random.SeedGenerator()
        self.last = keras.layers.Dense(1, dtype="float32")

    def build(self, shape):
        self.hidden = keras.layers.Dense(8, "relu")
        super().build(shape)

    def call(self, x, training=None):
        x = self.flat(x)
        if training:
            x = x + 0.01 * keras.random.normal(keras.ops.shape(x), seed=self.draws)
        return self.last(self.drop(self.normal(self.hidden(x))))  # Keras tells them of training


@models.register("lazy")
def lazy(taus):
    """Subclassed."""
    return Lazy()
'''
KINDS = ("batch_norm", "dropout", "lazy")
MODELS = "".join(f"      {kind}: {{model: {kind}}}\n" for kind in KINDS)
SHORT = (
    RECIPE.replace("      mlp: {model: higgs_mlp, args: {units: 8, layers: 1}}\n", MODELS)
    .replace("      noise: {model: noise}\n", "")
    .replace("epochs: 4", "epochs: 3")
    + "plugins: [plugin.py]\n"
)
CHOSEN = "chain: {momentum: sf, higgs: mlp}\n"
STRATEGIES = {
    "darts": "{name: darts, batch_size: 60, epochs: 3}",
    "first order": "{name: darts, batch_size: 60, epochs: 3, order: first}",
    "difference": "{name: darts, batch_size: 60, epochs: 3, derivative: difference}",
    "spos": "{name: spos, batch_size: 50, epochs: 3}",
    "asng": "{name: asng, batch_size: 50, epochs: 3}",
    "random": "{name: random, n: 2}",
    "grid": "{name: grid}",
}


def write(folder, how):
    (folder / "plugin.py").write_text(PLUGIN)
    text = SHORT
    if how == "chains":
        text = text.replace(CHOSEN, "chain: {momentum: sf, higgs: [batch_norm, dropout, lazy]}\n")
    else:
        text = text.replace(CHOSEN, f"strategy: {STRATEGIES[how]}\n")
        text = text.replace("[connected, sequential, joint]", "[joint]")
    write_recipe(folder, text)


def statistics(path: Path, task: str = "higgs") -> list[np.ndarray]:
    return [array for name, array in load_arrays(path)[0].items() if name.startswith(task)]


def test_moving_statistics_are_those_of_train(work):
    """Of the frozen inputs of pre-training; they are not the first ones, and are used."""
    write(work, "chains")
    msml(work, "pretrain", "tiny.yaml")
    for kind in ("batch_norm", "lazy"):
        arrays = statistics(only_run(work) / "pretrain" / "higgs" / f"{kind}.h5")
        moved = [a for a in arrays if a.shape == (8,) and not np.allclose(a, 0)]
        assert len(moved) >= 2
        assert all(np.isfinite(a).all() for a in arrays if a.dtype.kind == "f")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["chains", *STRATEGIES])
def test_killed_and_resumed_ends_the_same(work, tmp_path, how):
    write(work, how)
    other = tmp_path / "other"
    other.mkdir()
    (other / "events.h5").write_bytes((work / "events.h5").read_bytes())
    write(other, how)
    msml(work, "run", "tiny.yaml")
    log = work / "runs" / "tiny" / only_run(work).name / "metrics.jsonl"
    lines = len(log.read_text().splitlines())
    for wanted in (lines // 3, 2 * lines // 3, lines - 1):
        command = Command(other, "run", "tiny.yaml")
        written = other / "runs" / "tiny" / only_run(work).name / "metrics.jsonl"

        def enough(written=written, wanted=wanted, command=command):
            there = written.exists() and len(written.read_text().splitlines()) >= wanted
            return there or not command.process.is_alive()

        until(enough)
        command.kill()
    msml(other, "run", "tiny.yaml")
    first, second = results(only_run(work)), results(only_run(other))
    assert first == second
    found = json.loads((only_run(work) / "evaluate" / "metrics.json").read_text())
    assert all(np.isfinite(r["metrics"]["higgs"]["bce"]["value"]) for r in found)
    if how == "chains":
        assert len({r["chain"]["higgs"] for r in found}) == len(KINDS)
