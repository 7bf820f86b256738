"""Utilities, sampling and convergence of the distribution of ASNG."""

import numpy as np
import pytest
import tensorflow as tf

from msml.strategies.single_path.natural import Distribution, utilities, within


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([0.3, 0.1], [-1, 1]),
        ([0.3, 0.1, 0.2, 0.4], [0, 1, 0, -1]),
        ([0.2, 0.2], [0, 0]),
        ([0.1, 0.2, 0.1, 0.3], [0.5, 0, 0.5, -1]),
        ([0.1, 0.2, 0.3, 0.4, 0.5], [1, 1, 0, -1, -1]),
        ([np.nan, 0.1], [-1, 1]),
        ([np.inf, np.nan], [0, 0]),
        ([1.0] * 6, [0] * 6),
    ],
)
def test_utilities(losses, expected):
    np.testing.assert_allclose(utilities(tf.constant(losses, tf.float32)), expected)


def test_a_floor_under_probabilities():
    np.testing.assert_allclose(within(tf.constant([0.2, 0.3, 0.5]), 0.1), [0.2, 0.3, 0.5], 1e-6)
    found = within(tf.constant([-0.5, 0.5, 1.0]), 0.05).numpy()
    assert found.sum() == pytest.approx(1)
    assert found[0] == pytest.approx(0.05)
    assert found[1] < found[2]
    np.testing.assert_allclose(within(tf.constant([1.0]), 0.1), [1.0])


def shares(distribution):
    return [share.numpy() for share in distribution.shares.values()]


def test_samples_follow_the_distribution():
    distribution = Distribution({"a": 3, "b": 1}, 1.0, 0.1)
    distribution.shares["a"].assign([0.5, 0.2, 0.3])
    uniform = np.stack([(np.arange(1000) + 0.5) / 1000, np.full(1000, 0.999)], axis=1)
    found = distribution.sample(tf.constant(uniform, tf.float32)).numpy()
    assert np.bincount(found[:, 0]).tolist() == [500, 200, 300]
    assert not found[:, 1].any()
    assert [int(number) for number in distribution.mode()] == [0, 0]


def learn(losses, sizes, steps=600, noise=0.0, seed=1, samples=2):
    """Let a distribution find the lowest of separable losses."""
    rng = np.random.default_rng(seed)
    known = [tf.constant(each, tf.float32) for each in losses]
    distribution = Distribution({str(i): n for i, n in enumerate(sizes)}, 1.0, 0.1)

    @tf.function(autograph=False)
    def step(uniform, errors):
        numbers = distribution.sample(uniform)
        parts = [tf.gather(each, numbers[:, i]) for i, each in enumerate(known)]
        distribution.update(numbers, tf.add_n(parts) + errors)

    for _ in range(steps):
        uniform = rng.random((samples, len(sizes)))
        errors = noise * rng.normal(size=samples)
        step(tf.constant(uniform, tf.float32), tf.constant(errors, tf.float32))
    return distribution


@pytest.mark.parametrize(("noise", "samples"), [(0.0, 2), (0.5, 2), (0.5, 4)])
def test_it_finds_the_best_of_a_separable_problem(noise, samples):
    losses = [[0.5, 0.0, 1.0], [1.0, 0.8, 0.6, 0.1]]
    found = learn(losses, (3, 4), noise=noise, samples=samples)
    assert [int(number) for number in found.mode()] == [1, 3]
    for share in shares(found):
        assert share.sum() == pytest.approx(1, abs=1e-5)
        assert share.min() >= 0.1 / len(share) - 1e-6
        assert share.max() > 0.7


def test_the_order_of_candidates_does_not_matter():
    first = learn([[0.5, 0.0, 1.0]], (3,), steps=0)
    second = learn([[0.5, 0.0, 1.0]], (3,), steps=0)
    rng = np.random.default_rng(1)
    swap = np.array([2, 0, 1])
    for _ in range(20):
        numbers, losses = rng.integers(3, size=(2, 1)), rng.random(2)
        first.update(tf.constant(numbers), tf.constant(losses, tf.float32))
        second.update(tf.constant(swap[numbers]), tf.constant(losses, tf.float32))
    np.testing.assert_allclose(shares(first)[0], shares(second)[0][swap], rtol=1e-4)
    assert shares(first)[0].std() > 0.01


def test_steps_become_shorter_where_all_is_noise():
    noise = learn([[0.0, 0.0, 0.0]], (3,), noise=1.0, steps=300)
    clear = learn([[0.0, 1.0, 2.0]], (3,), steps=300)
    assert float(noise.state["shortening"]) > 5 * float(clear.state["shortening"])


def test_nothing_moves_where_all_are_as_good():
    distribution = Distribution({"a": 2, "b": 1}, 1.0, 0.1)
    before = [v.numpy() for v in [*distribution.shares.values(), *distribution.state.values()]]
    distribution.update(tf.constant([[0, 0], [1, 0]]), tf.constant([0.3, 0.3]))
    after = [v.numpy() for v in [*distribution.shares.values(), *distribution.state.values()]]
    for a, b in zip(before, after, strict=True):
        assert np.array_equal(a, b)


def test_the_first_step_by_hand():
    """Two candidates, one task: the gradient is (u1 - u2)/2 along (1, -1), of length 1 as scaled.

    With shares of 1/2 the scaled direction is (1, -1)/√2, so the shares move by (1, -1)/2 · δ.
    """
    distribution = Distribution({"a": 2}, 0.2, 0.1)
    distribution.update(tf.constant([[0], [1]]), tf.constant([0.1, 0.3]))
    np.testing.assert_allclose(shares(distribution)[0], [0.6, 0.4], rtol=1e-6)
    fading = 0.2  # δ/√1
    weight = fading * (2 - fading)
    state = {name: variable.numpy() for name, variable in distribution.state.items()}
    np.testing.assert_allclose(state["path/a"], np.sqrt(weight / 2) * np.array([1, -1]), rtol=1e-6)
    assert state["weight"] == pytest.approx(weight, rel=1e-6)
    assert state["shortening"] == pytest.approx(np.exp(fading * weight * (1 - 1 / 1.5)), rel=1e-6)
