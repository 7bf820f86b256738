import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from msml.metrics import auc, bce, bootstrap, replicate
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


@pytest.mark.parametrize("name", metrics.names())
def test_a_weight_of_two_is_an_event_twice(name):
    metric = metrics.get(name).function
    rng = np.random.default_rng(2)
    shape = (60, 2, 3) if "momentum" in name else (60,)
    target, prediction = (rng.normal(size=shape) > 0).astype(float), rng.normal(size=shape)
    count = rng.integers(0, 3, size=60)
    repeated = [np.repeat(array, count, axis=0) for array in (target, prediction)]
    assert metric(target, prediction, count) == pytest.approx(metric(*repeated))


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
