"""What Keras promises of a model holds in every way to train it: penalties, constraints, masks."""

import keras
import numpy as np
import pytest
import single_path
import small
import tensorflow as tf
from single_path import never
from small import fit_step

from msml.chain import WEIGHT, Chain
from msml.recipe.schema_training import Fit
from msml.strategies.darts.alphas import Alphas
from msml.strategies.darts.step import DartsStep, Objective
from msml.strategies.single_path.steps import TrainedPaths
from msml.strategies.supernet import Given, Supernet
from msml.training.steps import make_optimizer
from msml.weighting.rule import make_weighting, tasks_of
from msml.weighting.step import make_chain_step

SGD = Fit({"name": "sgd", "learning_rate": 1.0})
HALF = {"momentum": 0.5, "higgs": 0.5}


class Own(keras.layers.Layer):
    """Adds the mean square of what it passes on."""

    def call(self, x):
        self.add_loss(0.3 * keras.ops.mean(x**2))
        return x


class Subclassed(keras.Model):
    def __init__(self, output):
        super().__init__()
        self.layers_ = layers(output)

    def call(self, x):
        for layer in self.layers_:
            x = layer(x)
        return x


def layers(output):
    return [
        keras.layers.Flatten(),
        keras.layers.Dense(5, "tanh", kernel_regularizer="l2", bias_regularizer="l1"),
        keras.layers.Dense(4, activity_regularizer=keras.regularizers.L2(0.2)),
        Own(),
        keras.layers.Dense(int(np.prod(output)), kernel_regularizer=keras.regularizers.L1(0.01)),
        keras.layers.Reshape(output),
    ]


def functional(shape, output):
    inputs = x = keras.Input(shape)
    for layer in layers(output):
        x = layer(x)
    return keras.Model(inputs, x)


def subclassed(shape, output):
    model = Subclassed(output)
    model(np.zeros((1, *shape), np.float32))
    return model


def made(kind=functional, names=("a", "b")):
    """Tasks, and candidates by task and name; the first task sees the jets alone."""
    keras.utils.set_random_seed(1)
    shapes = {"momentum": ((2, 4), (2, 3)), "higgs": ((2, 3), (1,))}
    models = {task: {n: kind(*shape) for n in names} for task, shape in shapes.items()}
    tasks = single_path.specs(0.5, {t: dict.fromkeys(names, ("zeros", {})) for t in models})
    tasks["momentum"] = type(tasks["momentum"])(
        **{**tasks["momentum"].__dict__, "inputs": ("jets",)}
    )
    return tasks, models


def batch(rows=small.TRAIN[:64]):
    return {name: tf.constant(column) for name, column in small.batch(rows).items()}


def losses_by_hand(chain, columns):
    """Of each task its loss and what its model adds, by Keras's own `losses`."""
    outputs = chain.outputs(columns, training=True)
    added = [sum(tf.reduce_sum(x) for x in model.losses) for model in chain.models.values()]
    return chain.task_losses(columns, outputs), added


@pytest.mark.parametrize("kind", [functional, subclassed])
def test_alone_a_step_is_that_of_keras(kind):
    tasks, models = made(kind)
    model, other = models["higgs"]["a"], models["higgs"]["b"]
    other.set_weights(model.get_weights())
    columns = batch()
    step = fit_step(Chain(tasks, {"higgs": model}), {"higgs": 1.0}, optimizer := sgd(model))
    reported = step(columns)
    other.compile(keras.optimizers.SGD(1.0), keras.losses.BinaryCrossentropy(from_logits=True))
    other.train_on_batch(columns["taus"], columns["label"][:, None])
    assert int(optimizer.iterations) == 1
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert float(reported[0]) == float(reported[1])


def sgd(model):
    return make_optimizer(SGD, model.trainable_variables, "float32")


