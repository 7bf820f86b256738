import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score, roc_curve

from msml.metrics import (
    EventMean,
    accuracy,
    auc,
    background_rejection,
    bce,
    bias,
    bootstrap,
    doubt,
    ece,
    label_of,
    replicate,
    resolution,
)
from msml.metrics.named import bound
from msml.registry import metrics
from msml.studies.htautau.losses import momentum_mse as loss_of_momenta
from msml.studies.htautau.metrics import momentum_mse, momentum_mse_gev2


def sample(events=500, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.random(events) > 0.4
    return label, np.round(rng.normal(size=events) + label, 1), rng.random(events)


@settings(deadline=None)
@given(st.integers(0, 50))
def test_auc_and_cross_entropy_as_in_scikit_learn(seed):
    label, score, weight = sample(seed=seed)
    expected = roc_auc_score(label, score, sample_weight=weight)
    assert auc(label, score[:, None], weight) == pytest.approx(expected, abs=1e-12)
    assert auc(label, score) == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    probability = 1 / (1 + np.exp(-score))
    expected = log_loss(label, probability, sample_weight=weight)
    assert bce(label, score, weight) == pytest.approx(expected, rel=1e-9)


def test_auc_of_simple_cases():
    assert auc(np.array([0, 0, 1, 1]), np.array([1, 2, 3, 4])) == 1
    assert auc(np.array([1, 1, 0, 0]), np.array([1, 2, 3, 4])) == 0
    assert auc(np.array([0, 1, 0, 1]), np.zeros(4)) == 0.5
    assert auc(np.array([0, 1]), np.array([-np.inf, np.inf])) == 1


@pytest.mark.parametrize(
    ("label", "score"), [([1, 1], [1, 2]), ([0, 0], [1, 2]), ([0, 1], [1, np.nan]), ([], [])]
)
def test_auc_that_is_not_defined(label, score):
    assert np.isnan(auc(np.array(label), np.array(score)))
    assert np.isnan(bootstrap(auc, (np.array(label), np.array(score)), None, 5).error)


def test_momentum_errors_are_those_of_the_loss():
    rng = np.random.default_rng(1)
    target, prediction = rng.normal(2, 1, (2, 50, 2, 3))
    weight = rng.random(50)
    per_event = np.asarray(loss_of_momenta(target, prediction))
    code = momentum_mse(target, prediction, weight)
    assert code == pytest.approx(np.average(per_event, weights=weight), rel=1e-5)
    paper = momentum_mse_gev2(target, prediction, weight)
    assert paper == pytest.approx(6e4 * code)
    assert momentum_mse(target, prediction) == pytest.approx(per_event.mean(), rel=1e-5)


CLASSES = 3


def arrays(name, events=60, seed=2):
    """A target and a prediction of a registered metric."""
    rng = np.random.default_rng(seed)
    kinds = metrics.get(name).facts["target"]
    if "classes" in kinds:
        return rng.integers(CLASSES, size=(events, 2)), rng.normal(size=(events, 2, CLASSES))
    if kinds == "label" or "label" in kinds:
        return rng.integers(2, size=events), rng.normal(size=events)
    return rng.normal(size=(2, events, 2, 3))


@pytest.mark.parametrize("name", metrics.names())
def test_a_weight_of_two_is_an_event_twice(name):
    metric = metrics.get(name).function
    target, prediction = arrays(name)
    count = np.random.default_rng(3).integers(0, 3, size=60)
    repeated = [np.repeat(array, count, axis=0) for array in (target, prediction)]
    assert metric(target, prediction, count) == pytest.approx(metric(*repeated))


@pytest.mark.parametrize("name", metrics.names())
def test_a_weight_of_minus_one_takes_an_event_away(name):
    metric = metrics.get(name).function
    target, prediction = arrays(name)
    more = [np.concatenate([array, array[:20], array[:20]]) for array in (target, prediction)]
    weight = np.repeat([1.0, 1.0, -1.0], [60, 20, 20])
    assert metric(*more, weight) == pytest.approx(metric(target, prediction), rel=1e-6)


GENERAL = [n for n in metrics.names() if "momenta" not in metrics.get(n).facts["target"]]


@pytest.mark.parametrize("name", GENERAL)
def test_what_is_padding_does_not_count(name):
    metric = metrics.get(name).function
    target, prediction = arrays(name)
    target, prediction = target.astype(float), prediction.copy()
    mask = np.random.default_rng(4).random(target.shape[:2]) > 0.3
    values = []
    for garbage in (0.0, 1e9, np.nan):
        prediction[~mask] = garbage
        target[~mask] = 0 if "classes" in metrics.get(name).facts["target"] else garbage
        with np.errstate(invalid="ignore"):
            values.append(metric(target, prediction, np.arange(60) + 1.0, mask=mask))
    assert np.isfinite(values[0])
    assert values[0] == values[1] == values[2]
    if mask.ndim == 1:
        kept = metric(target[mask], prediction[mask], (np.arange(60) + 1.0)[mask])
        # A mean over events counts an event without a real number as 0.
        assert values[0] == pytest.approx(kept) or hasattr(metric, "per_event")


def test_errors_of_a_regression_against_numpy():
    rng = np.random.default_rng(5)
    target = rng.normal(size=20_000)
    prediction = target + rng.normal(0.3, 2.0, size=20_000)
    assert bias(target, prediction[:, None]) == pytest.approx((prediction - target).mean())
    low, high = np.quantile(prediction - target, [0.158655, 0.841345])
    assert resolution(target, prediction[:, None]) == pytest.approx((high - low) / 2, rel=1e-3)
    assert resolution(target, prediction) == pytest.approx(2, rel=0.03)
    assert np.isnan(resolution(target, prediction * np.nan))


def test_several_classes_as_in_scikit_learn():
    rng = np.random.default_rng(6)
    target, weight = rng.integers(4, size=500), rng.random(500)
    logits = rng.normal(size=(500, 4)) + np.eye(4)[target]
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    expected = [roc_auc_score(target == n, shares[:, n], sample_weight=weight) for n in range(4)]
    assert auc(target, logits, weight) == pytest.approx(np.mean(expected))
    found = metrics.get("cross_entropy").function(target, logits, weight)
    assert found == pytest.approx(log_loss(target, shares, sample_weight=weight))
    expected = accuracy_score(target, shares.argmax(axis=-1), sample_weight=weight)
    assert accuracy(target, logits, weight) == pytest.approx(expected)
    label, score, weight = sample()
    expected = accuracy_score(label, score > 0, sample_weight=weight)
    assert accuracy(label, score[:, None], weight) == pytest.approx(expected)


@pytest.mark.parametrize("efficiency", [0.1, 0.5, 0.9])
def test_background_rejection_against_the_curve(efficiency):
    label, score, weight = sample(5000)
    background, signal, _ = roc_curve(label, score, sample_weight=weight, drop_intermediate=False)
    expected = 1 / np.interp(efficiency, signal, background)
    found = background_rejection(label, score, weight, efficiency=efficiency)
    assert found == pytest.approx(expected)
    named = bound(f"background_rejection( efficiency = {efficiency})")
    assert named(label, score, weight) == found
    assert label_of("ece( bins = 5 )") == "ece(bins=5)"


def test_no_background_left():
    label, score = np.array([0, 0, 1, 1]), np.array([-2.0, -1, 1, 2])
    assert background_rejection(label, score) == np.inf
    assert np.isnan(background_rejection(label[:2], score[:2]))
    weight = np.array([1.0, 3, 1, 1])
    assert background_rejection(label, -score, weight * [-1, 1, 1, 1], efficiency=0.5) == 1
    score = np.array([3.0, -1, 1, 2])
    assert background_rejection(label, score, weight * [-1, 1, 1, 1]) == np.inf


def test_calibration_of_probabilities_that_are_frequencies():
    rng = np.random.default_rng(7)
    logit = rng.normal(size=200_000)
    label = rng.random(200_000) < 1 / (1 + np.exp(-logit))
    assert ece(label, logit) < 0.01
    assert ece(label, 5 * logit) > 0.1
    # By hand: two bins, of means 0.2 and 0.9, and frequencies 0.5 and 1.
    share = np.array([0.1, 0.3, 0.9])
    logit = np.log(share / (1 - share))
    expected = (abs(0.4 - 1) + abs(0.9 - 1)) / 3
    assert ece(np.array([0, 1, 1]), logit, bins=2) == pytest.approx(expected)
    both = np.stack([np.zeros(200_000), rng.normal(size=200_000)], -1)
    target = rng.random(200_000) < 1 / (1 + np.exp(-both[:, 1]))
    assert ece(target, both) < 0.01


def test_bootstrap_of_a_mean():
    rng = np.random.default_rng(3)
    label, logit = rng.random(2000) > 0.5, rng.normal(size=2000)
    estimate = bootstrap(bce, (label, logit), None, replicas=400, seed=1)
    per_event = bce.per_event(label, logit)
    assert estimate.value == pytest.approx(per_event.mean())
    assert estimate.error == pytest.approx(per_event.std() / np.sqrt(2000), rel=0.15)
    assert estimate.low < estimate.value < estimate.high
    assert estimate.high - estimate.low == pytest.approx(2 * estimate.error, rel=0.2)


def test_bootstrap_is_reproducible_and_paired():
    label, score, weight = sample()
    assert bootstrap(auc, (label, score), weight, 20, 1) == bootstrap(
        auc, (label, score), weight, 20, 1
    )
    one, other = (replicate(auc, (label, score), weight, 20, seed) for seed in (1, 2))
    assert (one != other).all()
    # The same events are drawn for another model: a model that ranks alike has the same replicas.
    same = replicate(auc, (label, 2 * score + 1), weight, 20, 1)
    assert one.tolist() == same.tolist()


def test_bootstrap_is_fast():
    label, score, weight = sample(20_000)
    start = time.process_time()
    bootstrap(auc, (label, score), weight, replicas=200)
    assert time.process_time() - start < 10  # it is about 0.4 s


def test_doubt_is_the_spread_of_an_error_over_samples():
    mean = EventMean(lambda target, _: target)
    rng, ones = np.random.default_rng(1), np.ones(400)
    samples = rng.exponential(size=(300, 400))
    errors = samples.std(axis=1) / np.sqrt(400)
    doubts = [doubt(mean, (sample, sample), ones) for sample in samples]
    assert np.mean(doubts) == pytest.approx(errors.std() / errors.mean(), rel=0.15)
    one = np.r_[1e3, np.ones(399)]
    assert doubt(mean, (one, one), ones) == pytest.approx(0.5, abs=0.01)


def test_there_is_no_doubt_where_none_can_be_known():
    values = np.ones(5)
    assert doubt(EventMean(lambda target, _: target), (values, values), values) == 0
    assert doubt(auc, (values, values), values) == 0
