"""A small supernet of two tasks for tests of single paths, and copies of its parts."""

import numpy as np
from synthetic import synthetic_events

from msml.chain import WEIGHT, Chain
from msml.data.transforms import log_pt
from msml.models.build import build
from msml.recipe.expand import ModelSpec, TaskSpec
from msml.recipe.schema_training import Fit
from msml.strategies.single_path.steps import TrainedPaths
from msml.strategies.stopping import Stopping
from msml.strategies.supernet import Supernet
from msml.training.environment import tensorflow
from msml.training.steps import make_optimizer
from msml.weighting.rule import make_weighting, tasks_of

tensorflow()

SHAPES = {"momentum": [(2, 4), (2, 12, 12, 3)], "higgs": [(2, 3)]}
SMALL = {"units": 8, "layers": 1}
CANDIDATES = {
    "momentum": {
        "mlp": ("tau_mlp", {**SMALL, "image_units": 4, "image_layers": 1}),
        "sf": ("tau_scale_factor", {}),
    },
    "higgs": {
        "mlp": ("higgs_mlp", SMALL),
        "mass": ("higgs_mass", SMALL),
        "wide": ("higgs_mlp", {"units": 12, "layers": 1}),
    },
}
FIT = Fit(batch_size=50)


def model(task, name, seed=1, candidates=CANDIDATES, precision="float32"):
    builder, arguments = candidates[task][name]
    output = (2, 3) if task == "momentum" else (1,)
    number = seed + sum(map(ord, task + name))
    return build(builder, SHAPES[task], output, arguments, number, precision)


def specs(weight=0.5, candidates=CANDIDATES):
    known = {
        task: {name: ModelSpec(builder, args, name) for name, (builder, args) in some.items()}
        for task, some in candidates.items()
    }
    inputs = {"momentum": ("jets", "calo_images"), "higgs": ("momentum",)}
    targets = {"momentum": "taus", "higgs": "label"}
    losses = {"momentum": "momentum_mse", "higgs": "bce_logits"}
    weights = {"momentum": weight, "higgs": 1 - weight}
    return {
        task: TaskSpec(
            task, inputs[task], targets[task], weights[task], losses[task], {}, (), known[task]
        )
        for task in candidates
    }


def optimizers(models, settings=FIT, precision="float32"):
    return {
        task: {
            name: make_optimizer(settings, found.trainable_variables, precision)
            for name, found in some.items()
        }
        for task, some in models.items()
    }


def paths(weight=0.5, candidates=CANDIDATES, precision="float32"):
    tasks = specs(weight, candidates)
    models = {
        task: {name: model(task, name, 1, candidates, precision) for name in some}
        for task, some in candidates.items()
    }
    supernet = Supernet(tasks, models, 0.0)
    weights = {task: spec.weight for task, spec in tasks.items()}
    return trained(supernet, weights, optimizers(models, FIT, precision))


def trained(supernet, weights, known):
    """Paths that learn from constant task weights."""
    fixed = make_weighting({"name": "fixed"}, tasks_of(supernet.inputs, weights, 0))
    return TrainedPaths(supernet, weights, known, fixed, never(supernet.models))


def never(models):
    """No candidate stops."""
    return Stopping(models, None, 1)


def chain(names, weight=0.5, candidates=CANDIDATES):
    """The same candidates, with the same weights, as a chain of their own."""
    models = {task: model(task, name, 1, candidates) for task, name in names.items()}
    return Chain(specs(weight, candidates), models)


def batch(rows=50, seed=1):
    columns = synthetic_events(rows, seed)
    return {
        "jets": log_pt(columns["jets"]),
        "calo_images": columns["calo_images"],
        "taus": log_pt(columns["taus"]),
        "label": columns["label"].astype(np.float32),
        WEIGHT: columns["weight"],
    }


def state(one, task, name):
    """All variables of a candidate and of its optimizer, bit for bit."""
    variables = [
        *one.supernet.models[task][name].variables,
        *one.optimizers[task][name].variables,
    ]
    return [variable.numpy().tobytes() for variable in variables]


def states(one):
    return {(t, n): state(one, t, n) for t, names in one.names.items() for n in names}
