"""The unrolled gradient of α against automatic differentiation through the step, in float64."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from msml.strategies.darts.bilevel import (
    alpha_gradient,
    difference_gradient,
    unrolled_gradient,
)

RATE = 0.3


def two_tasks(batch):
    """Two candidates for each of two tasks, small enough to differentiate by brute force."""

    def loss(weights, alphas):
        x, middle, target = batch
        first, second, third, fourth = weights
        roots = [tf.tanh(x @ first), tf.sin(x @ second)]
        shares = tf.nn.softmax(alphas[0])
        mixed = shares[0] * roots[0] + shares[1] * roots[1]
        heads = [tf.tanh(mixed) @ third, mixed**2 @ fourth]
        shares = tf.nn.softmax(alphas[1])
        final = shares[0] * heads[0] + shares[1] * heads[1]
        own = sum(tf.reduce_mean((root - middle) ** 2) for root in roots)
        first = tf.reduce_mean((mixed - middle) ** 2)
        second = tf.reduce_mean((final - target) ** 2)
        return 0.3 * (first + 0.7 * own) + 0.7 * second

    return loss


def case(seed):
    draw = np.random.default_rng(seed).normal
    weights = [tf.constant(draw(size=s)) for s in ((5, 3), (5, 3), (3, 1), (3, 1))]
    alphas = [tf.constant(draw(size=2)), tf.constant(draw(size=2))]
    batches = [
        tuple(tf.constant(draw(size=(events, size))) for size in (5, 3, 1)) for events in (12, 8)
    ]
    return weights, alphas, *batches


def through_the_step(train, valid, weights, alphas):
    """Let TensorFlow differentiate L_valid(w - ζ ∇_w L_train(w, α), α) by α as a whole."""
    with tf.GradientTape() as outer:
        outer.watch(alphas)
        with tf.GradientTape() as inner:
            inner.watch(weights)
            loss = train(weights, alphas)
        gradient = inner.gradient(loss, weights)
        moved = [w - RATE * g for w, g in zip(weights, gradient, strict=True)]
        final = valid(moved, alphas)
    return [g.numpy() for g in outer.gradient(final, alphas)]


def flat(tensors):
    return np.concatenate([np.asarray(t).ravel() for t in tensors])


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_exact_and_difference_against_autodiff(seed):
    weights, alphas, *batches = case(seed)
    train, valid = map(two_tasks, batches)
    expected = through_the_step(train, valid, weights, alphas)
    exact = unrolled_gradient(train, valid, weights, alphas, RATE)
    np.testing.assert_allclose(flat(exact), flat(expected), rtol=1e-6, atol=1e-12)
    difference = flat(difference_gradient(train, valid, weights, alphas, RATE))
    first = flat(alpha_gradient(valid, weights, alphas))
    size = np.linalg.norm(flat(expected) - first)
    assert np.linalg.norm(difference - flat(expected)) < 2e-3 * size
    assert np.linalg.norm(first - flat(expected)) > 0.1 * size  # the step does matter


def test_the_error_of_the_difference_falls_with_the_square_of_the_radius(monkeypatch):
    weights, alphas, *batches = case(3)
    train, valid = map(two_tasks, batches)
    expected = through_the_step(train, valid, weights, alphas)
    errors = []
    for radius in (0.04, 0.02, 0.01):
        monkeypatch.setattr("msml.strategies.darts.bilevel._RADIUS", radius)
        found = difference_gradient(train, valid, weights, alphas, RATE)
        errors.append(np.linalg.norm(flat(found) - flat(expected)))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.1)


BOTH = pytest.mark.parametrize("gradient", [unrolled_gradient, difference_gradient])


@BOTH
def test_at_rate_zero_it_is_the_first_order(gradient):
    weights, alphas, *batches = case(1)
    train, valid = map(two_tasks, batches)
    first = alpha_gradient(valid, weights, alphas)
    found = gradient(train, valid, weights, alphas, 0.0)
    np.testing.assert_allclose(flat(found), flat(first), rtol=1e-12)


@BOTH
@pytest.mark.parametrize("scale", [1.0, 1024.0])
def test_a_scale_of_the_losses_is_taken_out_again(gradient, scale):
    weights, alphas, *batches = case(4)
    train, valid = map(two_tasks, batches)
    expected = gradient(train, valid, weights, alphas, RATE)
    scaled = [lambda w, a, loss=loss: scale * loss(w, a) for loss in (train, valid)]
    found = gradient(*scaled, weights, alphas, RATE, scale)
    np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-10)


@BOTH
def test_missing_gradients_are_zero(gradient):
    """Only one weight and one α enter the loss."""

    def unseen(batch):
        x, middle, _ = batch
        return lambda weights, alphas: (
            tf.nn.softmax(alphas[0])[0] * tf.reduce_mean((tf.tanh(x @ weights[0]) - middle) ** 2)
        )

    weights, alphas, train, valid = case(2)
    found = gradient(unseen(train), unseen(valid), weights, alphas, RATE)
    assert [bool(np.any(g)) for g in found] == [True, False]


@BOTH
def test_nothing_is_left_of_it_where_valid_is_at_its_minimum(gradient):
    """No gradient on valid: the difference must not divide by zero."""
    weights, alphas, train, valid = case(2)

    def flat_valid(weights, alphas):
        return 0.0 * two_tasks(valid)(weights, alphas)

    found = gradient(two_tasks(train), flat_valid, weights, alphas, RATE)
    assert not np.any(flat(found))
