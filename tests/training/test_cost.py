"""Floating-point operations, counted as they are by hand, and times."""

import numpy as np
import pytest
from small import small_chain

from msml.chain import Chain
from msml.models.build import build
from msml.models.each import Each
from msml.recipe.expand import ModelSpec, TaskSpec
from msml.training.cost import flops, latency
from msml.training.environment import tensorflow

tf = tensorflow()


def chain(model, inputs=("x",)):
    spec = TaskSpec("t", inputs, "y", 1.0, "mse", {}, (), {"any": ModelSpec("zeros", {}, "any")})
    return Chain({"t": spec}, {"t": model})


def events(*shapes, rows=5):
    return {name: tf.zeros((rows, *shape)) for name, shape in zip("xmz", shapes, strict=False)}


def test_dense_layers():
    """Two for each weight of a matrix, one for each bias; ReLU is none."""
    model = build("mlp", [(4,)], (1,), {"units": 8, "layers": 2}, 1, "float32")
    by_hand = 2 * (4 * 8 + 8 * 8 + 8 * 1) + 8 + 8 + 1
    assert flops(chain(model), events((4,))) == by_hand


def test_a_chain_is_the_sum_of_its_models():
    whole = small_chain()
    columns = {"jets": tf.zeros((1, 2, 4)), "calo_images": tf.zeros((1, 2, 12, 12, 3))}
    columns["taus"] = tf.zeros((1, 2, 3))
    parts = [Chain(whole.tasks, {task: model}) for task, model in whole.models.items()]
    counts = [flops(part, {n: columns[n] for n in part.input_columns()}) for part in parts]
    assert flops(whole, {n: columns[n] for n in whole.input_columns()}) == sum(counts)


def test_convolutions():
    import keras

    inputs = keras.Input((6, 6, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(4, 3, padding="same")(inputs))
    assert flops(chain(model), events((6, 6, 3))) == 36 * 4 * (2 * 3 * 3 * 3 + 1)


def test_sums_over_letters():
    """`Einsum`, of which TensorFlow's profiler does not know."""
    import keras

    class Products(keras.layers.Layer):
        def call(self, x):
            return tf.einsum("bnd,bmd->bnm", x, x)

    inputs = keras.Input((5, 7))
    model = keras.Model(inputs, Products()(inputs))
    assert flops(chain(model), events((5, 7))) == 2 * 5 * 5 * 7


def test_recurrent_layers():
    """Four gates of matrices and biases for each step, and three products and a sum of states."""
    model = build("lstm", [(3, 4)], (1,), {"units": 8, "layers": 1}, 1, "float32")
    counted = flops(chain(model), events((3, 4)))
    matrices = 3 * 4 * 2 * 8 * (4 + 8)
    assert matrices < counted < 1.3 * matrices + 2 * 8 * 32


def test_all_objects_of_an_event_are_taken_for_real():
    """However many are; a model of each has so many times its operations."""
    one = build("mlp", [(4,)], (1,), {"units": 8, "layers": 1}, 1, "float32")
    each = Each(objects=5, real=1)
    model = each.apply(one, [(5, 4), (5,)])
    alone = flops(chain(one), events((4,)))
    found = flops(chain(model, ("x", "m")), events((5, 4), (5,)))
    assert 5 * alone <= found < 5 * (alone + 5)  # and a few, to find the objects


def test_what_hides_its_operations_is_not_counted():
    import keras

    class Loop(keras.layers.Layer):
        def call(self, x):
            return keras.ops.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, 2 * y), (0, x))[1]

    inputs = keras.Input((4,))
    assert flops(chain(keras.Model(inputs, Loop()(inputs))), events((4,))) is None


def test_a_time_of_any_batch_and_noise_that_stays():
    model = build("noise", [(4,)], (1,), {}, 1, "float32")
    (state,) = (v for v in model.variables if v not in model.weights)
    before = np.array(state)
    assert 0 < latency(chain(model), events((4,)), 7) < 1
    np.testing.assert_array_equal(np.array(state), before)


@pytest.mark.parametrize("size", [1, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_larger_model_takes_longer(size):
    small, large = (
        build("mlp", [(4,)], (1,), {"units": units, "layers": 4}, 1, "float32")
        for units in (8, 2048)
    )
    shape = events((4,))
    assert latency(chain(small), shape, size) < latency(chain(large), shape, size)
