"""From α to shares, and mixtures of outputs."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from msml.strategies.darts.alphas import Alphas
from msml.strategies.darts.monitor import entropies, ranking_stays
from msml.strategies.relaxation import SOFTMAX, Relaxation
from msml.strategies.supernet import Supernet, mix

KINDS = ("softmax", "gumbel", "gumbel_hard", "dirichlet")
ALPHA = tf.constant([0.3, -0.5, 1.2])


def drawn(kind, steps, alpha=ALPHA, temperature=1.0):
    """Shares of so many steps, `(steps, candidates)`."""
    relaxation = Relaxation(kind, temperature)
    found = []
    for step in range(steps):
        (numbers,) = relaxation.draw([alpha], tf.constant([step, 7])) or [None]
        found.append(relaxation.shares(alpha, numbers).numpy())
    return np.array(found)


@pytest.mark.parametrize("kind", KINDS)
@given(alpha=st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=6))
@settings(max_examples=10, deadline=None)
def test_shares_are_positive_and_sum_to_one(kind, alpha):
    values = tf.constant(alpha)
    shares = np.concatenate(
        [drawn(kind, 3, values), [Relaxation(kind, 0.5).shares(values, None).numpy()]]
    )
    assert np.all(shares >= 0)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


def test_without_draws():
    softmax = np.exp(ALPHA) / np.exp(ALPHA).sum()
    for kind in ("softmax", "gumbel"):
        np.testing.assert_allclose(Relaxation(kind, 1.0).shares(ALPHA, None), softmax, rtol=1e-6)
    halves = np.exp(2 * ALPHA) / np.exp(2 * ALPHA).sum()
    np.testing.assert_allclose(Relaxation("softmax", 0.5).shares(ALPHA, None), halves, rtol=1e-6)
    concentration = 1 + np.array([0.3, np.exp(-0.5) - 1, 1.2])
    mean = Relaxation("dirichlet", 1.0).shares(ALPHA, None)
    np.testing.assert_allclose(mean, concentration / concentration.sum(), rtol=1e-6)


def test_gumbel_draws_the_largest_with_the_probability_of_the_softmax():
    largest = np.argmax(drawn("gumbel", 2000), axis=1)
    found = np.bincount(largest, minlength=3) / 2000
    np.testing.assert_allclose(found, SOFTMAX.shares(ALPHA, None), atol=0.035)


def test_hard_shares_are_one_candidate_with_the_gradient_of_the_soft_ones():
    hard, soft = drawn("gumbel_hard", 500), drawn("gumbel", 500)
    assert set(np.unique(hard)) == {0.0, 1.0}
    np.testing.assert_array_equal(hard.argmax(axis=1), soft.argmax(axis=1))
    gradients = []
    for kind in ("gumbel_hard", "gumbel"):
        relaxation = Relaxation(kind, 0.7)
        (numbers,) = relaxation.draw([ALPHA], tf.constant([3, 7]))
        with tf.GradientTape() as tape:
            tape.watch(ALPHA)
            value = tf.reduce_sum(relaxation.shares(ALPHA, numbers) * [1.0, -2.0, 5.0])
        gradients.append(tape.gradient(value, ALPHA).numpy())
    np.testing.assert_allclose(*gradients, rtol=1e-6)
    assert Relaxation("gumbel_hard", 1.0).shares(ALPHA, None).numpy().tolist() == [0, 0, 1]


def test_a_low_temperature_is_nearly_one_candidate():
    assert drawn("gumbel", 200, temperature=0.01).max(axis=1).mean() > 0.98


def test_dirichlet_draws_have_its_mean_and_variance():
    shares = drawn("dirichlet", 2000)
    concentration = 1 + np.array([0.3, np.exp(-0.5) - 1, 1.2])
    mean = concentration / concentration.sum()
    np.testing.assert_allclose(shares.mean(axis=0), mean, atol=0.02)
    variance = mean * (1 - mean) / (concentration.sum() + 1)
    np.testing.assert_allclose(shares.var(axis=0), variance, rtol=0.15)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_alpha_through_the_draws(kind):
    relaxation = Relaxation(kind, 1.0)
    (numbers,) = relaxation.draw([ALPHA], tf.constant([1, 2])) or [None]
    with tf.GradientTape() as tape:
        tape.watch(ALPHA)
        first = relaxation.shares(ALPHA, numbers)[0]
    gradient = tape.gradient(first, ALPHA).numpy()
    assert gradient[0] > 0
    assert np.all(gradient[1:] < 0)


def test_tasks_and_steps_draw_different_numbers():
    relaxation = Relaxation("gumbel", 1.0)
    one, other = relaxation.draw([ALPHA, ALPHA], tf.constant([1, 2]))
    again, _ = relaxation.draw([ALPHA, ALPHA], tf.constant([1, 2]))
    later, _ = relaxation.draw([ALPHA, ALPHA], tf.constant([2, 2]))
    assert one.numpy().tolist() == again.numpy().tolist()
    assert one.numpy().tolist() != other.numpy().tolist()
    assert one.numpy().tolist() != later.numpy().tolist()


def test_angles_on_the_circle():
    shares = tf.constant([0.5, 0.5])
    outputs = [tf.constant([[[2.0, 1.0, 3.0]]]), tf.constant([[[4.0, 3.0, -3.0]]])]
    linear = mix(shares, outputs).numpy()
    assert linear.tolist() == [[[3.0, 2.0, 0.0]]]
    circular = mix(shares, outputs, angle=2).numpy()
    assert circular[0, 0, :2].tolist() == [3.0, 2.0]
    assert abs(circular[0, 0, 2]) == pytest.approx(np.pi)
    same = mix(shares, [outputs[0], outputs[0]], angle=2)
    np.testing.assert_allclose(same, outputs[0], rtol=1e-6)


def test_entropy():
    shares = {"a": {"x": 0.5, "y": 0.5}, "b": {"x": 1.0, "y": 0.0}}
    assert entropies(shares) == {"a": pytest.approx(np.log(2)), "b": 0}


def test_a_ranking_that_stays():
    one, other = {"a": {"x": 1.0, "y": 0.5}}, {"a": {"x": 1.0, "y": 1.5}}
    assert not ranking_stays([one], 2)
    assert ranking_stays([one, one], 2)
    assert not ranking_stays([other, one], 2)
    assert ranking_stays([other, one, one], 2)
    assert not ranking_stays([one, one, other], 2)


def test_a_candidate_removed_gives_its_share_to_the_others():
    models = {"first": {"a": None, "b": None}, "second": {"c": None, "d": None, "e": None}}
    alphas = Alphas(Supernet({}, models, 1.0))
    alphas.variables[1].assign([1.0, 2.0, 2.0])
    with alphas.without("second", "d"):
        shares = alphas.shares()
        assert shares["second"]["d"] == 0
        assert shares["second"]["e"] == pytest.approx(np.e / (1 + np.e))
        assert shares["first"] == {"a": 0.5, "b": 0.5}
    assert alphas.values()["second"] == {"c": 1.0, "d": 2.0, "e": 2.0}
