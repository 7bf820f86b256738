"""Small trainings for the tests of the engine, wired as the stages wire them."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from synthetic import synthetic_events

from msml.chain import WEIGHT, Chain
from msml.data.transforms import log_pt
from msml.models.build import build
from msml.recipe.expand import ModelSpec, TaskSpec
from msml.recipe.schema_training import Fit
from msml.strategies.supernet import Supernet
from msml.training.environment import tensorflow
from msml.training.epoch import Stream, compile_epoch, shuffled, to_device
from msml.training.fit import Trainee, Watch, fit
from msml.training.steps import make_loss_step, make_optimizer
from msml.training.variables import model_variables, numbered
from msml.weighting.rule import make_weighting, tasks_of
from msml.weighting.step import make_chain_step

tensorflow()

SHAPES = {"momentum": [(2, 4), (2, 12, 12, 3)], "higgs": [(2, 3)]}
SMALL_TAU = {"units": 8, "layers": 1, "image_units": 4, "image_layers": 1}
SMALL_HIGGS = {"units": 8, "layers": 1}
FIT = Fit(optimizer={"name": "adam", "learning_rate": 1e-2}, batch_size=64, epochs=5, patience=10)


def tasks(momentum_weight=0.5, loss="momentum_mse"):
    specs = {"any": ModelSpec("zeros", {}, "any")}
    return {
        "momentum": TaskSpec(
            "momentum", ("jets", "calo_images"), "taus", momentum_weight, loss, {}, (), specs
        ),
        "higgs": TaskSpec(
            "higgs", ("momentum",), "label", 1 - momentum_weight, "bce_logits", {}, (), specs
        ),
    }


def model(task, name, seed=1, precision="float32", **arguments):
    output = (2, 3) if task == "momentum" else (1,)
    return build(name, SHAPES[task], output, arguments, seed, precision)


def small_chain(seed=1, precision="float32", momentum="tau_mlp", higgs="higgs_mlp", weight=0.5):
    models = {
        "momentum": model(
            "momentum", momentum, seed, precision, **(SMALL_TAU if momentum == "tau_mlp" else {})
        ),
        "higgs": model(
            "higgs", higgs, seed, precision, **(SMALL_HIGGS if higgs == "higgs_mlp" else {})
        ),
    }
    return Chain(tasks(weight), models)


def supernet(weight=0.5, epsilon=1.0, precision="float32", momentum=None, higgs=None):
    """Four candidates, two of them dummies, then two; or those given."""
    momentum = momentum or {
        "mlp": model("momentum", "tau_mlp", precision=precision, **SMALL_TAU),
        "sf": model("momentum", "tau_scale_factor", precision=precision),
        "noise": model("momentum", "noise", precision=precision),
        "zeros": model("momentum", "zeros", precision=precision),
    }
    higgs = higgs or {
        "mlp": model("higgs", "higgs_mlp", precision=precision, **SMALL_HIGGS),
        "mass": model("higgs", "higgs_mass", precision=precision, **SMALL_HIGGS),
    }
    return Supernet(tasks(weight), {"momentum": momentum, "higgs": higgs}, epsilon)


def batch(rows=None, weight=None, seed=1):
    """Columns as the stages prepare them: transformed, float32, with event weights."""
    columns = synthetic_events(400, seed)
    rows = np.arange(400) if rows is None else rows
    prepared = {
        "jets": log_pt(columns["jets"]),
        "calo_images": columns["calo_images"],
        "taus": log_pt(columns["taus"]),
        "label": columns["label"].astype(np.float32),
        WEIGHT: np.ones(400, np.float32) if weight is None else weight,
    }
    return {name: column[rows] for name, column in prepared.items()}


TRAIN, VALID = np.arange(0, 250), np.arange(250, 400)


def fit_step(chain, weights, optimizer):
    """Descend a chain's losses under fixed weights v_t."""
    fixed = make_weighting({"name": "fixed"}, tasks_of(chain, weights, 0))
    return make_chain_step(chain, weights, optimizer, fixed)


def trainee(chain, settings=FIT, precision="float32", xla=False, key="unit", weights=None, seed=0):
    """What `msml.stages.training.train` makes of a chain."""
    weights = weights or {name: chain.tasks[name].weight for name in chain.models}
    optimizer = make_optimizer(settings, chain.variables(), precision)
    columns = [*chain.columns(), WEIGHT]
    train = to_device({name: batch(TRAIN)[name] for name in columns})
    valid = to_device({name: batch(VALID)[name] for name in columns})
    count = len(chain.models) + 1
    measure = compile_epoch(
        make_loss_step(chain, weights), Stream(valid, 100), losses=count, xla=xla
    )
    epoch = compile_epoch(
        fit_step(chain, weights, optimizer),
        Stream(train, settings.batch_size),
        losses=count,
        xla=xla,
    )
    return Trainee(
        key=key,
        losses=(*chain.models, "total"),
        weights=model_variables(chain),
        state=numbered(optimizer.variables),
        train=shuffled(epoch, [len(TRAIN)], seed, key),
        valid=lambda: measure(np.arange(len(VALID), dtype=np.int32)).losses,
    )


def values(trained):
    return {name: variable.numpy() for name, variable in trained.weights.items()}


def run(trained, settings=FIT, checkpoint=None, stop=lambda: None):
    if checkpoint is None:
        with TemporaryDirectory() as folder:
            return run(trained, settings, Path(folder) / "c.h5", stop)
    return fit(trained, settings, checkpoint, Watch(stop=stop))


def same(first, second):
    assert first.keys() == second.keys()
    return all(np.array_equal(first[name], second[name]) for name in first)


def settings(epochs):
    return replace(FIT, epochs=epochs)
