import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from msml.losses import bce_logits
from msml.studies.htautau.losses import momentum_mse, momentum_mse_sum


def L(x):  # noqa: N802
    return np.log(x + 0.1)


TRUTH = np.array([[[L(50), 0.5, 1.0], [L(30), -1.0, -2.0]]])
PREDICTION = np.array([[[L(45), 0.45, 1.1], [L(33), -0.9, -2.1]]])


def value(*args, **kwargs):
    return float(np.mean(momentum_mse(*args, **kwargs)))


def test_momentum_golden_values():
    assert value(TRUTH, PREDICTION) == pytest.approx(0.00157394920130350, rel=1e-5)  # C1
    assert float(momentum_mse_sum(TRUTH, PREDICTION, scale=1.0)[0]) == pytest.approx(
        94.4369520782, rel=1e-5
    )
    assert value(TRUTH, TRUTH) == 0  # C2
    both = np.concatenate([TRUTH, TRUTH]), np.concatenate([PREDICTION, TRUTH])
    assert value(*both) == pytest.approx(0.00078697460065, rel=1e-5)  # C3
    assert value(TRUTH, np.zeros_like(TRUTH)) == pytest.approx(0.08828839293587, rel=1e-5)  # C4


def test_whole_turns_do_not_matter():  # C5; what is left is the rounding of float32
    turned = TRUTH.copy()
    turned[0, 0, 2] += 2 * np.pi
    assert value(TRUTH, turned) < 1e-13


def test_clipping():  # C6
    far = np.array([[[20.0, 0, 0], [20.0, 9.0, 0]]])
    assert value(np.zeros((1, 2, 3)), far) == pytest.approx(110381.2080848, rel=1e-5)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_the_papers_sum_is_six_times_the_mean(scale):
    mean = momentum_mse(TRUTH, PREDICTION, scale=scale)
    total = momentum_mse_sum(TRUTH, PREDICTION, scale=scale)
    assert np.asarray(total) == pytest.approx(6 * np.asarray(mean))


@pytest.mark.parametrize(
    ("logit", "label", "expected"),
    [(2, 1, 0.126928), (-1, 1, 1.3132617), (0, 0, 0.6931472), (30, 0, 30.0)],
)
def test_cross_entropy_golden_values(logit, label, expected):  # C8
    found = float(bce_logits(np.array([label]), np.array([logit]))[0])
    assert found == pytest.approx(expected, abs=1e-6)


def test_one_number_for_each_event_float32():
    logits, labels = np.linspace(-3, 3, 5), np.array([0, 1, 1, 0, 1], dtype="uint8")
    flat, column = bce_logits(labels, logits), bce_logits(labels, logits[:, None])
    assert flat.shape == column.shape == (5,)
    assert np.asarray(flat).tolist() == np.asarray(column).tolist()
    half = tf.cast(np.tile(TRUTH, (5, 1, 1)), "bfloat16")
    for loss in (bce_logits(labels, tf.cast(logits, "float16")), momentum_mse(half, half)):
        assert loss.shape == (5,)
        assert loss.dtype == "float32"


@settings(deadline=None)
@given(st.floats(-100, 100), st.sampled_from([0.0, 0.3, 1.0]))
def test_cross_entropy_and_its_gradient(logit, label):
    x = tf.constant([logit], "float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = bce_logits(np.array([label]), x)
    expected = np.logaddexp(0, logit) - logit * label
    assert float(loss[0]) == pytest.approx(expected, rel=1e-5, abs=1e-5)
    gradient = float(tape.gradient(loss, x)[0])
    assert gradient == pytest.approx(1 / (1 + np.exp(-logit)) - label, abs=1e-6)


def test_the_gradient_at_a_logit_of_zero():
    x = tf.zeros((2, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = bce_logits(np.array([0, 1]), x)
    assert tape.gradient(loss, x).numpy().ravel().tolist() == [0.5, -0.5]
