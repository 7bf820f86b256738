"""Replicas trained at once end with what each ends with alone."""

from dataclasses import replace

import numpy as np
import pytest
import small

from msml.chain import WEIGHT, Chain
from msml.models.build import build
from msml.recipe.expand import ModelSpec, TaskSpec
from msml.training.epoch import Stream, compile_epoch, shuffled, to_device
from msml.training.replicas import (
    alike,
    make_replica_loss_step,
    make_replica_step,
    replica_epochs,
    replica_measurement,
    shuffled_replicas,
    stack,
    stackable,
)
from msml.training.steps import make_loss_step, make_optimizer

SHARES = {"size": 0.5, "label": 0.5}
EVENTS = 400
SGD = {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9}
COUPLED = SGD | {"l2": 0.1}
GRAPHS = {"heads": 2, "pairwise": {"0": ["pt", "eta", "phi"]}}


def tasks():
    specs = {"any": ModelSpec("zeros", {}, "any")}
    one = TaskSpec("size", ("x",), "y", 0.5, "mse", {}, (), specs)
    return {
        "size": one,
        "label": TaskSpec("label", ("x", "size"), "z", 0.5, "bce_logits", {}, (), specs),
    }


def chain(seed, first="mlp", **arguments):
    known, given, of_objects = tasks(), {"units": 8, **arguments}, first != "mlp"
    if of_objects:
        known["size"] = replace(known["size"], inputs=("objects", "real objects"))
    shapes = [(4, 3), (4,)] if of_objects else [(3,)]
    second = {"units": 8} if of_objects else given
    models = {
        "size": build(first, shapes, (1,), given, seed, masks=(False, True)[: len(shapes)]),
        "label": build("dense_mlp", [(3,), (1,)], (1,), second, seed + 100, "float32"),
    }
    return Chain(known, models)


def columns():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(EVENTS, 3)).astype(np.float32)
    y = (x**2).sum(axis=1, keepdims=True)
    weight = rng.uniform(0.5, 1.5, EVENTS).astype(np.float32)
    objects = x[:, None] * rng.normal(size=(EVENTS, 4, 3)).astype(np.float32)
    real = (rng.random((EVENTS, 4)) < 0.8).astype(np.float32)
    label = (y[:, 0] > 2).astype(np.float32)
    seen = {"x": x, "objects": objects, "real objects": real}
    return {**seen, "y": y, "z": label, WEIGHT: weight}


def alone(trained, settings, rows, valid, seed, epochs):
    optimizer = make_optimizer(settings, trained.variables(), "float32")
    step = small.fit_step(trained, SHARES, optimizer)
    data = columns()
    own = to_device({name: column[rows] for name, column in data.items()})
    epoch = compile_epoch(step, Stream(own, settings.batch_size), losses=3, xla=False)
    run = shuffled(epoch, [len(rows)], seed, "unit")
    found = [run(number).losses for number in range(epochs)]
    measured = to_device({name: column[valid] for name, column in data.items()})
    measure = compile_epoch(
        make_loss_step(trained, SHARES), Stream(measured, 50), losses=3, xla=False
    )
    return found, measure(np.arange(len(valid), dtype=np.int32)).losses


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        ({}, {}),
        # Adam makes steps of rounding errors of biases.
        pytest.param({"norm": "batch"}, {"optimizer": SGD}, marks=pytest.mark.slow),
        pytest.param(
            {"norm": "layer", "activation": "swish"}, {"clip_norm": 0.05}, marks=pytest.mark.slow
        ),
        pytest.param({}, {"optimizer": SGD}, marks=pytest.mark.slow),
        pytest.param({}, {"optimizer": COUPLED, "clip_norm": 0.05}, marks=pytest.mark.slow),
        pytest.param(
            {"first": "graph_network", "norm": "layer"},
            {"optimizer": COUPLED},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"first": "graph_attention", **GRAPHS, "norm": "batch_torch"},
            {"optimizer": COUPLED},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_as_one_by_one(arguments, changes):
    settings = replace(small.FIT, **changes)
    chains = [chain(seed, **arguments) for seed in (1, 2, 3)]
    others = [chain(seed, **arguments) for seed in (1, 2, 3)]
    everything = np.arange(EVENTS)
    sizes = (300, 300, 300) if "norm" in arguments else (300, 299, 298)  # filled up to 300
    rows = [np.roll(everything, 50 * i)[:size] for i, size in enumerate(sizes)]
    valid = [np.roll(everything, 50 * i)[300:] for i in range(3)]
    stacked = stack(chains)
    assert stackable(chains[0], settings) == ""
    optimizer = make_optimizer(replace(settings, clip_norm=None), list(stacked.weights), "float32")
    step = make_replica_step(stacked, SHARES, optimizer, settings.clip_norm)
    data = to_device(columns())
    epoch = replica_epochs(step, data, rows, settings.batch_size, losses=3, xla=False)
    run = shuffled_replicas(epoch, rows, [(7 + i, "unit") for i in range(3)])
    found = [run(number).losses for number in range(4)]
    measure = replica_measurement(
        make_replica_loss_step(stacked, SHARES), data, valid, losses=3, xla=False
    )
    measured = measure()
    stacked.give(chains)
    for i, other in enumerate(others):
        expected, of_valid = alone(other, settings, rows[i], valid[i], 7 + i, 4)
        assert [each[i] for each in found] == pytest.approx(np.array(expected), rel=1e-4)
        assert measured[i] == pytest.approx(of_valid, rel=1e-4)
        for ours, theirs in zip(chains[i].variables(), other.variables(), strict=True):
            assert ours.numpy() == pytest.approx(theirs.numpy(), rel=1e-3, abs=2e-5)


@pytest.mark.parametrize(
    "candidates", [{}, {"momentum": "tau_scale_factor", "higgs": "higgs_mass"}]
)
def test_layers_of_the_paper(candidates):
    chains = [small.small_chain(seed, **candidates) for seed in (1, 2, 3)]
    assert stackable(chains[0], small.FIT) == ""
    shares, rows = {"momentum": 0.5, "higgs": 0.5}, [np.arange(400)] * 3
    data = to_device(small.batch())
    step = make_replica_loss_step(stack(chains), shares)
    found = replica_measurement(step, data, rows, losses=3, xla=False)()
    for one, losses in zip(chains, found, strict=True):
        measure = compile_epoch(make_loss_step(one, shares), Stream(data, 200), losses=3, xla=False)
        assert losses == pytest.approx(measure(rows[0].astype(np.int32)).losses, rel=1e-5)


def test_the_same_bits_twice():
    def weights():
        stacked = stack([chain(1), chain(2)])
        optimizer = make_optimizer(small.FIT, list(stacked.weights), "float32")
        step, rows = make_replica_step(stacked, SHARES, optimizer, None), [np.arange(300)] * 2
        epoch = replica_epochs(step, to_device(columns()), rows, 64, losses=3, xla=False)
        shuffled_replicas(epoch, rows, [(1, "a"), (2, "a")])(0)
        return [v.numpy() for v in stacked.weights]

    assert all(map(np.array_equal, weights(), weights()))


def test_what_cannot_be_stacked():
    assert stackable(small.small_chain(momentum="tau_cnn"), small.FIT).startswith("layers of kind ")
    clipped = replace(small.FIT, optimizer={"name": "adam", "clipnorm": 1.0})
    assert "clipnorm" in stackable(chain(1), clipped)
    assert alike([np.arange(300), np.arange(257)], 64)
    assert not alike([np.arange(300), np.arange(256)], 64)
