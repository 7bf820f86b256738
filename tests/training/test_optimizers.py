"""Coupled L2 against steps by hand, and the arguments of optimizers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from msml.recipe.optimizers import check_optimizer
from msml.recipe.schema_training import Fit
from msml.training.environment import tensorflow
from msml.training.optimizers import named_optimizer
from msml.training.steps import make_optimizer

tensorflow()

RATE, MOMENTUM, L2 = 0.1, 0.9, 0.3
SGD = {"name": "sgd", "learning_rate": RATE, "momentum": MOMENTUM, "l2": L2}
GRADIENTS = [np.array([0.5, -1.0, 2.0], "f"), np.array([0.1, 0.0, -3.0], "f"), np.ones(3, "f")]
START = np.array([1.0, -2.0, 0.5], "f")


def stepped(settings, gradients=GRADIENTS, precision="float32", **fit):
    variable = keras.Variable(START)
    optimizer = make_optimizer(Fit(optimizer=settings, **fit), [variable], precision)

    @tf.function
    def step(gradient):
        optimizer.apply([optimizer.scale_loss(gradient)], [variable])

    for gradient in gradients:
        step(tf.constant(gradient))
    return variable.numpy()


def by_hand(gradients=GRADIENTS, nesterov=False):
    """PyTorch's: v = μ v + (g + λ w), w = w - η v; with Nesterov's, η (g + λ w + μ v)."""
    weight, velocity = START.astype(float), np.zeros(3)
    for gradient in gradients:
        slope = gradient + L2 * weight
        velocity = MOMENTUM * velocity + slope
        weight = weight - RATE * (slope + MOMENTUM * velocity if nesterov else velocity)
    return weight


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
@pytest.mark.parametrize("nesterov", [False, True])
def test_coupled_l2_goes_into_the_momentum(precision, nesterov):
    found = stepped({**SGD, "nesterov": nesterov}, precision=precision)
    assert found == pytest.approx(by_hand(nesterov=nesterov), rel=1e-5)


def test_it_is_not_the_decay_of_keras():
    decoupled = {key: value for key, value in SGD.items() if key != "l2"} | {"weight_decay": L2}
    weight, velocity = START.astype(float), np.zeros(3)
    for gradient in GRADIENTS:
        velocity = MOMENTUM * velocity + gradient
        weight = weight - RATE * L2 * weight - RATE * velocity
    assert stepped(decoupled) == pytest.approx(weight, rel=1e-5)
    assert np.abs(by_hand() - weight).max() > 0.05


def test_clipping_comes_first():
    found = stepped(SGD, clip_norm=0.5)
    clipped = [g * min(1, 0.5 / np.linalg.norm(g)) for g in GRADIENTS]
    assert found == pytest.approx(by_hand(clipped), rel=1e-5)


def test_gradients_are_gathered_first():
    found = stepped({**SGD, "gradient_accumulation_steps": 2}, GRADIENTS[:2])
    assert found == pytest.approx(by_hand([(GRADIENTS[0] + GRADIENTS[1]) / 2]), rel=1e-5)


@pytest.mark.parametrize("name", ["adam", "rmsprop", "nadam", "adagrad", "lion"])
def test_of_any_optimizer_it_is_part_of_the_gradient(name):
    settings = {"name": name, "learning_rate": RATE}
    penalised = GRADIENTS[0] + np.float32(L2) * START
    found = stepped({**settings, "l2": L2}, GRADIENTS[:1])
    assert found == pytest.approx(stepped(settings, [penalised]), rel=1e-5)


def test_a_schedule_moves_its_rate():
    """As with PyTorch: λ stays, and the step follows the rate."""
    schedule = {"name": "cosine", "every": "epoch", "end": 0.01}
    weight, rates = START.astype(float), [RATE, 0.01 + 0.5 * (RATE - 0.01)]
    for rate, gradient in zip(rates, GRADIENTS[:2], strict=True):
        weight = weight - rate * (gradient + L2 * weight)
    settings = {key: value for key, value in SGD.items() if key != "momentum"}
    found = stepped(settings, GRADIENTS[:2], schedule=schedule, epochs=2)
    assert found == pytest.approx(weight, rel=1e-5)


def test_embeddings_too():
    embedding = keras.layers.Embedding(4, 2)
    embedding.build(())
    before = embedding.embeddings.numpy()
    optimizer = named_optimizer({"name": "sgd", "learning_rate": RATE, "l2": L2})
    optimizer.build(embedding.trainable_variables)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(embedding(tf.constant([1, 1])))
    optimizer.apply(tape.gradient(loss, [embedding.embeddings.value]), [embedding.embeddings])
    gradient = np.array([[0, 0], [2, 2], [0, 0], [0, 0]])
    expected = before - RATE * (gradient + L2 * before)
    assert embedding.embeddings.numpy() == pytest.approx(expected, rel=1e-5)


def test_none_is_keras_alone():
    assert stepped({**SGD, "l2": 0}).tobytes() == stepped({**SGD, "l2": None}).tobytes()
    assert stepped({**SGD, "l2": 0}) != pytest.approx(by_hand())


@pytest.mark.parametrize(
    ("value", "problem"),
    [(-1, "expected 0 or more or null, got -1"), ("x", "expected a number or null, got the text")],
)
def test_values_that_make_no_sense(value, problem):
    ((key, text),) = check_optimizer("posttrain.optimizer", {**SGD, "l2": value})
    assert key == "posttrain.optimizer.l2"
    assert problem in text
