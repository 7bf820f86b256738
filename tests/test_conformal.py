"""Split conformal intervals, on simulated residuals."""

from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raised import message

from msml.conformal import Residuals, chance, covered, half_width


def alike(size, split="valid"):
    """Residuals of events with one value each."""
    return Residuals(split, np.abs(size), np.arange(len(size)), np.ones(len(size)))


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=60),
    st.integers(1, 99),
    st.sampled_from([1.0, 0.37, 1e3]),
)
def test_it_is_the_residual_of_the_corrected_rank(sizes, percent, scale):
    rank = ceil((len(sizes) + 1) * percent / 100 - 1e-9)
    known = Residuals("valid", np.array(sizes), np.arange(len(sizes)), np.full(len(sizes), scale))
    if rank > len(sizes):
        assert "are too few" in message(half_width, known, percent / 100)
    else:
        assert half_width(known, percent / 100) == sorted(sizes)[rank - 1]


@pytest.mark.parametrize("coverage", [0.5, 0.68, 0.95])
def test_new_events_are_covered_as_often_as_asked_within_the_error(coverage):
    rng = np.random.default_rng(1)
    pulls, values = [], []
    for _ in range(300):
        known, new = (alike(rng.standard_t(3, n)) for n in (100, 250))
        value, error = covered(new, half_width(known, coverage))
        assert error == pytest.approx(np.sqrt(value * (1 - value) / 250))
        values.append(value)
        pulls.append((value - coverage) / chance(known, new, coverage))
    expected = ceil(101 * coverage) / 101
    assert np.mean(values) == pytest.approx(expected, abs=4 * np.std(values) / np.sqrt(300))
    assert np.std(pulls) == pytest.approx(1, abs=0.15)


def test_a_large_sample_is_covered_within_its_binomial_error():
    rng = np.random.default_rng(2)
    known, new = alike(rng.normal(size=200_000)), alike(rng.normal(size=5000))
    width = half_width(known, 0.9)
    assert width == pytest.approx(1.645, abs=0.02)
    value, error = covered(new, width)
    assert abs(value - 0.9) < 3 * error


def test_weighted_events_stand_for_others():
    """Drawn from a flat distribution, weighted to a normal one."""
    rng = np.random.default_rng(3)
    pulls = []
    for _ in range(200):
        known, new = (
            Residuals("valid", abs(x), np.arange(len(x)), np.exp(-(x**2) / 2))
            for x in (rng.uniform(-5, 5, n) for n in (800, 800))
        )
        width = half_width(known, 0.8)
        assert width == pytest.approx(1.28, abs=0.25)
        pulls.append((covered(new, width)[0] - 0.8) / chance(known, new, 0.8))
    assert np.mean(pulls) == pytest.approx(0, abs=0.3)
    assert 0.5 < np.std(pulls) < 1.15


def test_values_of_one_event_count_as_one():
    rng = np.random.default_rng(4)
    size = rng.exponential(size=50)
    single = alike(size)
    triple = Residuals("valid", np.repeat(size, 3), np.repeat(np.arange(50), 3), np.ones(50))
    for coverage in (0.5, 0.9):
        width = half_width(single, coverage)
        assert half_width(triple, coverage) == width
        assert covered(triple, width) == pytest.approx(covered(single, width))
        assert chance(single, triple, coverage) == pytest.approx(chance(single, single, coverage))
    assert "the 50 events of valid are too few for a coverage of 0.99" in message(
        half_width, triple, 0.99
    )


def test_weights_of_both_signs():
    rng = np.random.default_rng(5)
    weight = np.where(rng.random(20_000) < 0.2, -1.0, 1.0)
    known = Residuals("valid", np.abs(rng.normal(size=20_000)), np.arange(20_000), weight)
    assert half_width(known, 0.9) == pytest.approx(1.645, abs=0.08)


@pytest.mark.parametrize(
    ("residuals", "problem"),
    [
        (alike(np.empty(0)), "valid has no value"),
        (alike(np.array([1, np.inf]), "test"), "an estimate on test is NaN or infinite"),
        (
            Residuals("valid", np.ones(2), np.arange(2), np.array([1.0, -1])),
            "the weights of valid have no positive total",
        ),
    ],
)
def test_what_says_nothing(residuals, problem):
    assert message(residuals.check) == problem
