"""Rules that weigh losses, against fixed points and cases worked by hand."""

import numpy as np
import pytest
import tensorflow as tf
from rules import coefficients, rule, run


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize(
    ("name", "classification", "expected"),
    [
        ("seed", (False, True), lambda loss: loss),
        ("kendall", (True, True), lambda loss: 2 * loss),
        ("kendall", (False, False), lambda loss: loss),
        ("log1p", (False, True), lambda loss: (loss + np.sqrt(loss**2 + 8 * loss)) / 4),
    ],
)
def test_uncertainties_end_at_their_fixed_points(name, classification, expected, xla):
    losses = np.array([0.3, 2.0])
    weighting = rule(name, classification=classification)
    found = run(weighting, losses, steps=600, xla=xla)
    variance = np.exp(weighting.state["value"].numpy())
    assert variance == pytest.approx(expected(losses), rel=1e-3)
    factor = 1.0 if classification[0] and name == "kendall" else 0.5
    assert found == pytest.approx(factor / variance, rel=1e-5)
    if name == "log1p":
        assert 2 * variance**2 == pytest.approx(losses * (1 + variance), rel=3e-3)


def test_kendall_tells_classification_from_regression():
    assert coefficients(rule("kendall", classification=(False, True)), np.eye(2)) == pytest.approx(
        [0.5, 1.0]
    )
    started = rule("seed", start=-0.5)
    assert coefficients(started, np.eye(2)) == pytest.approx([0.5 * np.exp(0.5)] * 2)


def test_one_step_of_uncertainty():
    """Adam's first step is the learning rate, against the sign of 0.5 - 0.5 exp(-s) L."""
    weighting = rule("seed", count=3, learning_rate=0.1)
    run(weighting, [3.0, 1.0, 0.2])
    assert weighting.state["value"].numpy() == pytest.approx([0.1, 0.0, -0.1], abs=1e-4)


def test_imtl_l_brings_all_losses_to_one():
    losses = np.array([0.25, 3.0])
    assert run(rule("imtl-l"), losses, steps=600) * losses == pytest.approx([1, 1], rel=1e-3)


def test_dwa():
    weighting = rule("dwa", temperature=2.0)
    seen = [coefficients(weighting, np.eye(2))]
    for losses in ([4.0, 1.0], [2.0, 0.9], [1.0, 0.9]):
        weighting.after_epoch(np.array(losses, np.float32))
        seen.append(coefficients(weighting, np.eye(2)))
    assert np.array_equal(seen[:2], np.ones((2, 2)))
    for found, ratios in zip(seen[2:], ([2 / 4, 0.9 / 1], [1 / 2, 0.9 / 0.9]), strict=True):
        parts = np.exp(np.array(ratios) / 2)
        assert found == pytest.approx(2 * parts / parts.sum(), rel=1e-5)
    assert seen[3][1] > seen[2][1] > 1  # the second task learns more and more slowly


def test_famo_by_hand():
    weighting = rule("famo", learning_rate=0.1, decay=0.0)
    losses = np.array([0.5, 2.0])
    # z = 1/2 each: weights as 1/L.
    assert coefficients(weighting, np.eye(2), losses) == pytest.approx([0.8, 0.2])
    weighting.after(tf.constant([0.5, 2.0]), tf.constant([0.25, 1.9]))
    # The first loss fell more, so that it loses share: Adam's first step is the rate.
    assert weighting.state["value"].numpy() == pytest.approx([-0.1, 0.1], rel=1e-4)
    shares = np.exp([-0.1, 0.1]) / np.exp([-0.1, 0.1]).sum()
    parts = shares / losses
    expected = pytest.approx(parts / parts.sum(), rel=1e-4)
    assert coefficients(weighting, np.eye(2), losses) == expected
    weighting.after(tf.constant([0.5, 2.0]), tf.constant([0.5, 2.0]))  # no news, only momentum
    assert np.isfinite(weighting.state["value"].numpy()).all()


@pytest.mark.parametrize("losses", [[0.5, 2.0, 1.0], [1e-3, 1e3, 1.0], [0.0, 1.0, 2.0]])
def test_famo_weights_sum_to_one(losses):
    weighting = rule("famo", count=3)
    weighting.after(tf.constant(losses), tf.constant([0.4, 2.1, 0.0]))
    assert coefficients(weighting, np.eye(3), losses).sum() == pytest.approx(1)


def test_famo_gradient_against_a_tape():
    before, moved = tf.constant([0.5, 2.0, 1.5]), tf.constant([0.4, 2.2, 1.0])
    weighting = rule("famo", count=3, decay=0.01)
    weighting.state["value"].assign([0.3, -0.2, 0.5])
    xi = tf.constant([0.3, -0.2, 0.5])
    with tf.GradientTape() as tape:
        tape.watch(xi)
        value = tf.reduce_sum(tf.nn.softmax(xi) * (tf.math.log(before) - tf.math.log(moved)))
    expected = tape.gradient(value, xi).numpy() + 0.01 * xi.numpy()
    weighting.after(before, moved)
    # Adam's first moment after one step is a tenth of the gradient.
    steps = [v.numpy() for k, v in weighting.state.items() if k.startswith("adam")]
    assert any(s.shape == (3,) and np.allclose(s, 0.1 * expected, rtol=1e-4) for s in steps)


def test_random_weights():
    weighting, other = rule("random", seed=5), rule("random", seed=6)
    drawn = [coefficients(weighting, np.eye(2)), coefficients(weighting, np.eye(2))]
    assert np.array_equal(*drawn)  # until the batch is done
    many = []
    for _ in range(200):
        weighting.update(tf.ones(2), None)
        many.append(coefficients(weighting, np.eye(2)))
    many = np.array(many)
    assert many.sum(axis=1) == pytest.approx(np.ones(200))
    assert len(np.unique(many[:, 0])) == 200
    # softmax of two normal numbers: the logistic function of a normal of variance 2.
    assert np.log(many[:, 0] / many[:, 1]).std() == pytest.approx(np.sqrt(2), rel=0.2)
    assert many[:, 0].mean() == pytest.approx(0.5, abs=0.1)
    assert not np.array_equal(coefficients(other, np.eye(2)), drawn[0])


@pytest.mark.parametrize("name", ["seed", "log1p", "imtl-l", "gradnorm", "famo"])
def test_a_loss_that_is_not_finite_leaves_the_state_finite(name):
    weighting = rule(name)
    if weighting.after_epoch:
        weighting.after_epoch(np.ones(2, np.float32))
    bad = tf.constant([np.nan, 1.0]), tf.constant([np.inf, 1.0])
    for losses in bad:
        if weighting.after:
            weighting.after(losses, losses)
        else:
            weighting.update(losses, tf.constant([[np.inf, np.nan], [np.nan, 1.0]]))
    assert all(np.isfinite(v.numpy()).all() for v in weighting.state.values())
