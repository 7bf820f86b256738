"""Maps of logits that are fitted to labels, on simulated scores whose meaning is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raised import message
from scipy.special import expit, log_expit, logit, softmax

from msml.calibration import Calibration, calibrations, fit
from msml.metrics import auc, bce, ece
from msml.metrics.generic import cross_entropy
from msml.metrics.reliability import confidences, reliability

EVENTS = 20_000
METHODS = ("temperature", "beta", "isotonic")


def drawn(seed=1, events=EVENTS, true=lambda score: score):
    """Scores, and labels that are 1 as often as the logits that are made of them say."""
    rng = np.random.default_rng(seed)
    score = rng.normal(0, 2, events)
    return (rng.random(events) < expit(true(score))).astype(float), score


def entropy(label, score, weight):
    return np.average(np.logaddexp(0, score) - label * score, weights=weight)


def ones(values):
    return np.ones(len(values))


def test_calibrated_scores_stay_what_they_are():
    label, score = drawn()
    assert fit("temperature", label, score, ones(label)).parameters["temperature"] == (
        pytest.approx(1, abs=0.04)
    )
    for method in METHODS[1:]:
        found = fit(method, label, score, ones(label))
        shift = np.abs(expit(found.logits(score)) - expit(score))
        assert np.mean(shift) < 0.02
        assert ece(label, found.logits(score)) < 0.01


@pytest.mark.parametrize("temperature", [0.3, 2.5])
def test_a_temperature_is_found(temperature):
    label, score = drawn()
    found = fit("temperature", label, temperature * score, ones(label))
    assert found.parameters["temperature"] == pytest.approx(temperature, rel=0.04)
    assert ece(label, temperature * score) > 0.04
    assert ece(label, found.logits(temperature * score)) < 0.01


def test_a_temperature_of_classes_is_found_and_is_that_of_labels():
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, (EVENTS, 4))
    classes = (softmax(logits, axis=1).cumsum(axis=1) < rng.random((EVENTS, 1))).sum(axis=1)
    found = fit("temperature", classes.astype(float), 3 * logits, ones(classes))
    assert found.parameters["temperature"] == pytest.approx(3, rel=0.04)
    mapped = found.logits(3 * logits)
    assert (mapped.argmax(axis=1) == logits.argmax(axis=1)).all()
    assert cross_entropy(classes, mapped) < cross_entropy(classes, 3 * logits)
    label, score = drawn()
    both = np.stack([1 + 0 * score, 1 + score], axis=-1)
    one, two = (fit("temperature", label, each, ones(label)) for each in (score, both))
    assert one.parameters == pytest.approx(two.parameters)


def test_a_beta_map_is_found():
    a, b, c = 0.5, 1.8, -0.4
    label, score = drawn(events=100_000, true=lambda s: a * log_expit(s) - b * log_expit(-s) + c)
    found = fit("beta", label, score, ones(label))
    assert [found.parameters[name] for name in "abc"] == pytest.approx([a, b, c], abs=0.08)
    assert ece(label, found.logits(score)) < 0.006 < ece(label, score)


def test_any_rising_map_is_found_by_isotonic_alone():
    label, score = drawn(true=lambda s: 3 * np.tanh(3 * (s - 1)))
    errors = {
        method: ece(label, fit(method, label, score, ones(label)).logits(score))
        for method in METHODS
    }
    assert errors["isotonic"] < 0.01
    assert min(errors["temperature"], errors["beta"]) > 3 * errors["isotonic"]


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.integers(20, 200))
def test_maps_never_fall_and_are_the_best_of_their_kind(seed, events):
    label, score = drawn(seed, events, lambda s: np.clip(s, -1, 2))
    label[score.argmax()], label[score.argmin()] = 0, 1  # no perfect separation
    weight = np.random.default_rng(seed).uniform(0.1, 3, events)
    order = np.argsort(score)
    for method in METHODS:
        try:
            found = fit(method, label, score, weight)
        except Exception as error:  # noqa: BLE001
            assert "tell nothing" in str(error)  # noqa: PT017
            continue
        mapped = found.logits(score)
        assert np.isfinite(mapped).all()
        assert (np.diff(mapped[order]) >= -1e-9).all()
        for name, value in found.parameters.items() if method != "isotonic" else ():
            for factor in (0.99, 1.01):
                worse = Calibration(method, {**found.parameters, name: value * factor})
                assert entropy(label, mapped, weight) <= 1e-9 + entropy(
                    label, worse.logits(score), weight
                )


@pytest.mark.parametrize("method", ["temperature", "beta"])
def test_a_weight_of_two_is_two_events(method):
    label, score = drawn(events=300)
    weight = np.random.default_rng(2).integers(0, 3, 300)
    repeated = [np.repeat(each, weight) for each in (label, score)]
    one = fit(method, label, score, weight.astype(float))
    two = fit(method, *repeated, ones(repeated[0]))
    assert one.parameters == pytest.approx(two.parameters, rel=1e-4, abs=1e-4)


def test_isotonic_never_says_never():
    label, score = np.array([0.0, 0, 0, 1, 1, 1]), np.arange(6.0)
    found = fit("isotonic", label, score, ones(label))
    assert expit(found.logits(np.array([-9.0, 0, 5, 9]))) == pytest.approx(
        [1 / 8] * 2 + [7 / 8] * 2
    )
    assert found.logits(np.array([2.5])) == pytest.approx(0)
    noisy, score = drawn(events=500)
    mapped = fit("isotonic", noisy, score, ones(noisy)).logits(score)
    assert auc(noisy, mapped) >= auc(noisy, score)
    other, score = drawn(seed=2, events=500)
    assert np.isfinite(bce(other, fit("isotonic", label, score[:6], ones(label)).logits(score)))


def test_what_is_kept_gives_the_same_numbers():
    label, score = drawn(events=200)
    for method in METHODS:
        found = fit(method, label, score, ones(label))
        kept = {"tasks": {"a": {**found.plain(), "test": {}}, "b": {"reason": "none"}}}
        assert calibrations(kept) == {"a": found}
        single = np.array([found.logits(each) for each in score])
        assert np.array_equal(single, found.logits(score))


FEW = np.array([0.0, 1, 0, 1])


@pytest.mark.parametrize(
    ("method", "label", "logits", "weight", "problem"),
    [
        ("temperature", FEW, [0, 1, np.nan, 1], [1] * 4, "a logit is NaN or infinite"),
        ("isotonic", FEW * 0, [0, 1, 2, 3], [1] * 4, "it has events of one class only"),
        ("beta", FEW, [0, 1, 2, 3], [1, -1, 1, -1], "its weights have no positive total"),
        ("beta", FEW, [0, 1, 2, 3], [1, 1, 1, -1], "'beta' cannot be fitted to negative weights"),
        ("isotonic", FEW, [0, 1, 2, 3], [1, 1, 1, -1], "'isotonic' cannot be fitted to negative"),
        ("temperature", FEW, [-1, 1, -2, 2], [1] * 4, "its scores tell the classes apart without"),
        ("beta", FEW, [1, 5, 2, 6], [1] * 4, "its scores tell the classes apart without"),
        ("temperature", FEW, [1, -1, 2, -2], [1] * 4, "its scores tell nothing of the classes"),
        ("beta", FEW, [1, -1, 2, -2], [1] * 4, "its scores tell nothing of the classes"),
        ("isotonic", FEW, [1, -1, 2, -2], [1] * 4, "its scores tell nothing of the classes"),
    ],
)
def test_what_cannot_be_fitted(method, label, logits, weight, problem):
    arrays = (label, np.array(logits, float), np.array(weight, float))
    assert problem in message(fit, method, *arrays)


def test_a_temperature_of_weights_of_both_signs():
    label, score = drawn()
    weight = np.where(np.random.default_rng(1).random(EVENTS) < 0.2, -1.0, 1.0)
    found = fit("temperature", label, 2 * score, weight)
    assert found.parameters["temperature"] == pytest.approx(2, rel=0.1)


def test_bins_of_probabilities():
    share = np.array([0.1, 0.2, 0.6, 0.7, 0.8, 1.0])
    hit, weight = np.array([0.0, 1, 1, 1, 0, 1]), np.array([1.0, 3, 1, 1, 1, 1])
    found = reliability(share, hit, weight, bins=2)
    assert found.share == pytest.approx([0.175, 0.775])
    assert found.fraction == pytest.approx([0.75, 0.75])
    assert found.error == pytest.approx([np.sqrt(0.75**2 + (3 * 0.25) ** 2) / 4, np.sqrt(3 / 64)])
    assert list(found.place) == [0, 1]
    assert list(found.entries) == [2, 4]
    assert list(reliability(share, hit, weight, bins=3).place) == [0, 1, 2]


def test_confidences_are_of_signal_or_of_the_likeliest_class():
    mask = np.array([True, True, False])
    label, logits = np.array([1.0, 0, 1]), np.array([[logit(0.25)], [0.0], [np.nan]])
    share, hit, weight = confidences(label, logits, np.array([1.0, 2, 3]), mask=mask)
    assert (list(share), list(hit), list(weight)) == ([0.25, 0.5], [1, 0], [1, 2])
    many = np.log([[[0.2, 0.5, 0.3], [1, 1, 2]]])
    share, hit, weight = confidences(np.array([[1, 0]]), many, np.array([2.0]))
    assert share == pytest.approx([0.5, 0.5])
    assert (list(hit), list(weight)) == ([1, 0], [2, 2])
