"""Chains of three tasks against automatic differentiation of the formula, written out by hand."""

import keras
import numpy as np
import pytest
import small
import tensorflow as tf
from test_darts_step import RATE, Recorder, flat, kept, search, softmax

from msml.chain import WEIGHT, Chain
from msml.recipe.expand import ModelSpec, TaskSpec
from msml.strategies.supernet import Supernet

SPECS = {"any": ModelSpec("zeros", {}, "any")}
WIRINGS = {
    "chain": {"first": ("x",), "second": ("first", "x"), "third": ("second",)},
    "diamond": {"first": ("x",), "second": ("x",), "third": ("first", "second")},
}
SIZES = {"x": 5, "first": 3, "second": 2, "third": 1}
WEIGHTS = {"first": 0.2, "second": 0.3, "third": 0.5}
ALPHA = {"first": [0.4, -0.3], "second": [-0.5, 0.1], "third": [0.2, 0.6]}
EPSILON = 0.7


def make_tasks(wiring):
    return {
        task: TaskSpec(task, inputs, f"true {task}", WEIGHTS[task], "mse", {}, (), SPECS)
        for task, inputs in WIRINGS[wiring].items()
    }


def make_model(task, inputs, kind, seed):
    """Smooth layers, so that differences would be exact to second order."""
    keras.utils.set_random_seed(seed)
    given = [keras.Input((SIZES[name],)) for name in inputs]
    joined = keras.layers.Concatenate()(given) if len(given) > 1 else given[0]
    hidden = keras.layers.Dense(4, activation=kind)(joined)
    return keras.Model(given, keras.layers.Dense(SIZES[task])(hidden))


def make_models(wiring):
    return {
        task: {
            kind: make_model(task, inputs, kind, 10 * number + seed)
            for seed, kind in enumerate(("tanh", "softplus"))
        }
        for number, (task, inputs) in enumerate(WIRINGS[wiring].items())
    }


def columns(seed, events=32):
    rng = np.random.default_rng(seed)
    drawn = {"x": rng.normal(size=(events, 5))}
    drawn |= {f"true {task}": rng.normal(size=(events, SIZES[task])) for task in WEIGHTS}
    drawn[WEIGHT] = rng.uniform(0, 2, events)
    return {name: tf.constant(values, tf.float32) for name, values in drawn.items()}


def total(wiring, models, shares, batch, weights=None):
    """Σ_t v_t [L_t(y_t) + ε Σ_i L_t(y_ti)], from the Keras models or from values of weights."""
    found, done = 0.0, dict(batch)
    values = iter(weights or [])
    for task, inputs in WIRINGS[wiring].items():
        given = [done[name] for name in inputs]
        outputs = []
        for model in models[task].values():
            own = [next(values) for _ in model.trainable_variables] if weights else None
            call = (lambda x, m=model, w=own: m.stateless_call(w, [], x)[0]) if own else model
            outputs.append(call(given if len(given) > 1 else given[0]))
        mixed = sum(s * y for s, y in zip(tf.unstack(shares[task]), outputs, strict=True))

        def loss(y, truth=batch[f"true {task}"]):
            return tf.reduce_mean(batch[WEIGHT] * tf.reduce_mean((y - truth) ** 2, axis=-1))

        own = EPSILON * sum(map(loss, outputs))
        found += WEIGHTS[task] * (loss(mixed) + own)
        done[task] = mixed
    return found


@pytest.fixture(params=WIRINGS)
def wiring(request):
    return request.param


@pytest.mark.parametrize(("rate", "exact"), [(None, True), (RATE, True), (RATE, False)])
def test_alpha_and_weights_follow_automatic_differentiation(wiring, rate, exact):
    models = make_models(wiring)
    net = Supernet(make_tasks(wiring), models, EPSILON)
    made = search(net, Recorder(), Recorder(), rate, exact=exact, at=ALPHA)
    train, valid = columns(1), columns(2)
    alphas = {task: tf.constant(value) for task, value in ALPHA.items()}
    start = [v.value for v in net.variables]

    with tf.GradientTape() as outer:
        outer.watch(alphas)
        shares = {task: tf.nn.softmax(alpha) for task, alpha in alphas.items()}
        moved = [tf.identity(value) for value in start]
        if rate is not None:
            with tf.GradientTape() as inner:
                inner.watch(moved)
                before = total(wiring, models, shares, train, moved)
            slopes = inner.gradient(before, moved)
            moved = [w - rate * g for w, g in zip(moved, slopes, strict=True)]
        after = total(wiring, models, shares, valid, moved)
    of_alphas = outer.gradient(after, list(alphas.values()))

    with tf.GradientTape() as tape:
        shares = {task: tf.constant(softmax(value)) for task, value in ALPHA.items()}
        whole = total(wiring, models, shares, train)
    of_weights = tape.gradient(whole, [v.value for v in net.variables])

    unchanged = kept(net)
    made.step(train, valid)
    assert all(np.array_equal(value, kept(net)[name]) for name, value in unchanged.items())
    assert flat(made.of_alphas.gradients) == pytest.approx(flat(of_alphas), rel=2e-3, abs=2e-6)
    assert flat(made.weights.gradients) == pytest.approx(flat(of_weights), rel=2e-3, abs=2e-6)
    assert np.all(flat(of_alphas) != 0)


def test_a_chosen_chain_follows_automatic_differentiation(wiring):
    models = {task: found["tanh"] for task, found in make_models(wiring).items()}
    chain, batch, recorder = Chain(make_tasks(wiring), models), columns(3), Recorder()
    small.fit_step(chain, WEIGHTS, recorder)(batch)
    with tf.GradientTape() as tape:
        done, whole = dict(batch), 0.0
        for task, inputs in WIRINGS[wiring].items():
            given = [done[name] for name in inputs]
            done[task] = models[task](given if len(given) > 1 else given[0])
            square = tf.reduce_mean((done[task] - batch[f"true {task}"]) ** 2, axis=-1)
            whole += WEIGHTS[task] * tf.reduce_mean(batch[WEIGHT] * square)
    expected = tape.gradient(whole, [v.value for v in chain.variables()])
    assert flat(recorder.gradients) == pytest.approx(flat(expected), rel=2e-3, abs=2e-6)


def test_a_candidate_alone_gets_the_truth_of_what_it_depends_on(wiring):
    tasks, models = make_tasks(wiring), make_models(wiring)
    chain = Chain(tasks, {"third": models["third"]["tanh"]})
    truth = [f"true {name}" for name in WIRINGS[wiring]["third"]]
    assert chain.input_columns() == truth
    batch = columns(4)
    given = [batch[name] for name in truth]
    found = chain.outputs(batch, training=False)["third"]["output"]
    expected = models["third"]["tanh"](given if len(given) > 1 else given[0])
    assert np.array_equal(found, expected)
