import keras
import numpy as np
import pytest
import tensorflow as tf
from zoo import ALL, GENERIC, INPUTS, JETS, OF_STUDIES, TAU_MODELS, TAUS, arrays, call, make

from msml.errors import RecipeError
from msml.models.build import build
from msml.registry import models

PRECISIONS = ["float32", "mixed_bfloat16", "mixed_float16"]


@pytest.mark.parametrize(("name", "task"), ALL)
def test_parameter_counts(name, task):
    model = make(name, task)
    assert model.count_params() == models.get(name).facts["parameters"]
    counts = {
        "tau_mlp": 14_359,
        "tau_cnn": 18_847,
        "tau_scale_factor": 6,
        "higgs_mlp": 2_369,
        "higgs_lstm": 21_386,
        "higgs_mass": 4_353,
        "end_to_end": 18_847 + 21_386,
    }
    assert model.count_params() == counts.get(name, 0)


def test_every_model_is_tested():
    assert {name for name, _ in ALL} | GENERIC | OF_STUDIES == set(models.names())


def test_sizes_can_be_set():
    assert make("higgs_lstm", "higgs", bottleneck=False).count_params() == 21_281
    assert make("higgs_mlp", "higgs", units=16, layers=2).count_params() == 112 + 272 + 17
    assert make("tau_mlp", "tau", units=8).count_params() != make("tau_mlp", "tau").count_params()
    cnn = make("tau_cnn", "tau", filters=[4, 4], kernels=[5, 3], pool_after=1, units=8)
    assert cnn.get_layer("convolution_0").count_params() == 5 * 5 * 3 * 4 + 4
    assert make("higgs_mass", "higgs", unit=1.0).get_layer("mass").unit == 1.0


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("name", "task"), ALL)
def test_outputs_are_float32_of_the_right_shape(name, task, precision):
    model = make(name, task, precision=precision)
    outputs = call(model, arrays(task))
    assert outputs.dtype == np.float32
    assert outputs.shape == ((7, 2, 3) if task == "tau" else (7, 1))
    assert np.isfinite(outputs).all()
    assert [tuple(i.shape) for i in model.inputs] == [(None, *shape) for shape in INPUTS[task]]
    assert all(weight.dtype == "float32" for weight in model.weights)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("name", "task"), [pair for pair in ALL if pair[0] not in ("zeros", "noise")]
)
def test_gradients_exist_and_are_those_of_float32(name, task, precision):
    inputs = arrays(task, events=50)

    def gradients(model):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(inputs if len(inputs) > 1 else inputs[0]) ** 2)
        return tape.gradient(loss, model.trainable_variables)

    found = gradients(make(name, task, precision=precision))
    assert all(gradient is not None for gradient in found)
    exact, rough = (
        np.concatenate([np.ravel(g) for g in some]) for some in (gradients(make(name, task)), found)
    )
    assert np.isfinite(rough).all()
    assert rough @ exact / np.linalg.norm(rough) / np.linalg.norm(exact) > 0.95


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("name", "task"), ALL)
def test_survives_saving(name, task, precision, tmp_path):
    model, inputs = make(name, task, precision=precision), arrays(task)
    call(model, inputs)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    expected = call(model, inputs)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert call(loaded, inputs).tolist() == expected.tolist()
    other = make(name, task, seed=2, precision=precision)
    other.load_weights(tmp_path / "model.weights.h5")
    assert call(other, inputs).tolist() == expected.tolist()


@pytest.mark.parametrize("name", TAU_MODELS)
def test_jets_are_treated_alike(name):
    model, inputs = make(name, "tau"), arrays("tau")
    swapped = call(model, [array[:, ::-1] for array in inputs])
    assert swapped[:, ::-1] == pytest.approx(call(model, inputs), abs=1e-6)


