"""Models with moving statistics, dropout and layers made late, in each kind of step."""

from pathlib import Path

import numpy as np
import pytest
import single_path
import small
import tensorflow as tf
from small import fit_step
from stateful import PLUGIN

from msml.chain import Chain
from msml.recipe.schema_training import Fit
from msml.registry import load_plugins, models
from msml.strategies.darts.alphas import Alphas
from msml.strategies.darts.step import DartsStep, Objective, make_supernet_loss_step
from msml.strategies.supernet import Supernet
from msml.training.epoch import to_device
from msml.training.steps import make_optimizer
from msml.training.variables import models_variables
from msml.weighting.diagnosis import chain_diagnosis
from msml.weighting.rule import make_weighting, tasks_of
from msml.weighting.step import make_chain_step

NAMES = ("with_norm", "with_dropout", "lazy")
CANDIDATES = {
    "momentum": {"with_norm": ("with_norm", {}), "lazy": ("lazy", {})},
    "higgs": {"with_dropout": ("with_dropout", {}), "lazy": ("lazy", {})},
}
SGD = Fit({"name": "sgd", "learning_rate": 1e-2})


@pytest.fixture(scope="module", autouse=True)
def plugin(tmp_path_factory):
    path = tmp_path_factory.mktemp("plugin") / "stateful.py"
    path.write_text(PLUGIN)
    load_plugins([path])
    yield
    models.forget(str(path.resolve()))


def state(model):
    return [variable.numpy() for variable in model.non_trainable_variables]


def moved_on(model, inputs):
    """Its state after one call in training."""
    before = state(model)
    model(inputs, training=True)
    after = state(model)
    for variable, value in zip(model.non_trainable_variables, before, strict=True):
        variable.assign(value)
    return after


