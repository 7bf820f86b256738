import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from msml.errors import RecipeError
from msml.losses import bce_logits, cross_entropy, focal, gaussian_nll, huber, quantile
from msml.registry import losses
from msml.studies.htautau.losses import momentum_mse, momentum_mse_sum


def L(x):  # noqa: N802
    return np.log(x + 0.1)


TRUTH = np.array([[[L(50), 0.5, 1.0], [L(30), -1.0, -2.0]]])
PREDICTION = np.array([[[L(45), 0.45, 1.1], [L(33), -0.9, -2.1]]])


def value(*args, **kwargs):
    return float(np.mean(momentum_mse(*args, **kwargs)))


def test_momentum_golden_values():
    assert value(TRUTH, PREDICTION) == pytest.approx(0.00157394920130350, rel=1e-5)
    assert float(momentum_mse_sum(TRUTH, PREDICTION, scale=1.0)[0]) == pytest.approx(
        94.4369520782, rel=1e-5
    )
    assert value(TRUTH, TRUTH) == 0
    both = np.concatenate([TRUTH, TRUTH]), np.concatenate([PREDICTION, TRUTH])
    assert value(*both) == pytest.approx(0.00078697460065, rel=1e-5)
    assert value(TRUTH, np.zeros_like(TRUTH)) == pytest.approx(0.08828839293587, rel=1e-5)


def test_whole_turns_do_not_matter():  # what is left is the rounding of float32
    turned = TRUTH.copy()
    turned[0, 0, 2] += 2 * np.pi
    assert value(TRUTH, turned) < 1e-13


def test_clipping():
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
def test_cross_entropy_golden_values(logit, label, expected):
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


rng = np.random.default_rng(7)
EVENTS, NUMBERS, CLASSES = 12, 3, 4


def arrays(name):
    """A target, a prediction and the arguments of a registered loss."""
    arguments = {"quantile": {"quantiles": [0.2, 0.5, 0.9]}}.get(name, {})
    facts = losses.get(name).facts
    target = rng.normal(size=(EVENTS, NUMBERS))
    if facts["target"] == "classes":
        target = rng.integers(CLASSES, size=(EVENTS, NUMBERS)).astype(float)
    if facts["target"] == "label":
        target = rng.integers(2, size=EVENTS).astype(float)
    shape = facts.get("output", lambda shape, *_, **__: shape)(
        target.shape[1:], CLASSES, **arguments
    )
    return target, rng.normal(size=(EVENTS, *shape)), arguments


GENERAL = [n for n in losses.names() if losses.get(n).facts["target"] != "momenta"]


def test_brier_is_the_squared_difference_of_the_probability():
    logit, label = np.array([0.0, 3.0, -40.0]), np.array([1.0, 0.0, 1.0])
    found = losses.get("brier").function(label, logit[:, None])
    assert np.allclose(found, (label - 1 / (1 + np.exp(-logit))) ** 2, rtol=1e-6)