@pytest.mark.parametrize("name", TAU_MODELS)
def test_phi_comes_out_wrapped(name):
    model, (jets, images) = make(name, "tau"), arrays("tau", events=200)
    jets[..., 2] = np.random.default_rng(3).uniform(-4, 4, (200, 2))
    phi = call(model, [jets, images])[..., 2]
    assert phi.min() >= -np.float32(np.pi)
    assert phi.max() < np.float32(np.pi)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_scale_factors_begin_as_the_identity(precision):
    jets, images = arrays("tau", events=100)
    jets[..., 2] = np.random.default_rng(3).uniform(-np.pi, np.pi, (100, 2))
    outputs = call(make("tau_scale_factor", "tau", precision=precision), [jets, images])
    assert outputs.tolist() == jets[..., :3].tolist()


def test_scale_factors_need_no_images():
    model = build("tau_scale_factor", [JETS], TAUS, {}, seed=1)
    assert call(model, arrays("tau")[:1]).shape == (7, 2, 3)


def test_three_jets_and_three_taus():
    model = build("tau_cnn", [(3, 4), (3, 16, 16, 3)], (3, 3), {}, seed=1)
    assert model.count_params() == 18_847
    assert build("higgs_lstm", [(3, 3)], (), {}, seed=1).count_params() == 21_386


@pytest.mark.parametrize("task", ["tau", "higgs"])
def test_zeros(task):
    assert not call(make("zeros", task), arrays(task)).any()


def test_initial_weights_are_those_of_keras():
    cnn, lstm = make("tau_cnn", "tau"), make("higgs_lstm", "higgs")
    kernel, bias = cnn.get_layer("convolution_1").get_weights()
    limit = np.sqrt(6 / (9 * 32 + 9 * 16))  # Glorot
    assert 0.97 * limit < abs(kernel).max() <= limit
    assert not bias.any()
    kernel, recurrent, bias = lstm.get_layer("lstm_1").get_weights()
    assert recurrent @ recurrent.T == pytest.approx(np.eye(32), abs=1e-5)
    assert bias.tolist() == [0.0] * 32 + [1.0] * 32 + [0.0] * 64  # input, forget, cell, output


def test_the_unrolled_lstm_is_the_standard_one():
    model, inputs = make("higgs_lstm", "higgs"), arrays("higgs")
    x = keras.ops.convert_to_tensor(inputs[0])
    for layer in model.layers[1:]:
        if isinstance(layer, keras.layers.LSTM):
            loop = keras.layers.LSTM.from_config({**layer.get_config(), "unroll": False})
            loop.build(x.shape)
            loop.set_weights(layer.get_weights())
            x = loop(x)
        else:
            x = layer(x)
    assert np.asarray(x) == pytest.approx(call(model, inputs), abs=1e-6)


def test_the_mass_candidate_sees_the_mass_alone():
    model, (taus,) = make("higgs_mass", "higgs"), arrays("higgs")
    turned = taus + np.array([0, 0, 0.5], dtype="float32")
    assert call(model, [turned]) == pytest.approx(call(model, [taus]), abs=1e-5)
    mass = keras.Model(model.input, model.get_layer("mass").output)
    pair = np.array([[[np.log(62.6), 0, 0], [np.log(62.6), 0, np.pi]]], dtype="float32")
    assert call(mass, [pair]) == pytest.approx(125.0525 / 125, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": [8, 8]}, "2 filters and 4 kernels"),
        ({"units": 0}, "units: expected a number from 1 to 16384, got 0"),
        (
            {"filters": [8], "kernels": [3], "pool_after": 1},
            "pool_after: expected fewer",
        ),
        ({"unit": 3}, "unit: unknown argument of model 'tau_cnn'; did you mean 'units'"),
        ({"kernels": [3, 3, 9, 2]}, "model 'tau_cnn' cannot be built"),
    ],
)
def test_bad_sizes_are_one_line(arguments, message):
    with pytest.raises(RecipeError, match=message) as caught:
        make("tau_cnn", "tau", **arguments)
    assert "\n" not in str(caught.value)


def test_outputs_that_do_not_fit_the_task():
    with pytest.raises(RecipeError, match=r"'higgs_mlp' has outputs of shape \(1,\).*\(2, 3\)"):
        build("higgs_mlp", [TAUS], TAUS, {}, seed=1)
