"""Mixing and objective of the supernet against values worked out by hand."""

import keras
import numpy as np
import pytest
import small
import tensorflow as tf

from msml.chain import WEIGHT
from msml.recipe.expand import ModelSpec, TaskSpec
from msml.strategies.darts.step import Objective
from msml.strategies.relaxation import SOFTMAX
from msml.strategies.supernet import Given, Supernet, mix

LN2, LN3 = np.log(2).item(), np.log(3).item()


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [([0, 0, 0], [2, 0]), ([0, LN2, LN3], [2.3333333, -3.3333333])],
)
def test_mixtures(alpha, expected):
    outputs = [
        tf.constant([[first, second]]) for first, second in ((1.0, 10.0), (2.0, 0.0), (3.0, -10.0))
    ]
    found = mix(SOFTMAX.shares(tf.constant(alpha, tf.float32), None), outputs)
    assert found.numpy()[0] == pytest.approx(expected, rel=1e-6, abs=1e-6)


def times(factor):
    inputs = keras.Input((1,))
    layer = keras.layers.Dense(1, use_bias=False)
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([np.full((1, 1), factor, np.float32)])
    return model


def by_hand(epsilon, weights=(0.3, 0.7), target=1.0):
    """x = 1; the first task answers 2 or -1, the second 0 or -2 times the first's mixture."""
    specs = {"any": ModelSpec("any", {}, "any")}
    tasks = {
        name: TaskSpec(name, (source,), goal, weight, "bce_logits", {}, (), specs)
        for name, source, goal, weight in zip(
            ("first", "second"), ("x", "first"), ("a", "b"), weights, strict=True
        )
    }
    models = {
        "first": {"double": times(2.0), "minus": times(-1.0)},
        "second": {"nothing": times(0.0), "minus double": times(-2.0)},
    }
    batch = {
        "x": tf.ones((4, 1)),
        "a": tf.fill([4], tf.constant(target, tf.float32)),
        "b": tf.ones(4),
        WEIGHT: tf.ones(4),
    }
    return Objective(
        Supernet(tasks, models, epsilon), dict(zip(tasks, weights, strict=True))
    ), batch


def losses(objective, batch, alphas):
    weights, given = [v.value for v in objective.supernet.variables], Given(batch)
    alphas = [tf.constant(alpha, tf.float32) for alpha in alphas]
    found = objective.losses(weights, alphas, given)
    whole = objective.loss(given, 1.0)(weights, alphas)
    return [float(loss) for loss in (*found.reported, found.total, whole)]


# Binary cross-entropy of the logits 2, -1, 0, 1/2 and -1/4 with the label 1.
TWO, MINUS_ONE, ZERO, HALF, MINUS_QUARTER = 0.126928, 1.3132617, 0.6931472, 0.4740770, 0.8259394


@pytest.mark.parametrize("epsilon", [0.0, 0.5, 1.0])
def test_losses_and_objective(epsilon):
    """Mixtures: (2 - 1)/2 = 1/2 of the first task, 3/4 · 0 + 1/4 · (-2 · 1/2) of the second."""
    objective, batch = by_hand(epsilon)
    *own, first, second, total, whole = losses(objective, batch, [[0, 0], [LN3, 0]])
    assert objective.supernet.losses == [
        "first/double",
        "first/minus",
        "second/nothing",
        "second/minus double",
        "first",
        "second",
    ]
    assert own == pytest.approx([TWO, MINUS_ONE, ZERO, MINUS_ONE], rel=1e-5)
    assert [first, second] == pytest.approx([HALF, MINUS_QUARTER], rel=1e-5)
    assert total == pytest.approx(0.3 * HALF + 0.7 * MINUS_QUARTER, rel=1e-5)
    expected = 0.3 * (HALF + epsilon * (TWO + MINUS_ONE))
    expected += 0.7 * (MINUS_QUARTER + epsilon * (ZERO + MINUS_ONE))
    assert whole == pytest.approx(expected, rel=1e-5)


def test_the_objective_in_numbers():
    objective, batch = by_hand(0.5)
    assert losses(objective, batch, [[0, 0], [LN3, 0]])[-1] == pytest.approx(1.638652, rel=1e-5)


