"""Significance: known values, the choice of the cut, and what it may not depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msml.metrics.named import bound
from msml.metrics.significance import Counting, ams, choose_cut

AMS = Counting(regularisation=10.0)
TOTALS = {"signal": 691.9886, "background": 410999.847}


def events(number=400, seed=0):
    rng = np.random.default_rng(seed)
    label = (rng.random(number) < 0.3).astype(float)
    logit = np.round(rng.normal(2 * label, 1.5), 1)  # with ties
    return label, logit, rng.uniform(0.1, 2, number)


@pytest.mark.parametrize(
    ("signal", "background", "expected"),
    [
        (691.9886, 410999.847, 1.079074),  # all events
        (691.9886, 0.0, 67.711123),  # those of signal
        (461.228096, 89012.844985, 1.544509743),  # the example of the challenge's organisers
        (0.0, 5.0, 0.0),
        (-1.0, 5.0, 0.0),
    ],
)
def test_known_values(signal, background, expected):
    assert AMS.of(signal, background) == pytest.approx(expected, abs=1e-6)


def test_small_signal_and_uncertain_background():
    assert Counting(regularisation=0).of(1.0, 1e6) == pytest.approx(1e-3, rel=1e-4)
    sure, unsure = (Counting(regularisation=0, uncertainty=u).of(30.0, 100.0) for u in (1e-4, 0.1))
    assert sure == pytest.approx(Counting(regularisation=0).of(30.0, 100.0), rel=1e-4)
    assert unsure == pytest.approx(1.980963, abs=1e-6)  # a calculator
    assert Counting(regularisation=0).of(1.0, 0.0) == 0


@settings(deadline=None)
@given(st.integers(0, 30))
def test_the_scan_is_that_of_each_cut_by_hand(seed):
    label, logit, weight = events(60, seed)
    by_hand = [
        float(AMS.of(*((weight * each)[logit >= cut].sum() for each in (label, 1 - label))))
        for cut in logit
    ]
    assert AMS.above(label, logit, weight) == pytest.approx(by_hand, rel=1e-9)


def test_the_cut_is_the_mean_of_the_best():
    label, logit, weight = events()
    probability = 1 / (1 + np.exp(-logit))
    found = AMS.above(label, probability, weight)
    for top, count in ((0.1, 40), (0, 1)):
        best = sorted(range(400), key=lambda i: -found[i])[:count]
        cut = choose_cut(label, logit, weight, top=top, least=0.0)["cut"]
        assert cut == pytest.approx(probability[best].mean())
        assert ams(label, logit, weight, top=top, least=0.0) == ams(label, logit, weight, cut=cut)
    highest = ams(label, logit, weight, top=0, least=0.0)
    assert highest == pytest.approx(found.max())


def test_no_event_below_the_least_probability_moves_the_cut():
    """The published code takes means over events that were never tried, where few were."""
    label, logit, weight = events()
    assert choose_cut(label, logit, weight, top=0.5, least=0.9)["cut"] >= 0.9
    low = np.minimum(logit, 0)
    assert 0 < choose_cut(label, low, weight, least=0.9)["cut"] <= 0.5


def test_totals_make_any_part_stand_for_all():
    label, logit, weight = events()
    some = slice(0, 200)
    whole = ams(label, logit, weight, cut=0.5, **TOTALS)
    assert ams(label, logit, 7 * weight, cut=0.5, **TOTALS) == pytest.approx(whole)
    twice = [np.concatenate([a[some], a[some]]) for a in (label, logit, weight)]
    part = ams(label[some], logit[some], weight[some], cut=0.5, **TOTALS)
    assert ams(*twice, cut=0.5, folds=2, **TOTALS) == pytest.approx(part)
    assert ams(*twice, cut=0.5, **TOTALS) == pytest.approx(part)


def test_masked_events_and_nan():
    label, logit, weight = events()
    mask = np.arange(400) < 300
    garbage = np.where(mask, logit, 99.0)
    kept = ams(label[:300], logit[:300], weight[:300])
    assert ams(label, garbage, weight, mask=mask) == kept
    assert np.isnan(ams(label, np.where(mask, logit, np.nan), weight))


def test_a_recipe_names_it_with_arguments():
    label, logit, weight = events()
    named = bound("ams(signal=691.9886, background=410999.847, cut=0.5)")
    assert named(label, logit, weight) == ams(label, logit, weight, cut=0.5, **TOTALS)
