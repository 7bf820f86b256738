"""Models of plugins whose state is not all in their variables."""

import random
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from recipe_schema import write
from training import RECIPE, mistakes, write_events

from msml.checks.state import state_problem
from msml.models.build import build
from msml.registry import models

_SHARED = keras.layers.Dense(1, name="shared")
_SHARED.build((None, 6))


class Model(keras.Model):
    """Six numbers to one, by layers of its own."""

    def __init__(self):
        super().__init__()
        self.first, self.last = keras.layers.Dense(4), keras.layers.Dense(1)

    def call(self, x):
        return self.last(self.inner(self.first(x)))

    def inner(self, x):
        return x


class Lazy(Model):
    def build(self, shape):
        self.norm, self.drop = keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)

    def inner(self, x):
        return self.drop(self.norm(x))


class OwnDraws(Model):
    def __init__(self):
        super().__init__()
        self.generator = keras.random.SeedGenerator()

    def inner(self, x):
        return x + keras.random.normal(x.shape, seed=self.generator)


class Statistics(keras.layers.Layer):
    """Counts calls, also those outside of training."""

    def build(self, shape):
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.calls.assign_add(1.0)
        return x + 0 * self.calls


class Always(Model):
    def __init__(self):
        super().__init__()
        self.count = Statistics(name="count")

    def inner(self, x):
        return self.count(x)


class GlobalDraws(Model):
    def inner(self, x):
        return x + keras.random.normal((1,))


class PythonDraws(Model):
    def inner(self, x):
        return x + random.random()


class HiddenLayer(Model):
    def __init__(self):
        super().__init__()
        layer = keras.layers.Dense(4)
        self.apply = lambda x: layer(x)

    def inner(self, x):
        return self.apply(x)


class PlainVariable(Model):
    def __init__(self):
        super().__init__()
        self.factor = tf.Variable(2.0, name="factor")

    def inner(self, x):
        return x * self.factor


class OtherWeights(Model):
    def __init__(self):
        super().__init__()
        constant = keras.initializers.Constant(np.random.default_rng().random())
        self.first = keras.layers.Dense(4, bias_initializer=constant)


class TensorflowDraws(Model):
    def inner(self, x):
        return x + tf.random.normal((4,))


def shared():
    x = keras.Input((6,))
    return keras.Model(x, _SHARED(x))


@pytest.fixture
def events():
    return write_events()


@pytest.fixture
def made():
    """Register builders under the name `mine`, and give what makes such a model."""

    def register(builder):
        models.register("mine")(lambda *shapes: builder())
        return lambda: build("mine", [(6,)], (1,), {}, seed=3)

    yield register
    models.forget(__name__)


@pytest.mark.parametrize("builder", [Model, Lazy, OwnDraws])
def test_models_that_keep_all_in_their_variables(made, builder):
    assert state_problem(made(builder), [(6,)], [False]) is None


@pytest.mark.parametrize(
    ("builder", "expected"),
    [
        (Always, "changes 'always/count/variable"),
        (GlobalDraws, "draws random numbers that do not follow from its seed"),
        (PythonDraws, "draws random numbers that do not follow from its seed"),
        (HiddenLayer, "uses 'hidden_layer/bias', which is none of its variables"),
        (PlainVariable, "uses 'factor', which is none of its variables"),
        (OtherWeights, "begins with other weights each time"),
        (shared, "shares variables with another model of this name"),
    ],
)
def test_models_that_do_not(made, builder, expected):
    problem = state_problem(made(builder), [(6,)], [False])
    assert problem is not None
    assert problem.startswith(expected)
    assert "\n" not in problem


def test_tensorflow_itself_refuses_draws_without_a_seed(made):
    tf.random.set_seed(None)  # another test may have set one
    with pytest.raises(RuntimeError, match="Random ops require a seed"):
        state_problem(made(TensorflowDraws), [(6,)], [False])


PLUGIN = """\
import keras
from msml.registry import models

class Mine(keras.Model):
    def __init__(self):
        super().__init__()
        self.last = keras.layers.Dense(1)
    def call(self, x):
        x = keras.ops.reshape(x, (-1, 6))
        return self.last(x + keras.random.normal((6,)))

@models.register("mine")
def mine(taus):
    return Mine()
"""
HALF = """\
from msml.registry import models
@models.register("mine")
def mine(taus):
    import keras
    x = keras.Input(taus)
    return keras.Model(x, keras.layers.Dense(1)(keras.layers.Flatten()(x)))
"""


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize(
    ("plugin", "precision", "expected"),
    [
        (
            PLUGIN,
            "float32",
            "model 'mine' draws random numbers that do not follow from its seed; draw by a "
            "keras.random.SeedGenerator that is one of its attributes",
        ),
        (
            HALF,
            "mixed_bfloat16",
            "model 'mine' has the output 'output' of bfloat16; expected a last layer of dtype "
            "float32",
        ),
    ],
)
def test_validate_refuses_them_in_one_line(plugin, precision, expected):
    write(plugin, "mine.py")
    text = RECIPE.replace("model: higgs_mlp", "model: mine") + "plugins: [mine.py]\n"
    try:
        found = mistakes(f"{text}precision: {precision}\n", fast=False)
    finally:
        models.forget(str(Path("mine.py").resolve()))
    assert found == [f"r.yaml:23: tasks.label_of.candidates.mlp: {expected} (inputs (2, 3))"]
