import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msml.metrics import average
from msml.validity.bands import Bands, groups, inside, is_validity, metric_name, nominal, size

RNG = np.random.default_rng(1)
TWO = groups(2, "taus")


def bands(mean, std):
    return Bands(np.asarray(mean, float), np.asarray(std, float))


def test_a_band_across_pi_holds_both_its_ends():
    """From 3.0 to -3.0, the short way."""
    angles = np.array([3.1, -3.1, 0.0, 2.99, -2.99, np.pi, 3.1 - 2 * np.pi])
    values = np.zeros((len(angles), 1, 3))
    values[..., 2] = angles[:, None]
    for centre in (np.pi, -np.pi):
        band = bands(np.broadcast_to([0, 0, centre], values.shape), np.ones(values.shape))
        found = inside(band.pulls(values), np.pi - 3.0, groups(1, "taus")["phi_1"])
        assert found.tolist() == [True, True, False, False, False, True, True]


def test_only_phi_goes_round():
    band = bands(np.zeros((1, 1, 3)), np.ones((1, 1, 3)))
    pulls = band.pulls(np.full((1, 1, 3), 2 * np.pi))
    np.testing.assert_allclose(pulls[0, 0], [2 * np.pi, 2 * np.pi, 0], atol=1e-12)


def test_fractions_of_bands_made_by_hand():
    mean = np.array([[4.0, 0.5, 1.0], [3.0, -0.5, -2.0]])
    std = np.array([[0.2, 0.05, 0.05], [0.4, 0.1, 0.1]])
    off = np.zeros((5, 2, 3))
    off[1, 0, 0] = 1.9
    off[2, 0, 1] = -2.1
    off[3, 1, 2] = 2.1
    off[4] = np.nan
    band = bands(np.broadcast_to(mean, off.shape), np.broadcast_to(std, off.shape))
    pulls = band.pulls(mean + off * std)
    found = {name: inside(pulls, 2, group).tolist() for name, group in TWO.items()}
    assert list(found) == [
        *("all", "taus_1", "taus_2"),
        *("pt_1", "eta_1", "phi_1", "pt_2", "eta_2", "phi_2"),
    ]
    assert found["all"] == [True, True, False, False, False]
    assert found["taus_1"] == [True, True, False, True, False]
    assert found["taus_2"] == [True, True, True, False, False]
    assert found["pt_1"] == [True, True, True, True, False]
    assert found["eta_1"] == [True, True, False, True, False]
    assert found["phi_2"] == [True, True, True, False, False]
    assert average(inside(pulls, 2, TWO["all"]), np.array([1, 2, 3, 4, 0])) == pytest.approx(0.3)


def test_the_edge_is_outside():
    band = bands(np.zeros((1, 1, 3)), np.ones((1, 1, 3)))
    pulls = band.pulls(np.full((1, 1, 3), 2.0))
    assert not inside(pulls, 2, (0, 0))[0]
    assert inside(pulls, np.nextafter(2, 3), (0, 0))[0]


@given(st.permutations(range(12)), st.floats(0.5, 3))
def test_the_order_of_events_does_not_matter(order, sigma):
    pulls, weight = RNG.normal(size=(12, 2, 3)), RNG.uniform(0.5, 2, 12)
    for group in TWO.values():
        found = average(inside(pulls, sigma, group), weight)
        again = average(inside(pulls[order], sigma, group), weight[order])
        assert found == pytest.approx(again, rel=1e-12)


@given(st.floats(0.1, 4), st.floats(0.1, 4))
def test_more_numbers_are_inside_wider_bands_less_often_together(first, second):
    narrow, wide = sorted((first, second))
    pulls = RNG.normal(size=(50, 2, 3))
    for group in TWO.values():
        assert (inside(pulls, narrow, group) <= inside(pulls, wide, group)).all()
    together = inside(pulls, wide, TWO["all"])
    assert (
        together == inside(pulls, wide, (0, slice(None))) & inside(pulls, wide, (1, slice(None)))
    ).all()


def test_normal_numbers_are_inside_as_often_as_they_should():
    pulls = RNG.normal(size=(40_000, 2, 3))
    for sigma in (1, 2, 3):
        for group in TWO.values():
            expected = nominal(sigma, size(2, group))
            error = np.sqrt(expected * (1 - expected) / len(pulls))
            assert inside(pulls, sigma, group).mean() == pytest.approx(expected, abs=4.5 * error)
    assert [round(100 * nominal(sigma), 1) for sigma in (1, 2, 3)] == [68.3, 95.4, 99.7]


def test_names_of_metrics():
    assert [metric_name(name) for name in list(TWO)[:4]] == [
        *("validity", "validity_taus_1", "validity_taus_2", "validity_pt_1"),
    ]
    assert all(is_validity(metric_name(name)) for name in TWO)
    assert not is_validity("auc")
    assert list(groups(1, "taus")) == ["all", "taus_1", "pt_1", "eta_1", "phi_1"]
