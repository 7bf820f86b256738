from dataclasses import replace

import numpy as np
import pytest

from msml.data.kinematics import wrap_phi
from msml.errors import DivergedError
from msml.metrics import average
from msml.recipe.schema_evaluation import Validity
from msml.training.checkpoint import load_arrays, save_arrays
from msml.training.environment import tensorflow
from msml.validity import training
from msml.validity.bands import groups, inside, nominal, size
from msml.validity.reference import Scaling, reference_of, robust_scaling, targets_of
from msml.validity.training import train_process, train_reference

SETTINGS = Validity(latents=2, inducing=15, epochs=30, batch_size=50, learning_rate=0.05)
NOISE = np.array([0.1, 0.4])


def functions(inputs):
    return np.stack([np.sin(2 * inputs[:, 0]), 0.5 * inputs[:, 0] - inputs[:, 1] ** 2], axis=1)


def analytic(events, seed):
    rng = np.random.default_rng(seed)
    inputs = rng.uniform(-1.5, 1.5, (events, 2))
    return inputs, functions(inputs) + NOISE * rng.normal(size=(events, 2))


@pytest.fixture(scope="module")
def trained():
    inputs, targets = analytic(1000, 1)
    return train_process(inputs, targets, np.ones(1000), SETTINGS)


def test_a_known_function_and_known_noise_of_each_output(trained):
    inputs, _ = analytic(500, 2)
    mean, variance = trained.predict(inputs)
    assert (np.sqrt(np.mean((mean - functions(inputs)) ** 2, axis=0)) < [0.05, 0.15]).all()
    np.testing.assert_allclose(np.sqrt(trained.noise), NOISE, rtol=0.15)
    assert (variance > trained.noise).all()


@pytest.mark.slow
def test_far_from_all_events_it_knows_little(trained):
    near, far = trained.predict(np.zeros((1, 2)))[1], trained.predict(np.full((1, 2), 50.0))[1]
    assert (far > 3 * near).all()


