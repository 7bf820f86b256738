import numpy as np
import pytest

from msml.report.statistics import (
    fraction,
    histogram,
    median_and_width,
    nice_edges,
    profile,
    quantile_error,
)


def test_fraction_has_wilsons_interval():
    # By hand for 8 of 10, z = 1: (8.5 -+ sqrt(8 * 0.2 + 0.25)) / 11.
    part = fraction(8, 10)
    assert part is not None
    assert part.value == 0.8
    assert part.low == pytest.approx((8.5 - np.sqrt(1.85)) / 11)
    assert part.high == pytest.approx((8.5 + np.sqrt(1.85)) / 11)


@pytest.mark.parametrize("successes", [0, 20])
def test_interval_of_none_and_all_has_a_width_inside_the_unit_interval(successes):
    part = fraction(successes, 20)
    assert part is not None
    assert 0 <= part.low <= part.value <= part.high <= 1
    assert part.high - part.low == pytest.approx(1 / 21)


def test_interval_covers_about_68_percent():
    rng = np.random.default_rng(1)
    found, times = np.unique(rng.binomial(200, 0.3, 4000), return_counts=True)
    parts = [fraction(int(k), 200) for k in found]
    covered = np.average([part.low <= 0.3 <= part.high for part in parts], weights=times)
    assert covered == pytest.approx(0.68, abs=0.04)


def test_fraction_of_nothing_and_of_too_many():
    assert fraction(0, 0) is None
    with pytest.raises(ValueError, match="5 of 3"):
        fraction(5, 3)


def test_errors_of_median_and_width_are_those_of_repeated_samples():
    rng = np.random.default_rng(2)
    rows = np.array([median_and_width(rng.normal(3, 2, 800)) for _ in range(400)])
    median, median_error, width, width_error = rows.T
    assert median.mean() == pytest.approx(3, abs=0.02)
    assert width.mean() == pytest.approx(2 * 0.99446, abs=0.02)
    assert median_error.mean() == pytest.approx(median.std(), rel=0.12)
    assert width_error.mean() == pytest.approx(width.std(), rel=0.12)


def test_weighted_values_are_values_repeated():
    rng = np.random.default_rng(3)
    values, weights = rng.normal(3, 2, 5000), rng.integers(1, 4, 5000).astype(float)
    found = median_and_width(values, weights)
    again = median_and_width(np.repeat(values, weights.astype(int)))
    assert found[0] == pytest.approx(again[0], abs=5e-3)
    assert found[2] == pytest.approx(again[2], abs=5e-3)
    assert found[1] > again[1]  # repeated values tell nothing new
    same = median_and_width(values, np.full(5000, 0.3))
    assert same == median_and_width(values)
    kept = profile(values, values, np.array([0, 9.0]), weights=np.where(values < 3, 1e-9, 1.0))
    assert kept.median[0] > 3.5
    assert kept.x[0] > 3.5


def test_errors_of_weighted_values_are_those_of_repeated_samples():
    rng = np.random.default_rng(4)
    rows = np.array(
        [median_and_width(rng.normal(3, 2, 800), rng.uniform(0.1, 4, 800)) for _ in range(400)]
    )
    median, median_error, width, width_error = rows.T
    assert median_error.mean() == pytest.approx(median.std(), rel=0.12)
    assert width_error.mean() == pytest.approx(width.std(), rel=0.12)


def test_too_few_values_have_no_error():
    assert np.isnan(quantile_error(np.array([1.0]), 0.5))
    assert np.isnan(median_and_width(np.array([1.0]))).all()


def test_profile_finds_a_known_curve():
    x = np.repeat([15.0, 25.0, 45.0], [101, 101, 5])
    spread = np.linspace(-0.5, 0.5, 101)
    y = np.concatenate([1.2 + spread, 1.0 + spread, np.ones(5)])
    found = profile(x, y, np.array([10, 20, 30, 50.0]), least=10)
    assert found.low.tolist() == [10, 20]
    assert found.high.tolist() == [20, 30]
    np.testing.assert_allclose(found.x, [15, 25])
    np.testing.assert_allclose(found.median, [1.2, 1.0])
    np.testing.assert_allclose(found.width, [0.34, 0.34])
    assert (found.median_error > 0).all()
    assert (found.width_error > 0).all()


def test_profile_without_filled_bins_is_empty():
    found = profile(np.array([1.0]), np.array([1.0]), np.array([0, 2.0]))
    assert found.median.shape == (0,)


def test_histogram_counts_fractions_of_all_values():
    content, error = histogram(np.array([0.5, 0.6, 1.5, 9.0]), np.array([0, 1, 2.0]))
    assert content.tolist() == [0.5, 0.25]
    np.testing.assert_allclose(error, [np.sqrt(2) / 4, 0.25])


def test_edges_are_round_and_cover_the_bulk():
    values = np.random.default_rng(3).normal(91, 15, 20_000)
    edges = nice_edges(values, bins=60)
    width = edges[1] - edges[0]
    assert width == pytest.approx(2)
    np.testing.assert_allclose(edges / width, np.round(edges / width))
    assert len(edges) - 1 <= 60
    assert np.mean((values >= edges[0]) & (values <= edges[-1])) >= 0.99


@pytest.mark.parametrize("values", [[], [125.0], [125.0, 125.0], [0.0, 0.0]])
def test_edges_of_degenerate_values_increase(values):
    edges = nice_edges(np.array(values))
    assert len(edges) >= 2
    assert (np.diff(edges) > 0).all()


def test_few_values_get_few_bins():
    values = np.random.default_rng(4).normal(0, 1, 1000)
    assert len(nice_edges(values, bins=60)) - 1 <= 20