@pytest.mark.parametrize("epsilon", [0.0, 1.0])
@pytest.mark.parametrize("target", [np.nan, np.inf, -np.inf])
def test_a_weight_of_zero_removes_all_terms_of_a_task(epsilon, target):
    objective, batch = by_hand(epsilon, (0.0, 1.0), target)
    *_, first, second, total, whole = losses(objective, batch, [[0, 0], [LN3, 0]])
    assert not np.isfinite(first)
    assert total == second == pytest.approx(MINUS_QUARTER, rel=1e-5)
    assert whole == pytest.approx(MINUS_QUARTER + epsilon * (ZERO + MINUS_ONE), rel=1e-5)
    objective, batch = by_hand(epsilon, (1.0, 0.0))
    *_, first, _, total, whole = losses(objective, batch, [[0, 0], [LN3, 0]])
    assert total == first
    assert whole == pytest.approx(HALF + epsilon * (TWO + MINUS_ONE), rel=1e-5)


def test_downstream_candidates_see_the_mixture():
    """With α of the first task at (ln 2, 0) the mixture is 2/3 · 2 - 1/3 = 1."""
    objective, batch = by_hand(1.0)
    net, given = objective.supernet, Given(batch)
    weights = [v.value for v in net.variables]
    alphas = [tf.constant([LN2, 0]), tf.zeros(2)]
    outputs, mixed, _ = net.outputs(weights, alphas, given)
    assert mixed["first"]["output"].numpy() == pytest.approx(np.ones((4, 1)), rel=1e-6)
    assert [float(o["output"][0, 0]) for o in outputs["second"]] == pytest.approx([0, -2], rel=1e-6)
    assert mixed["second"]["output"].numpy() == pytest.approx(-np.ones((4, 1)), rel=1e-6)


def test_event_weights_count():
    objective, batch = by_hand(1.0)
    plain = losses(objective, batch, [[0, 0], [0, 0]])
    batch[WEIGHT] = tf.constant([3.0, 0, 1, 0])  # of mean 1, over events that are all alike
    assert losses(objective, batch, [[0, 0], [0, 0]]) == pytest.approx(plain, rel=1e-6)
    batch[WEIGHT] = tf.fill([4], 2.0)
    twice = losses(objective, batch, [[0, 0], [0, 0]])
    assert twice == pytest.approx([2 * loss for loss in plain], rel=1e-6)


@pytest.mark.parametrize("training", [False, True])
def test_the_pure_functions_are_the_keras_models(training):
    net = small.supernet()
    columns = {name: tf.constant(column) for name, column in small.batch(np.arange(20)).items()}
    given = Given(columns, training)
    weights = [v.value for v in net.variables]
    alphas = [tf.constant([0.5, -0.5, 0.2, 0.1]), tf.constant([0.3, -0.1])]
    outputs, mixed, _ = net.outputs(weights, alphas, given)
    pure = [[output["output"].numpy() for output in found] for found in outputs.values()]
    inputs = {
        "momentum": [columns["jets"], columns["calo_images"]],
        "higgs": mixed["momentum"]["output"],
    }
    for (task, models), found in zip(net.models.items(), pure, strict=True):
        for model, output in zip(models.values(), found, strict=True):
            called = np.asarray(model(inputs[task], training=training))
            assert np.array_equal(called, output)  # noise included: it drew nothing before


def test_weights_are_where_the_variables_say():
    """Doubling the value of one variable changes the candidate that owns it, and no other."""
    net = small.supernet()
    given = Given({k: tf.constant(v) for k, v in small.batch(np.arange(5)).items()})
    weights = [v.value for v in net.variables]
    alphas = [tf.zeros(4), tf.zeros(2)]
    before = [o["output"].numpy() for o in net.outputs(weights, alphas, given)[0]["momentum"]]
    position = len(net.models["momentum"]["mlp"].trainable_variables)  # the first of sf
    weights[position] = 2 * weights[position]
    after = [o["output"].numpy() for o in net.outputs(weights, alphas, given)[0]["momentum"]]
    assert [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)] == [
        False,
        True,
        False,
        False,
    ]