@pytest.mark.parametrize("rule", ["fixed", "uncertainty", "mgda", "famo"])
def test_a_path_is_trained_as_the_chain_alone(rule):
    tasks, models = made()
    copies = {task: keras.models.clone_model(some["b"]) for task, some in models.items()}
    for task, copy in copies.items():
        copy.set_weights(models[task]["b"].get_weights())
    chain = Chain(tasks, copies)
    paths = TrainedPaths(
        Supernet(tasks, models, 0.0),
        HALF,
        {t: {n: sgd(m) for n, m in some.items()} for t, some in models.items()},
        make_weighting({"name": rule}, tasks_of(chain, HALF, 1)),
        never(models),
    )
    optimizer = make_optimizer(SGD, chain.variables(), "float32")
    weighting = make_weighting({"name": rule}, tasks_of(chain, HALF, 1))
    alone = make_chain_step(chain, HALF, optimizer, weighting)
    step = tf.function(lambda x: paths.descend(x, tf.unstack(tf.constant([1, 1]))), autograph=False)
    for seed in range(2):
        columns = {k: tf.constant(v) for k, v in small.batch(small.TRAIN[:64], seed=seed).items()}
        np.testing.assert_allclose(step(columns), alone(columns), rtol=1e-4)
    for task, copy in copies.items():
        for a, b in zip(models[task]["b"].get_weights(), copy.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-3, atol=5e-4)


def test_a_chain_descends_each_task_with_its_penalty():
    tasks, models = made()
    chain = Chain(tasks, {task: some["a"] for task, some in models.items()})
    columns, variables = batch(), [v.value for v in chain.variables()]
    with tf.GradientTape() as tape:
        found, added = losses_by_hand(chain, columns)
        whole = sum(0.5 * (loss + more) for loss, more in zip(found, added, strict=True))
    wanted = tape.gradient(whole, variables)
    before = [v.numpy() for v in chain.variables()]
    optimizer = make_optimizer(SGD, chain.variables(), "float32")
    reported = fit_step(chain, HALF, optimizer)(columns)
    np.testing.assert_allclose(reported[:2], found, rtol=1e-6)
    for old, variable, gradient in zip(before, chain.variables(), wanted, strict=True):
        np.testing.assert_allclose(old - variable.numpy(), gradient, rtol=1e-4, atol=1e-6)


class Recorder:
    """Takes gradients and changes nothing."""

    def scale_loss(self, loss):
        return loss

    def apply(self, gradients, variables):
        self.gradients = [np.asarray(gradient) for gradient in gradients]


@pytest.mark.parametrize(("rate", "exact"), [(None, True), (0.05, True), (0.05, False)])
def test_darts_penalises_the_weights_and_their_virtual_step_but_not_alpha(rate, exact):
    tasks, models = made()
    net = Supernet(tasks, models, 1.0)
    alphas, objective = Alphas(net).variables, Objective(net, HALF)
    weights, of_alpha = Recorder(), Recorder()
    weighting = make_weighting({"name": "fixed"}, tasks_of(net.inputs, HALF, 0))
    draws = tf.Variable([0, 0])
    step = DartsStep(objective, alphas, weights, of_alpha, rate, exact, draws, weighting)
    train, valid = batch(), batch(small.VALID[:38])
    step(train, valid)
    values = [v.value for v in net.variables]

    def whole(columns, weights, alphas, penalised):
        return by_hand(tasks, models, columns, weights, alphas, penalised)

    now = [tf.convert_to_tensor(alpha.value) for alpha in alphas]
    given = [tf.convert_to_tensor(value) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(given)
        loss = whole(train, given, now, True)
    for found, wanted in zip(weights.gradients, tape.gradient(loss, given), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)
    with tf.GradientTape() as outer:
        outer.watch(now)
        moved = given
        if rate:
            with tf.GradientTape() as inner:
                inner.watch(given)
                loss = whole(train, given, now, True)
            slope = inner.gradient(loss, given)
            moved = [w - rate * g for w, g in zip(given, slope, strict=True)]
        loss = whole(valid, moved, now, False)
    for found, wanted in zip(of_alpha.gradients, outer.gradient(loss, now), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-2 if not exact else 1e-3, atol=1e-5)


def by_hand(tasks, models, columns, weights, alphas, penalised):
    """The supernet's loss by Keras's own `stateless_call`, which collects what models add."""
    rest, total, mixed = list(weights), 0.0, columns["jets"]
    chain = Chain(tasks, dict.fromkeys(models))
    for (task, some), alpha in zip(models.items(), alphas, strict=True):
        outputs = []
        for model in some.values():
            count = len(model.trainable_variables)
            own, rest = rest[:count], rest[count:]
            model._clear_losses()  # it knows them by their `id`, which earlier ones may have had
            called = model.stateless_call(own, [], mixed, return_losses=True)
            outputs.append(called[0])
            if penalised:
                total += 0.5 * sum(tf.reduce_sum(x) for x in called[2])
        shares = tf.unstack(tf.nn.softmax(alpha))
        mixed = sum(share * output for share, output in zip(shares, outputs, strict=True))
        for output in (mixed, *outputs):
            total += 0.5 * chain.task_loss(task, columns, {"output": output})
    return total


def test_what_is_measured_has_no_penalty():
    tasks, models = made()
    net = Supernet(tasks, models, 1.0)
    columns = batch()
    assert WEIGHT in columns
    given = Given(columns, training=False)
    alphas = [alpha.value for alpha in Alphas(net).variables]
    found = Objective(net, HALF).losses([v.value for v in net.variables], alphas, given)
    chain = Chain(tasks, {task: some["a"] for task, some in models.items()})
    first = chain.task_losses(columns, chain.outputs(columns, training=False))[0]
    np.testing.assert_allclose(found.reported[0], first, rtol=1e-6)


def masked(shape, output):
    inputs = keras.Input(shape)
    return keras.Model(inputs, keras.layers.Dense(output[-1])(keras.layers.Masking()(inputs)))


def recurrent(shape, output):
    inputs = keras.Input(shape)
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.LSTM(3)(inputs)))