@pytest.mark.parametrize("name", GENERAL)
def test_what_is_padding_changes_nothing(name):
    loss = losses.get(name).function
    target, prediction, arguments = arrays(name)
    mask = rng.random(target.shape) > 0.4
    mask[0] = False
    inside = np.repeat(mask, prediction.size // mask.size, -1).reshape(prediction.shape)
    if name == "gaussian_nll":  # means first, then variances
        inside = np.concatenate([mask, mask], -1)

    def result(garbage):
        x = tf.constant(np.where(inside, prediction, garbage), tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(np.where(mask, target, garbage), x, mask=mask, **arguments)
        return value.numpy(), tape.gradient(value, x).numpy()

    value, gradient = result(0.0)
    assert value.shape == (EVENTS,)
    assert value[0] == 0
    assert not gradient[~inside].any()
    assert gradient[inside].all()
    for garbage in (17.0, np.nan, np.inf, -np.inf):
        other, of_gradient = result(garbage)
        assert other.tobytes() == value.tobytes()
        assert of_gradient.tobytes() == gradient.tobytes()
    everything = loss(target, prediction, mask=np.ones_like(mask), **arguments)
    assert np.allclose(everything, loss(target, prediction, **arguments), rtol=1e-6)


@pytest.mark.parametrize("name", GENERAL)
def test_gradients_against_differences(name):
    target, prediction, arguments = arrays(name)
    x = tf.constant(prediction, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = losses.get(name).function(target, x, **arguments)
    assert value.dtype == "float32"
    gradient = tape.gradient(value, x).numpy()
    step = 1e-2 * rng.normal(size=prediction.shape)
    up, down = (
        losses.get(name).function(target, prediction + s, **arguments) for s in (step, -step)
    )
    slope = (gradient * step).reshape(EVENTS, -1).sum(axis=-1)
    assert slope == pytest.approx((up - down).numpy() / 2, abs=2e-3)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("mse", "MeanSquaredError"), ("mae", "MeanAbsoluteError"), ("huber", "Huber")],
)
def test_regressions_as_in_keras(name, theirs):
    import keras

    target, prediction, _ = arrays(name)
    expected = getattr(keras.losses, theirs)(reduction="none")(target, prediction)
    assert np.allclose(losses.get(name).function(target, prediction), expected, rtol=1e-5)
    alone = losses.get(name).function(target[:, 0], prediction[:, :1])
    expected = getattr(keras.losses, theirs)(reduction="none")(target[:, :1], prediction[:, :1])
    assert np.allclose(alone, expected, rtol=1e-5)


def test_classes_as_in_keras():
    import keras

    target, prediction, _ = arrays("cross_entropy")
    theirs = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none")
    expected = theirs(target, prediction).numpy().reshape(EVENTS, NUMBERS).mean(axis=-1)
    assert np.allclose(cross_entropy(target, prediction), expected, rtol=1e-5)
    assert np.allclose(focal(target, prediction, gamma=0.0), expected, rtol=1e-5)
    shares = np.exp(prediction) / np.exp(prediction).sum(axis=-1, keepdims=True)
    true = np.take_along_axis(shares, target.astype(int)[..., None], -1)[..., 0]
    expected = (-((1 - true) ** 3) * np.log(true)).mean(axis=-1)
    assert np.allclose(focal(target, prediction, gamma=3.0), expected, rtol=1e-4)


def test_a_huge_logit_of_the_true_class_has_a_gradient():
    x = tf.constant([[100.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = focal(np.array([0]), x, gamma=0.5)
    assert np.isfinite(tape.gradient(value, x)).all()


def test_a_gaussians_density_as_in_scipy():
    from scipy.stats import norm

    target, prediction, _ = arrays("gaussian_nll")
    mean, deviation = prediction[:, :NUMBERS], np.exp(prediction[:, NUMBERS:] / 2)
    expected = -norm.logpdf(target, mean, deviation).mean(axis=-1) - np.log(2 * np.pi) / 2
    assert np.allclose(gaussian_nll(target, prediction), expected, rtol=1e-4, atol=1e-6)
    one = gaussian_nll(target[:, 0], prediction[:, [0, NUMBERS]])
    expected = -norm.logpdf(target[:, 0], mean[:, 0], deviation[:, 0]) - np.log(2 * np.pi) / 2
    assert np.allclose(one, expected, rtol=1e-4, atol=1e-6)


def test_the_least_pinball_loss_is_at_the_quantile():
    from sklearn.metrics import mean_pinball_loss

    target = rng.normal(size=400)
    for q in (0.1, 0.5, 0.8):
        guess = np.full((400, 1), 0.3)
        found = float(np.mean(quantile(target, guess, quantiles=[q])))
        assert found == pytest.approx(mean_pinball_loss(target, guess[:, 0], alpha=q), rel=1e-5)
        grid = np.linspace(-2, 2, 201)
        values = [float(np.mean(quantile(target, 0 * guess + g, quantiles=[q]))) for g in grid]
        assert grid[np.argmin(values)] == pytest.approx(np.quantile(target, q), abs=0.03)
    with pytest.raises(RecipeError, match="quantiles: is empty"):
        quantile(target, target[:, None], quantiles=[])


def test_huber_is_a_square_inside_and_a_line_outside():
    difference = np.array([[0.0], [0.5], [2.0], [-5.0]])
    found = huber(np.zeros(4), difference, delta=2.0)
    assert np.allclose(found, [0, 0.125, 2, 8])
