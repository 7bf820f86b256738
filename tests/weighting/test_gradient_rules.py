"""Rules on gradients: closed forms for two tasks, properties for more."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rules import coefficients, gram, rule, run

from msml.weighting.conflicts import without_conflicts

QUICK = settings(max_examples=40, deadline=None)
NUMBERS = st.floats(-10, 10, width=32).map(lambda x: 0.0 if abs(x) < 1e-2 else x)


def gradients(count):
    return arrays(np.float32, (count, 4), elements=NUMBERS).filter(
        lambda g: (np.linalg.norm(g, axis=1) > 0.1).all()
    )


PAIRS = gradients(2)
SEVERAL = st.integers(2, 5).flatmap(gradients)
SAME = np.ones((2, 4), np.float32)
OPPOSITE = np.array([[1, 0, 0, 0], [-1, 0, 0, 0]], np.float32)


def norms(g):
    return np.linalg.norm(g.astype(np.float64), axis=1)


def direction(name, g, **arguments):
    found = coefficients(rule(name, len(g), **arguments), g)
    assert np.isfinite(found).all()
    return found @ g.astype(np.float64)


@given(PAIRS)
@example(SAME)
@example(OPPOSITE)
@QUICK
def test_imtl_g_of_two(g):
    first, second = norms(g)
    expected = np.array([second, first]) / (first + second)
    assert coefficients(rule("imtl-g"), g) == pytest.approx(expected, rel=1e-3)


@given(PAIRS)
@example(OPPOSITE)
@QUICK
def test_mgda_of_two(g):
    g64 = g.astype(np.float64)
    difference = g64[0] - g64[1]
    if difference @ difference < 1e-2 * max(norms(g)) ** 2:
        return  # any weights will do
    expected = np.clip((g64[1] @ -difference) / (difference @ difference), 0, 1)
    assert coefficients(rule("mgda"), g) == pytest.approx([expected, 1 - expected], abs=1e-3)


@given(PAIRS)
@example(SAME)
@example(OPPOSITE)
@QUICK
def test_pcgrad_of_two(g):
    g64 = g.astype(np.float64)
    inner, squares = g64[0] @ g64[1], norms(g) ** 2
    if inner >= 0:
        assert coefficients(rule("pcgrad"), g) == pytest.approx([1, 1])
    else:
        expected = [1 - inner / squares[0], 1 - inner / squares[1]]
        assert coefficients(rule("pcgrad"), g) == pytest.approx(expected, rel=1e-4)


@given(PAIRS, st.floats(0, 0.9))
@example(SAME, 0.4)
@QUICK
def test_cagrad_of_two(g, c):
    """The dual in one number, on a fine grid."""
    g64 = g.astype(np.float64)
    mean = g64.mean(axis=0)
    x = np.linspace(0, 1, 20001)[:, None]
    mixtures = x * g64[0] + (1 - x) * g64[1]
    lengths = np.linalg.norm(mixtures, axis=1)
    values = mixtures @ mean + c * np.linalg.norm(mean) * lengths
    found = direction("cagrad", g, c=c) * (1 + c**2)
    # Weak duality: no direction does better than the dual's minimum, and ours reaches it.
    assert (g64 @ found).min() == pytest.approx(values.min(), abs=2e-3 * max(norms(g)) ** 2)


def test_cagrad_by_hand():
    """Orthogonal unit gradients: w is 1/2 each, and d is the mean, longer by 1 + c."""
    found = coefficients(rule("cagrad", c=0.4), np.eye(2))
    assert found == pytest.approx([0.5 * 1.4 / 1.16] * 2, rel=1e-5)
    # g1 = (2, 0), g2 = (0, 1), c = 1/2: x/|(2x, 1-x)| is stationary where d points along g_w.
    g = np.array([[2.0, 0.0], [0.0, 1.0]])
    found = coefficients(rule("cagrad", c=0.5), g) * 1.25
    radius = 0.5 * np.sqrt(1.25)
    grid = np.linspace(0, 2 * np.pi, 100001)
    circle = np.array([1, 0.5]) + radius * np.stack([np.cos(grid), np.sin(grid)], 1)
    best = circle[np.argmax((circle @ g.T).min(axis=1))]
    assert found @ g == pytest.approx(best, abs=1e-4)


@given(SEVERAL)
@QUICK
def test_mgda_hurts_no_task(g):
    found = direction("mgda", g)
    assert (g.astype(np.float64) @ found >= found @ found - 1e-3 * norms(g).max() ** 2).all()


@given(SEVERAL, st.integers(0, 99))
@QUICK
def test_mgda_is_the_shortest(g, seed):
    weights = coefficients(rule("mgda", len(g)), g)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)
    other = np.random.default_rng(seed).dirichlet(np.full(len(g), 0.5), 200) @ g
    length = np.linalg.norm(weights @ g)
    assert length <= np.linalg.norm(other, axis=1).min() + 1e-3 * norms(g).max()


@given(SEVERAL, st.floats(0, 0.9))
@QUICK
def test_cagrad_stays_near_the_mean_gradient(g, c):
    found = direction("cagrad", g, c=c) * (1 + c**2)
    mean = g.astype(np.float64).mean(axis=0)
    slack = 1e-3 * norms(g).max()
    assert np.linalg.norm(found - mean) <= c * np.linalg.norm(mean) + slack


@given(SEVERAL, st.floats(0, 0.9), st.integers(0, 99))
@QUICK
def test_cagrad_helps_the_least_helped_task_most(g, c, seed):
    g64 = g.astype(np.float64)
    mean = g64.mean(axis=0)
    found = direction("cagrad", g, c=c) * (1 + c**2)
    steps = np.random.default_rng(seed).normal(size=(200, 4))
    steps *= c * np.linalg.norm(mean) / np.linalg.norm(steps, axis=1, keepdims=True)
    worst = ((mean + steps) @ g64.T).min(axis=1)
    assert (g64 @ found).min() >= worst.max() - 3e-3 * norms(g).max() ** 2


def test_cagrad_without_radius_is_the_mean():
    g = np.random.default_rng(1).normal(size=(3, 4))
    assert coefficients(rule("cagrad", 3, c=0.0), g) == pytest.approx([1 / 3] * 3)


@given(SEVERAL)
@QUICK
def test_pcgrad_leaves_agreeing_gradients_alone(g):
    assert coefficients(rule("pcgrad", len(g)), np.abs(g)) == pytest.approx(np.ones(len(g)))


@given(gradients(3), st.permutations(range(3)))
@QUICK
def test_pcgrad_of_three_by_projections(g, turns):
    g64 = g.astype(np.float64)
    total, clear = np.zeros(4), True
    for i in range(3):
        part = g64[i].copy()
        for j in turns:
            size = np.linalg.norm(part) * np.linalg.norm(g64[j])
            clear = clear and (j == i or abs(part @ g64[j]) > 1e-3 * size)
            if j != i and part @ g64[j] < 0:
                part -= (part @ g64[j]) / (g64[j] @ g64[j]) * g64[j]
        total += part
    found = without_conflicts(gram(g), tf.constant([turns] * 3)).numpy()
    if clear:  # else rounding decides whether there is a conflict
        assert found @ g64 == pytest.approx(total, abs=1e-3 * norms(g).max())


def test_pcgrad_draws_a_new_order_each_batch():
    g = np.array([[1.0, 0, 0.2], [-0.9, 0.3, 0], [-0.8, -0.7, 0.1]])
    weighting = rule("pcgrad", 3)
    seen = {tuple(run(weighting, np.ones(3), g)) for _ in range(20)}
    assert 1 < len(seen) <= 8


@given(gradients(3))
@QUICK
def test_imtl_g_projects_equally(g):
    g64 = g.astype(np.float64)
    units = g64 / norms(g)[:, None]
    if np.linalg.cond(units @ units.T) > 1e3:
        return
    found = coefficients(rule("imtl-g", 3), g)
    assert np.abs(found).sum() == pytest.approx(1, rel=1e-5)
    projections = units @ (found @ g64)
    assert projections == pytest.approx([projections.mean()] * 3, abs=1e-2 * abs(found @ g64).max())
    assert projections.mean() > 0


@pytest.mark.parametrize("name", ["imtl-g", "mgda", "cagrad"])
@given(gradients(3), st.permutations(range(3)))
@QUICK
def test_the_order_of_tasks_does_not_matter(name, g, order):
    units = g / np.linalg.norm(g, axis=1, keepdims=True)
    if np.linalg.cond(units @ units.T) > 1e3:
        return  # many weights give nearly the same direction
    plain, permuted = coefficients(rule(name, 3), g), coefficients(rule(name, 3), g[order])
    assert permuted == pytest.approx(plain[order], abs=1e-3)


@given(gradients(3))
@settings(max_examples=12, deadline=None)
def test_gradients_of_unequal_scale(g):
    """The scale of all gradients together means nothing, and no scale breaks a rule."""
    for name in ("imtl-g", "mgda", "cagrad", "pcgrad"):
        plain = coefficients(rule(name, 3), g)
        assert coefficients(rule(name, 3), g * 2.0**-20) == pytest.approx(plain, abs=1e-4)
        assert np.isfinite(coefficients(rule(name, 3), g * [[1e-6], [1.0], [1e6]])).all()


@pytest.mark.parametrize("name", ["imtl-g", "mgda", "cagrad", "pcgrad", "gradnorm"])
def test_no_gradients_and_no_conflict(name):
    for g in (np.zeros((2, 3)), [[0, 0, 0], [1, 2, 3]], np.ones((3, 3)), [[1.0, 2.0]]):
        assert np.isfinite(coefficients(rule(name, len(g)), g)).all()


def test_mgda_with_very_unequal_gradients():
    found = coefficients(rule("mgda"), [[1e4, 0.0], [0.0, 1.0]])
    assert found == pytest.approx([1e-8, 1.0], rel=1e-4)


@pytest.mark.parametrize("name", ["imtl-g", "mgda", "cagrad", "pcgrad"])
@pytest.mark.parametrize("count", [2, 3])
def test_under_xla(name, count):
    g = np.random.default_rng(count).normal(size=(count, 5))
    weighting = rule(name, count)
    losses, matrix = tf.ones(count), gram(g)
    compiled = tf.function(weighting.coefficients, jit_compile=True, autograph=False)
    expected = weighting.coefficients(losses, matrix).numpy()
    assert compiled(losses, matrix).numpy() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 1.0])  # others ask for norms of another mean than theirs
def test_gradnorm_brings_the_norms_to_their_targets(alpha):
    g, losses = np.array([[3.0, 0.0], [0.0, 0.5]]), np.array([0.4, 0.8])
    weighting = rule("gradnorm", alpha=alpha, learning_rate=0.01)
    assert run(weighting, losses, g, steps=5) == pytest.approx([1, 1])  # in the first epoch
    weighting.after_epoch(np.array([1.0, 1.0], np.float32))
    found = run(weighting, losses, g, steps=400, xla=True)
    weighting.after_epoch(np.array([9.0, 9.0], np.float32))
    assert weighting.state["first"].numpy() == pytest.approx([1, 1])
    assert found.sum() == pytest.approx(2)
    reached, rates = found * norms(g), (losses / losses.mean()) ** alpha
    assert reached == pytest.approx(reached.mean() * rates, rel=0.03)
