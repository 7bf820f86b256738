import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from zoo import ALL, TAU_INPUTS, TAUS, arrays, call, make

from msml.errors import RecipeError
from msml.models.build import build
from msml.registry import models

WITH_RANDOM_WEIGHTS = [
    pair for pair in ALL if pair[0] not in ("zeros", "noise", "tau_scale_factor")
]


def kernels(model):
    return [weight.numpy() for weight in model.weights if len(weight.shape) > 1]


@pytest.mark.parametrize(("name", "task"), WITH_RANDOM_WEIGHTS)
def test_weights_follow_from_the_seed_alone(name, task):
    first = kernels(make(name, task, seed=5))
    keras.utils.set_random_seed(99)
    make("tau_cnn", "tau", seed=7)
    tf.random.normal(())
    again = kernels(make(name, task, seed=5))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    other = kernels(make(name, task, seed=6))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    distinct = {kernel.tobytes() for kernel in first}
    assert len(distinct) == len(first), "two layers have the same weights"


def test_precision_does_not_change_the_weights():
    exact, rough = make("tau_cnn", "tau"), make("tau_cnn", "tau", precision="mixed_bfloat16")
    assert all(np.array_equal(a, b) for a, b in zip(kernels(exact), kernels(rough), strict=True))
    close = call(rough, arrays("tau"))[..., :2]
    assert close == pytest.approx(call(exact, arrays("tau"))[..., :2], abs=0.2)


def test_global_state_is_left_alone():
    random.seed(3)
    expected = random.random()
    random.seed(3)
    make("tau_mlp", "tau", precision="mixed_float16")
    assert random.random() == expected
    assert keras.config.dtype_policy().name == "float32"


def test_layer_names_do_not_depend_on_what_was_built_before():
    first, second = make("tau_cnn", "tau"), make("tau_cnn", "tau")
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]
    assert [weight.path for weight in first.weights] == [weight.path for weight in second.weights]


def test_unknown_names():
    with pytest.raises(RecipeError, match="unknown model 'tau_cn'; did you mean 'tau_cnn'"):
        build("tau_cn", TAU_INPUTS, TAUS, {}, seed=1)
    with pytest.raises(RecipeError, match="unknown precision 'mixed_float15'"):
        make("tau_mlp", "tau", precision="mixed_float15")


def test_what_is_no_model_is_refused():
    models.register("no_model")(lambda jets, images: 3)
    try:
        with pytest.raises(RecipeError, match="'no_model' is of type int, not a keras"):
            build("no_model", TAU_INPUTS, TAUS, {}, seed=1)
    finally:
        models.forget(__name__)
    assert "no_model" not in models.names()


def generator(model):
    return model.get_layer("noise").seed_generator.state


@pytest.mark.parametrize("compiled", [False, True])
def test_noise_is_new_at_each_call_and_repeats_from_its_state(compiled):
    model, inputs = make("noise", "tau"), arrays("tau", events=2000)
    run = tf.function(model) if compiled else model
    state = generator(model).numpy()
    first, second = np.asarray(run(inputs)), np.asarray(run(inputs, training=True))
    assert (first != second).all()
    assert first.mean() == pytest.approx(0, abs=0.05)
    assert first.std() == pytest.approx(1, abs=0.05)
    generator(model).assign(state)
    assert np.asarray(run(inputs)).tolist() == first.tolist()
    assert np.asarray(run(inputs)).tolist() == second.tolist()


def test_the_state_of_noise_is_found_in_the_model():
    model = make("noise", "tau")
    assert [variable.shape for variable in model.non_trainable_variables] == [(2,)]
    assert model.non_trainable_variables[0] is generator(model)
    assert model.weights == []


def test_noise_follows_from_the_seed():
    one, same, other = (call(make("noise", "higgs", seed=s), arrays("higgs")) for s in (1, 1, 2))
    assert one.tolist() == same.tolist()
    assert (one != other).all()