def test_the_mask_of_a_keras_model_ends_with_it():
    """Else a chain would not do what its parts do one after the other, on stored outputs."""
    tasks, _ = made()
    keras.utils.set_random_seed(2)
    models = {"momentum": masked((2, 4), (2, 3)), "higgs": recurrent((2, 3), (1,))}
    columns = batch()
    columns["jets"] *= [[[1.0], [0.0]]]  # the second one is padding for `Masking`
    outputs = Chain(tasks, models).outputs(columns, training=False)
    alone = models["higgs"](tf.constant(outputs["momentum"]["output"].numpy()))
    np.testing.assert_allclose(outputs["higgs"]["output"], alone, rtol=1e-6)


def constrained(shape, output):
    inputs = keras.Input(shape)
    flat = keras.layers.Flatten()(inputs)
    dense = keras.layers.Dense(int(np.prod(output)), kernel_constraint="non_neg")
    return keras.Model(inputs, keras.layers.Reshape(output)(dense(flat)))


@pytest.mark.parametrize("how", ["chain", "path", "darts"])
def test_constraints_hold_after_each_step(how):
    tasks, models = made(constrained)
    candidates = [model for some in models.values() for model in some.values()]
    columns = batch()
    if how == "chain":
        chain = Chain(tasks, {task: some["a"] for task, some in models.items()})
        candidates = list(chain.models.values())
        optimizer = make_optimizer(SGD, chain.variables(), "float32")
        fit_step(chain, HALF, optimizer)(columns)
    else:
        net = Supernet(tasks, models, 1.0)
        weighting = make_weighting({"name": "fixed"}, tasks_of(net.inputs, HALF, 0))
        if how == "path":
            optimizers = {t: {n: sgd(m) for n, m in some.items()} for t, some in models.items()}
            TrainedPaths(net, HALF, optimizers, weighting, never(models)).descend(columns, [0, 0])
            candidates = [some["a"] for some in models.values()]
        else:
            alphas, draws = Alphas(net).variables, tf.Variable([0, 0])
            optimizer = make_optimizer(SGD, net.variables, "float32")
            of_alpha = make_optimizer(SGD, alphas, "float32")
            step = DartsStep(
                Objective(net, HALF), alphas, optimizer, of_alpha, 0.1, True, draws, weighting
            )
            step(columns, columns)
    for model in candidates:
        assert all((w.numpy() >= 0).all() for w in model.weights if w.path.endswith("kernel"))