@pytest.mark.slow
def test_the_arrays_predict_what_gpflow_does():
    tensorflow()
    rng = np.random.default_rng(3)
    inputs, targets = rng.normal(size=(40, 5)), rng.normal(size=(40, 3))
    settings = replace(SETTINGS, latents=4, inducing=7)
    model = training._model(inputs, targets, settings)
    for variable in model.trainable_variables:
        variable.assign(variable.numpy() + 0.3 * rng.normal(size=variable.shape))
    mean, variance = training._process(model).predict(inputs)
    expected = model.predict_y(inputs)
    np.testing.assert_allclose(mean, expected[0].numpy(), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(variance, expected[1].numpy(), rtol=1e-8, atol=1e-10)


def test_events_of_weight_0_do_not_count():
    inputs, targets = analytic(1000, 4)
    weight = np.where(np.arange(1000) % 2, 2.0, 0.0)
    targets[::2] = np.random.default_rng(5).normal(size=(500, 2))
    process = train_process(inputs, targets, weight, SETTINGS)
    # 0.13 and 0.41 here, as of the good events alone; 0.84 and 0.96 were all to count.
    np.testing.assert_allclose(np.sqrt(process.noise), NOISE, rtol=0.4)


def test_the_same_again_bit_for_bit(trained):
    inputs, targets = analytic(1000, 1)
    again = train_process(inputs, targets, np.ones(1000), SETTINGS)
    for name, array in vars(trained).items():
        assert array.tobytes() == vars(again)[name].tobytes(), name


def test_a_number_that_is_not_finite_ends_training():
    inputs, targets = analytic(100, 6)
    targets[7, 1] = np.nan
    with pytest.raises(DivergedError, match="the reference diverged in epoch 1; try a smaller"):
        train_process(inputs, targets, np.ones(100), replace(SETTINGS, epochs=2))


def test_progress_and_stopping():
    inputs, targets = analytic(100, 7)
    seen = []

    def stop_in_the_third(epoch, loss):
        seen.append((epoch, loss))
        if epoch == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train_process(inputs, targets, np.ones(100), SETTINGS, stop_in_the_third)
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    assert seen[2][1] < seen[0][1]


# Jets with taus near them: momenta fall off the jet's by known factors.
WIDTH = np.array([[0.2, 0.04, 0.05], [0.3, 0.05, 0.02]])


def jets_and_taus(events, seed):
    rng = np.random.default_rng(seed)
    jets = np.stack(
        [
            rng.uniform(3, 4.5, (events, 2)),
            rng.uniform(-2, 2, (events, 2)),
            rng.uniform(-np.pi, np.pi, (events, 2)),
            rng.uniform(0.5, 1.5, (events, 2)),
        ],
        axis=-1,
    )
    taus = jets[..., :3] + [0.3, 0, 0] + WIDTH * rng.normal(size=(events, 2, 3))
    taus[..., 2] = wrap_phi(taus[..., 2])
    return jets, taus


@pytest.fixture(scope="module")
def reference():
    jets, taus = jets_and_taus(2000, 1)
    return train_reference(
        jets, taus, np.ones(2000), Validity(epochs=15, inducing=10, learning_rate=0.03)
    )


def test_calibration_on_normal_data(reference):
    jets, taus = jets_and_taus(4000, 2)
    bands = reference.bands(jets)
    np.testing.assert_allclose(np.median(bands.std, axis=0), WIDTH, rtol=0.12)
    pulls = bands.pulls(taus)
    for sigma in (1, 2, 3):
        for name, group in groups(2, "taus").items():
            expected = nominal(sigma, size(2, group))
            found = average(inside(pulls, sigma, group), np.ones(len(jets)))
            assert found == pytest.approx(expected, abs=0.05), (name, sigma)


@pytest.mark.slow
def test_phi_across_pi_is_as_near_as_elsewhere(reference):
    jets, taus = jets_and_taus(4000, 3)
    crossed = np.abs(taus[..., 2] - jets[..., 2]) > np.pi
    assert crossed.sum() > 20
    pulls = reference.bands(jets).pulls(taus)[..., 2]
    assert np.abs(pulls[crossed]).max() < 5


def test_targets_are_seen_from_the_jet():
    jets = np.array([[[3.0, 1.0, 3.1, 1.0], [4.0, -1.0, -3.1, 1.0]]])
    taus = np.array([[[3.5, 1.25, -3.1], [4.5, -1.5, 3.1]]])
    turn = 2 * np.pi - 6.2
    np.testing.assert_allclose(targets_of(taus, jets), [[3.5, 0.25, turn, 4.5, -0.5, -turn]])


def test_the_file_gives_it_again(reference, tmp_path):
    save_arrays(tmp_path / "reference.h5", reference.arrays(), {})
    again = reference_of(load_arrays(tmp_path / "reference.h5")[0])
    jets, _ = jets_and_taus(30, 4)
    assert again.bands(jets).mean.tobytes() == reference.bands(jets).mean.tobytes()
    assert again.bands(jets).std.tobytes() == reference.bands(jets).std.tobytes()


def test_weights_count_in_the_scaling():
    values = np.array([[1.0], [2.0], [3.0], [50.0]])
    again = robust_scaling(np.repeat(values, [3, 3, 3, 1], axis=0))
    found = robust_scaling(values, np.array([3.0, 3, 3, 1]))
    assert (found.centre, found.scale) == (again.centre, 2.0)
    same = robust_scaling(values, np.full(4, 0.5))
    assert same.scale == robust_scaling(values).scale


def test_a_constant_input_is_scaled_by_1():
    values = np.array([[1.0, 0], [1, 4], [1, 8]])
    found = robust_scaling(values)
    assert isinstance(found, Scaling)
    np.testing.assert_array_equal(found.apply(values), [[0, -1], [0, 0], [0, 1]])