def assert_same(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def has_state(name):
    return {"with_norm": 2, "with_dropout": 1, "lazy": 3}[name]


def step_of(chain, rule):
    shares = {name: spec.weight for name, spec in chain.tasks.items()}
    weighting = make_weighting({"name": rule}, tasks_of(chain, shares, 0))
    optimizer = make_optimizer(SGD, chain.variables(), "float32")
    return make_chain_step(chain, shares, optimizer, weighting), weighting


@pytest.mark.parametrize("rule", ["fixed", "pcgrad"])
@pytest.mark.parametrize("name", NAMES)
def test_a_step_of_a_chain_moves_its_state_once(name, rule):
    known = {"momentum": {name: (name, {})}, "higgs": CANDIDATES["higgs"]}
    chain = single_path.chain({"momentum": name, "higgs": "lazy"}, candidates=known)
    model, batch = chain.models["momentum"], single_path.batch()
    assert len(state(model)) == has_state(name)
    step, _ = step_of(chain, rule)
    wanted = moved_on(model, chain.inputs("momentum", batch, {}))
    tf.function(step, autograph=False)(batch)
    assert_same(state(model), wanted)


def test_the_second_look_of_famo_is_at_the_same_dropout_and_moves_nothing():
    chain = single_path.chain({"momentum": "lazy", "higgs": "lazy"}, candidates=CANDIDATES)
    model, batch = chain.models["momentum"], single_path.batch()
    step, weighting = step_of(chain, "famo")
    before = state(model)
    wanted = moved_on(model, chain.inputs("momentum", batch, {}))
    tf.function(step, autograph=False)(batch)
    mean, variance, seed = state(model)
    assert seed.tolist() == wanted[2].tolist() != before[2].tolist()
    # Weights have moved a little in between.
    np.testing.assert_allclose(mean, wanted[0], rtol=0.1, atol=1e-3)
    np.testing.assert_allclose(variance, wanted[1], rtol=0.1)
    look = chain_diagnosis(chain, weighting)
    kept = state(model)
    look(to_device(batch))
    assert_same(state(model), kept)


def test_a_step_of_a_path_is_that_of_its_chain_and_others_rest():
    chosen = {"momentum": "lazy", "higgs": "with_dropout"}
    paths = single_path.paths(candidates=CANDIDATES)
    chain = single_path.chain(chosen, candidates=CANDIDATES)
    numbers = tf.constant([paths.names[task].index(name) for task, name in chosen.items()])
    optimizer = make_optimizer(single_path.FIT, chain.variables(), "float32")
    alone = tf.function(
        fit_step(chain, {"momentum": 0.5, "higgs": 0.5}, optimizer), autograph=False
    )
    step = tf.function(
        lambda batch, numbers: paths.descend(batch, tf.unstack(numbers)), autograph=False
    )
    before = single_path.states(paths)
    for seed in range(2):
        batch = single_path.batch(seed=seed)
        np.testing.assert_allclose(step(batch, numbers), alone(batch), rtol=1e-5)
    for task, name in chosen.items():
        own = [v.numpy() for v in paths.supernet.models[task][name].variables]
        assert_same(own, [v.numpy() for v in chain.models[task].variables])
    after = single_path.states(paths)
    assert {key for key in before if after[key] != before[key]} == set(chosen.items())
    tf.function(paths.losses, autograph=False)(batch, [0, 0])
    assert single_path.states(paths) == after


@pytest.mark.parametrize(
    ("warm", "rate", "exact"),
    [
        (True, None, True),
        (False, None, True),
        (False, 1e-2, True),
        pytest.param(False, 1e-2, False, marks=pytest.mark.slow),
    ],
)
def test_a_step_of_darts_moves_the_state_once_by_train(warm, rate, exact):
    net = Supernet(
        single_path.specs(candidates=CANDIDATES),
        {
            task: {name: single_path.model(task, name, 1, CANDIDATES) for name in known}
            for task, known in CANDIDATES.items()
        },
        epsilon=1.0,
    )
    alphas, shares = Alphas(net).variables, {"momentum": 0.5, "higgs": 0.5}
    objective = Objective(net, shares)
    step = DartsStep(
        objective=objective,
        alphas=alphas,
        optimizer=make_optimizer(SGD, net.variables, "float32"),
        alpha_optimizer=None if warm else make_optimizer(SGD, alphas, "float32"),
        rate=rate,
        exact=exact,
        draws=tf.Variable([0, 0]),
        weighting=make_weighting({"name": "fixed"}, tasks_of(net.inputs, shares, 0)),
    )
    train, valid = to_device(small.batch(small.TRAIN[:64])), to_device(small.batch(small.VALID))
    inputs = net.inputs.inputs("momentum", train, {})
    wanted = {name: moved_on(model, inputs) for name, model in net.models["momentum"].items()}
    seeds = {name: state(model)[-1] for name, model in net.models["higgs"].items()}
    tf.function(lambda: step(train, valid), autograph=False)()
    for name, model in net.models["momentum"].items():
        assert_same(state(model), wanted[name])
    for name, seed in seeds.items():
        assert (state(net.models["higgs"][name])[-1] - seed).tolist() == [0, 1]
    kept = {n: v.numpy() for n, v in models_variables(net.models).items()}
    tf.function(make_supernet_loss_step(objective, alphas), autograph=False)(valid)
    assert small.same(kept, {n: v.numpy() for n, v in models_variables(net.models).items()})


@pytest.mark.slow
def test_a_stopped_training_goes_on_with_the_same_bits(tmp_path):
    def trained(epochs, checkpoint=None, stop=lambda: None):
        chain = single_path.chain({"momentum": "lazy", "higgs": "with_dropout"}, 0.5, CANDIDATES)
        trainee = small.trainee(Chain(small.tasks(), chain.models))
        small.run(trainee, small.settings(epochs), checkpoint, stop)
        return small.values(trainee)

    calls = iter([None, "stop"])
    path = Path(tmp_path / "checkpoint.h5")
    with pytest.raises(Exception, match="stop: saved in epoch 2"):
        trained(4, path, lambda: next(calls))
    assert small.same(trained(4, path), trained(4))
