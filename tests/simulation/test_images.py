import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from msml.simulation.images import jet_image

WINDOW = {"pixels": 16, "half_width": 0.4}


def image(eta, phi, weight, axes=((0.0, 0.0),), **window):
    eta, phi, weight = (np.atleast_1d(np.asarray(a, float)) for a in (eta, phi, weight))
    event = np.zeros(len(eta), int)
    return jet_image(np.array([axes], float), event, eta, phi, weight, **WINDOW | window)[0]


@pytest.mark.parametrize(
    ("eta", "phi", "pixel"),
    [
        (0.01, 0.01, (8, 8)),
        (-0.01, 0.01, (7, 8)),
        (0.06, -0.11, (9, 5)),
        (-0.39, 0.39, (0, 15)),
    ],
)
def test_pixel_of_a_deposit(eta, phi, pixel):
    found = image(1.5 + eta, -2.0 + phi, 7.0, axes=[(1.5, -2.0)])[0]
    assert found.dtype == np.float32
    assert np.argwhere(found).tolist() == [list(pixel)]
    assert found[pixel] == 7.0


def test_edges_are_half_open():
    # Binary fractions, so that the edges are exact.
    window = {"pixels": 4, "half_width": 0.5}
    edges = [-0.5, -0.25, 0.0, 0.25, 0.5]
    for place, edge in enumerate(edges):
        for found in (image(edge, 0.1, 1, **window), image(0.1, edge, 1, **window).swapaxes(1, 2)):
            rows = np.argwhere(found[0])[:, 0].tolist()
            assert rows == ([place] if place < 4 else [])
    assert image(np.nextafter(-0.5, -1), 0, 1, **window).sum() == 0


@pytest.mark.parametrize(("axis", "phi"), [(3.1, -3.1), (-3.1, 3.1), (np.pi, -np.pi)])
def test_azimuth_wraps(axis, phi):
    distance = (phi - axis + np.pi) % (2 * np.pi) - np.pi
    found = image(0, phi, 1, axes=[(0, axis)])[0]
    assert np.argwhere(found).tolist() == [[8, int((distance + 0.4) // 0.05)]]


def test_objects_reach_all_jets_of_their_own_event_only():
    axes = np.array([[(0.0, 0.0), (0.1, 0.0)], [(0.0, 0.0), (2.0, 2.0)]])
    event, place = np.array([0, 1, 1]), np.array([0.02, 0.02, 2.02])
    found = jet_image(axes, event, place, place, np.array([1.0, 2.0, 4.0]), **WINDOW)
    assert found.sum(axis=(2, 3)).tolist() == [[1, 1], [2, 4]]
    assert np.argwhere(found[0]).tolist() == [[0, 8, 8], [1, 6, 8]]


def test_no_events_and_no_objects():
    nothing = np.zeros(0)
    assert jet_image(np.zeros((0, 2, 2)), nothing.astype(int), *[nothing] * 3, **WINDOW).size == 0
    assert image([], [], []).sum() == 0


deposits = arrays(float, (12, 2), elements=st.floats(-0.39, 0.39))
weights = arrays(float, 12, elements=st.floats(0, 100, width=32))


@given(deposits, weights)
def test_what_lies_inside_is_conserved(places, weight):
    found = image(places[:, 0], places[:, 1], weight)
    assert found.sum() == pytest.approx(weight.sum(), rel=1e-5, abs=1e-5)
    assert image(places[:, 0] + 0.8, places[:, 1], weight).sum() == 0


@given(deposits, weights, st.floats(-10, 10))
def test_turning_the_whole_event_changes_nothing(places, weight, angle):
    # Deposits in the middle of pixels, which rounding does not move to the next one.
    eta, phi = (np.floor(places / 0.05) * 0.05 + 0.025).T
    turned = image(eta, phi + angle, weight, axes=[(0, angle)])
    assert (turned == image(eta, phi, weight)).all()
