"""The unrolled gradient of α against automatic differentiation through the step, in float64."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from msml.strategies.unrolled import TrainPass, alpha_gradient

RATE = 0.3


class TwoTasks:
    """Two candidates for each of two tasks, small enough to differentiate by brute force."""

    def roots(self, weights, batch):
        x, _, _ = batch
        first, second, *_ = weights
        return [tf.tanh(x @ first), tf.sin(x @ second)]

    def losses(self, weights, alphas, roots, batch):
        _, middle, target = batch
        *_, third, fourth = weights
        shares = tf.nn.softmax(alphas[0])
        mixed = shares[0] * roots[0] + shares[1] * roots[1]
        heads = [tf.tanh(mixed) @ third, mixed**2 @ fourth]
        shares = tf.nn.softmax(alphas[1])
        final = shares[0] * heads[0] + shares[1] * heads[1]
        own = sum(tf.reduce_mean((root - middle) ** 2) for root in roots)
        first = tf.reduce_mean((mixed - middle) ** 2)
        second = tf.reduce_mean((final - target) ** 2)
        return [first, second, 0.3 * (first + 0.7 * own) + 0.7 * second]


def case(seed):
    draw = np.random.default_rng(seed).normal
    weights = [tf.constant(draw(size=s)) for s in ((5, 3), (5, 3), (3, 1), (3, 1))]
    alphas = [tf.constant(draw(size=2)), tf.constant(draw(size=2))]
    batches = [
        tuple(tf.constant(draw(size=(events, size))) for size in (5, 3, 1)) for events in (12, 8)
    ]
    return weights, alphas, *batches


def through_the_step(problem, weights, alphas, train, valid):
    """Let TensorFlow differentiate L_valid(w - ζ ∇_w L_train(w, α), α) by α as a whole."""
    with tf.GradientTape() as outer:
        outer.watch(alphas)
        with tf.GradientTape() as inner:
            inner.watch(weights)
            loss = problem.losses(weights, alphas, problem.roots(weights, train), train)[-1]
        gradient = inner.gradient(loss, weights)
        moved = [w - RATE * g for w, g in zip(weights, gradient, strict=True)]
        final = problem.losses(moved, alphas, problem.roots(moved, valid), valid)[-1]
    return [g.numpy() for g in outer.gradient(final, alphas)], [g.numpy() for g in gradient]


def flat(tensors):
    return np.concatenate([np.asarray(t).ravel() for t in tensors])


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_exact_and_difference_against_autodiff(seed):  # C23
    weights, alphas, train, valid = case(seed)
    expected, gradient = through_the_step(TwoTasks(), weights, alphas, train, valid)
    shared = TrainPass(TwoTasks(), weights, train)
    np.testing.assert_allclose(flat(shared.gradient(alphas)[0]), flat(gradient), rtol=1e-10)
    exact = shared.unrolled(alphas, valid, RATE, exact=True)
    np.testing.assert_allclose(flat(exact), flat(expected), rtol=1e-6, atol=1e-12)
    difference = flat(shared.unrolled(alphas, valid, RATE, exact=False))
    first = flat(alpha_gradient(TwoTasks(), weights, alphas, valid))
    size = np.linalg.norm(flat(expected) - first)
    assert np.linalg.norm(difference - flat(expected)) < 2e-3 * size
    assert np.linalg.norm(first - flat(expected)) > 0.1 * size  # the step does matter


def test_the_error_of_the_difference_falls_with_the_square_of_the_radius(monkeypatch):
    weights, alphas, train, valid = case(3)
    expected, _ = through_the_step(TwoTasks(), weights, alphas, train, valid)
    errors = []
    for radius in (0.04, 0.02, 0.01):
        monkeypatch.setattr("msml.strategies.unrolled._RADIUS", radius)
        shared = TrainPass(TwoTasks(), weights, train)
        found = shared.unrolled(alphas, valid, RATE, exact=False)
        errors.append(np.linalg.norm(flat(found) - flat(expected)))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.1)


def test_at_rate_zero_it_is_the_first_order():
    weights, alphas, train, valid = case(1)
    first = alpha_gradient(TwoTasks(), weights, alphas, valid)
    for exact in (True, False):
        found = TrainPass(TwoTasks(), weights, train).unrolled(alphas, valid, 0.0, exact=exact)
        np.testing.assert_allclose(flat(found), flat(first), rtol=1e-12)


class Unseen(TwoTasks):
    """Neither weights behind the roots nor the second root enter the loss."""

    def losses(self, weights, alphas, roots, batch):
        return [tf.nn.softmax(alphas[0])[0] * tf.reduce_mean((roots[0] - batch[1]) ** 2)]


@pytest.mark.parametrize("exact", [True, False])
def test_missing_gradients_are_zero(exact):
    weights, alphas, train, valid = case(2)
    shared = TrainPass(Unseen(), weights, train)
    gradient, _ = shared.gradient(alphas)
    assert [bool(np.any(g)) for g in gradient] == [True, False, False, False]
    found = shared.unrolled(alphas, valid, RATE, exact=exact)
    assert [bool(np.any(g)) for g in found] == [True, False]


@pytest.mark.parametrize("exact", [True, False])
def test_nothing_is_left_of_it_where_valid_is_at_its_minimum(exact):
    """No gradient on valid: the difference must not divide by zero."""

    class Flat(TwoTasks):
        def losses(self, weights, alphas, roots, batch):
            return [0.0 * super().losses(weights, alphas, roots, batch)[-1]]

    weights, alphas, train, valid = case(2)
    found = TrainPass(Flat(), weights, train).unrolled(alphas, valid, RATE, exact=exact)
    assert not np.any(flat(found))
