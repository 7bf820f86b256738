"""Adam in one operation against Keras's."""

import numpy as np
import pytest

from msml.recipe.schema_training import Fit
from msml.training.environment import tensorflow
from msml.training.schedules import follow
from msml.training.steps import make_optimizer

tensorflow()
import keras  # noqa: E402


def descended(optimizer, variables, steps=7):
    rng = np.random.default_rng(3)
    for _ in range(steps):
        gradients = [keras.ops.convert_to_tensor(rng.normal(size=v.shape)) for v in variables]
        optimizer.apply([keras.ops.cast(g, "float32") for g in gradients], variables)
    return [v.numpy() for v in variables]


def variables():
    rng = np.random.default_rng(1)
    return [keras.Variable(rng.normal(size=shape), dtype="float32") for shape in [(4, 3), (3,)]]


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "adam"},
        {"name": "adam", "learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-2},
        {"name": "adam", "clipnorm": 0.5, "gradient_accumulation_steps": 2},
        {"name": "adamw", "weight_decay": 0.1},
    ],
)
def test_as_keras(arguments):
    known = {key: value for key, value in arguments.items() if key != "name"}
    theirs = keras.optimizers.get({"class_name": arguments["name"], "config": known})
    ours, same = variables(), variables()
    theirs.build(same)
    found = descended(make_optimizer(Fit(optimizer=arguments), ours, "float32"), ours)
    for one, other in zip(found, descended(theirs, same), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
        assert not np.array_equal(one, variables()[0])


def test_momentum_of_a_schedule():
    schedule = {"name": "one_cycle", "rise": 1, "high": 0.95, "low": 0.8}
    settings = Fit(optimizer={"name": "adam", "learning_rate": 0.1}, epochs=4, schedule=schedule)
    ours, same = variables(), variables()
    theirs = keras.optimizers.Adam(0.1)
    theirs.build(same)
    found = descended(make_optimizer(settings, ours, "float32", 2), ours)
    for one, other in zip(found, descended(follow(theirs, settings, 2), same), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_gradients_of_an_embedding():
    """They are of the rows that were looked up only; all moments fade nevertheless."""
    found = []
    for fused in (True, False):
        table = keras.Variable(np.ones((4, 2)), dtype="float32")
        optimizer = make_optimizer(Fit(), [table], "float32") if fused else keras.optimizers.Adam()
        for row in (1, 2):
            rows = tensorflow().IndexedSlices([[0.5, -1.0]], [row], dense_shape=[4, 2])
            optimizer.apply([rows], [table])
        found.append(table.numpy())
    np.testing.assert_allclose(*found, rtol=1e-5)
    assert (found[0][[0, 3]] == 1).all()
