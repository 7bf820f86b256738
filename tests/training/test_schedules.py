"""Schedules: closed forms at given steps, and optimizers that follow them."""

import keras
import numpy as np
import pytest
import small
import tensorflow as tf

from msml.errors import RecipeError
from msml.recipe.schema_training import Fit
from msml.training.schedules import make_schedule
from msml.training.steps import make_optimizer

CYCLE = {"name": "one_cycle", "rise": 5, "start": 1e-4}


def fit(schedule, epochs=15, rate=1e-2, optimizer="adam"):
    return Fit({"name": optimizer, "learning_rate": rate}, epochs=epochs, schedule=schedule)


def rates(schedule, at, **settings):
    made = make_schedule(fit(schedule, **settings))
    return [float(made.learning_rate(tf.constant(epoch, tf.float32))) for epoch in at]


def test_one_cycle():
    middle = lambda a, b: (a + b) / 2  # noqa: E731
    found = rates(CYCLE, [0, 2.5, 5, 10, 15, 20])
    assert found == pytest.approx([1e-4, middle(1e-4, 1e-2), 1e-2, 5e-3, 0, 0], abs=1e-8)
    made = make_schedule(fit(CYCLE))
    momenta = [float(made.momentum(tf.constant(e, tf.float32))) for e in (0, 2.5, 5, 10, 15)]
    assert momenta == pytest.approx([0.95, 0.9, 0.85, 0.9, 0.95])
    usual = rates({"name": "one_cycle"}, [0, 3, 10], epochs=10)
    assert usual == pytest.approx([1e-4, 1e-2, 0], abs=1e-8)


def test_cosine_with_restarts():
    schedule = {"name": "cosine", "length": 1, "multiply": 2, "end": 1e-3}
    found = rates(schedule, [0, 0.5, 1, 2, 3, 5, 7], rate=3e-3)
    assert found == pytest.approx([3e-3, 2e-3, 3e-3, 2e-3, 3e-3, 2e-3, 3e-3])
    transfer = {"name": "cosine", "end": 1e-4, "every": "epoch"}
    expected = [1e-4 + 0.5 * 9.9e-3 * (1 + np.cos(np.pi * e / 100)) for e in (0, 25, 50, 75, 99)]
    assert rates(transfer, [0.9, 25, 50.5, 75, 99.99], epochs=100) == pytest.approx(
        expected, rel=1e-5
    )
    assert expected == pytest.approx([0.01, 0.00855, 0.00505, 0.00155, 1.02e-4], rel=5e-3)


def test_warmup():
    found = rates({"name": "constant", "warmup": 2}, [0, 0.5, 2, 9])
    assert found == pytest.approx([0, 2.5e-3, 1e-2, 1e-2])
    assert rates({"name": "constant"}, [0, 7]) == pytest.approx([1e-2, 1e-2])


@pytest.mark.parametrize(
    ("schedule", "optimizer", "problem"),
    [
        ({"name": "one_cycle", "rise": 15}, "adam", "expected fewer than the 15 epochs"),
        ({"name": "one_cycle", "high": None}, "adam", "expected both"),
        ({"name": "one_cycle"}, "sgd", "the momentum of 'sgd' cannot change"),
    ],
)
def test_what_does_not_fit(schedule, optimizer, problem):
    with pytest.raises(RecipeError, match=problem):
        make_schedule(fit(schedule, optimizer=optimizer))


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
@pytest.mark.parametrize("optimizer", ["adam", "nadam", "lion"])
def test_an_optimizer_follows(optimizer, precision):
    """Against a fresh Keras optimizer that is set by hand before each step."""
    settings = fit({"name": "one_cycle", "rise": 1, "start": 1e-3}, epochs=3, optimizer=optimizer)
    made, steps = make_schedule(settings), 4
    ours, theirs = keras.Variable([1.0, -2.0]), keras.Variable([1.0, -2.0])
    by_msml = make_optimizer(settings, [ours], precision, steps)
    by_hand = keras.optimizers.get(
        {"class_name": optimizer, "config": {"learning_rate": 1e-2, "beta_1": 0.95}}
    )
    by_hand.build([theirs])
    scale = float(by_msml.scale_loss(1.0))

    @tf.function
    def step(gradient):
        by_msml.apply([gradient * scale], [ours])

    for number in range(10):
        gradient = tf.constant([0.3 + number, 1.0])
        step(gradient)
        epoch = tf.constant(number / steps, tf.float32)
        by_hand.learning_rate = float(made.learning_rate(epoch))
        by_hand.beta_1 = float(made.momentum(epoch))
        by_hand.apply([gradient], [theirs])
        assert ours.numpy() == pytest.approx(theirs.numpy(), rel=2e-5)


def test_a_constant_schedule_is_the_plain_optimizer():
    chain = small.small_chain()
    assert isinstance(
        make_optimizer(Fit(), chain.variables(), "float32"), keras.optimizers.Optimizer
    )
