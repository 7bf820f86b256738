"""Learning-rate range tests."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from msml.recipe.schema_training import Fit
from msml.training.epoch import Stream
from msml.training.lr_range import RangeTest, Rise, curve, falling, smoothed
from msml.training.steps import make_optimizer

CURVATURE = 50.0
SGD = Fit({"name": "sgd", "learning_rate": 0.3})


def quadratic(rise, settings=SGD, precision="float32"):
    """The loss L w²/2 of each step; its descent diverges where the rate is above 2/L.

    It is infinite in batches that begin with event 10.
    """
    weight = keras.Variable([1.0])
    optimizer = rise.of(make_optimizer(settings, [weight], precision))

    def step(batch):
        with tf.GradientTape() as tape:
            loss = CURVATURE / 2 * tf.reduce_mean(weight.value**2) * batch["one"][0]
            scaled = optimizer.scale_loss(loss)
        optimizer.apply(tape.gradient(scaled, [weight.value]), [weight])
        return tf.stack([0.0, loss])

    stream = Stream({"one": tf.constant([1.0] * 10 + [np.inf])}, 2)
    return RangeTest(step, optimizer, rise.steps, stream, 2, False), weight, optimizer


def test_descent_of_a_quadratic_diverges_at_two_over_its_curvature():
    rise = Rise(0.2 / CURVATURE, 20 / CURVATURE, 41)
    test, _, _ = quadratic(rise)
    losses = test(np.arange(2 * 41) % 10)
    factors = (1 - rise.rates[:-1] * CURVATURE) ** 2
    np.testing.assert_allclose(losses[1:] / losses[:-1], factors, rtol=2e-2, atol=1e-5)
    lowest = int(np.argmin(losses))
    assert rise.rates[lowest - 1] <= 2 / CURVATURE < rise.rates[lowest]


def test_the_rates_of_a_quadratic():
    """So few steps a decade that each stands for itself."""
    rise = Rise(0.03 / CURVATURE, 30 / CURVATURE, 16)
    test, _, _ = quadratic(rise)
    found = curve(test(np.arange(2 * 16) % 10)[None], rise)
    step = rise.rates[1] / rise.rates[0]
    assert rise.smoothing == 1
    assert 2 / CURVATURE <= found.minimum <= 2 / CURVATURE * step
    assert found.minimum < found.diverges <= found.minimum * step**2
    assert found.steepest < found.minimum
    assert np.array_equal(found.low, found.mean)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_twice_is_the_same_bit_for_bit(optimizer):
    """And whoever runs it again sets the variables before; a schedule is left out."""
    rise = Rise(1e-5, 1.0, 60)
    settings = Fit({"name": optimizer}, clip_norm=1.0)
    test, weight, made = quadratic(rise, settings)
    before = [variable.numpy() for variable in (weight, *made.variables)]
    first = test(np.arange(120) % 10)
    for variable, value in zip((weight, *made.variables), before, strict=True):
        variable.assign(value)
    again = test(np.arange(120) % 10)
    other = quadratic(rise, settings)[0](np.arange(120) % 10)
    assert first.tobytes() == again.tobytes() == other.tobytes()
    assert float(made.variables[1].numpy()) == pytest.approx(1.0, rel=1e-5)  # the last rate


def test_steps_that_float16_leaves_out_have_no_place():
    rise = Rise(0.001 / CURVATURE, 0.1 / CURVATURE, 30)
    order = np.arange(60) % 10
    plain, skipping = (quadratic(rise, precision="mixed_float16")[0] for _ in range(2))
    wanted = plain(order)
    order[[6, 20]] = 10
    found = skipping(order)
    assert np.array_equal(found[:-2], wanted[:-2])
    assert np.isnan(found[-2:]).all()
    assert np.isfinite(wanted).all()


def test_smoothing():
    values = np.random.default_rng(1).normal(size=(2, 20))
    mean, kept = np.zeros(2), 1 - 1 / 4
    for place, found in enumerate(smoothed(values, 4).T):
        mean = kept * mean + (1 - kept) * values[:, place]
        np.testing.assert_allclose(found, mean / (1 - kept ** (place + 1)))
    np.testing.assert_allclose(smoothed(np.full(7, 3.0), 4), 3.0)
    assert np.array_equal(smoothed(values, 1), values)
    assert np.array_equal(falling(np.arange(4.0), np.array([3.0, 1.0, 2.0, 0.0])), [3, 1.5, 1.5, 0])


RISE = Rise(1e-7, 10.0, 400)


def measured(scale=1.0, offset=0.0, noise=0.05, repeats=3):
    """Losses that fall around 1e-3 and rise from 1e-1 on."""
    place = np.log10(RISE.rates)
    shape = 1 - 0.8 / (1 + np.exp(-4 * (place + 3))) + np.exp(6 * (place + 0.5))
    noisy = 1 + noise * np.random.default_rng(1).normal(size=(repeats, RISE.steps))
    return offset + scale * shape * noisy


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1e4, 0.0), (1.0, -2.0)])
def test_rates_are_found_in_spite_of_noise(scale, offset):
    found = curve(measured(scale, offset), RISE)
    assert 10**-3.3 < found.steepest < 10**-2.3
    assert 10**-2 < found.minimum < 10**-0.7
    assert 10**-0.7 < found.diverges < 10**0.3
    assert len(found.rates) == len(found.mean) < RISE.steps
    assert (found.low <= found.mean).all()
    assert (found.mean <= found.high).all()


def test_what_is_not_finite_does_not_count():
    losses = measured()
    losses[1, 300:] = np.nan
    losses[0, 310:] = np.inf
    found = curve(losses, RISE)
    assert found.diverges == RISE.rates[300]
    assert len(found.mean) == 300
    nothing = curve(np.full((1, 400), np.inf), RISE)
    assert (nothing.diverges, nothing.minimum, nothing.steepest) == (RISE.rates[0], None, None)
    assert len(nothing.mean) == 0


def test_a_loss_that_only_rises():
    found = curve(np.linspace(1, 2, 400)[None], RISE)
    assert (found.minimum, found.steepest, found.diverges) == (None, None, None)
