import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msml.simulation.matching import TauPairCuts, match_jets, pair_tau_jets

CUTS = TauPairCuts()


def objects(*rows):
    return np.array([[(*row, 0.0) for row in rows]]).reshape(1, -1, 4)


def test_nearest_jet_within_reach():
    jets = objects((50, 0.0, 0.0), (40, 0.25, 0.0), (30, 0.0, 3.1))
    taus = objects((30, 0.2, 0.0), (20, 0.0, -3.1), (20, 0.6, 0.0))
    assert match_jets(jets, taus, 0.3).tolist() == [[1, 2, -1]]
    assert match_jets(jets, taus, 0.01).tolist() == [[-1, -1, -1]]


def test_reach_itself_is_out():
    assert match_jets(objects((9, 0, 0)), objects((9, 0.25, 0)), 0.25).tolist() == [[-1]]


def test_the_nearer_of_two_taus_keeps_the_jet():
    jets = objects((50, 0.0, 0.0), (40, 0.29, 0.0))
    taus = objects((30, 0.1, 0.0), (20, 0.05, 0.0))
    # The first tau does not fall back to the second jet.
    assert match_jets(jets, taus, 0.3).tolist() == [[-1, 0]]
    assert match_jets(jets, taus[:, ::-1], 0.3).tolist() == [[0, -1]]


def test_at_equal_distance_the_first_tau_keeps_the_jet():
    taus = objects((30, 0.125, 0.0), (20, -0.125, 0.0), (20, 0.125, 0.0))
    assert match_jets(objects((50, 0, 0)), taus, 0.3).tolist() == [[0, -1, -1]]


def test_absent_jets_and_taus_match_nothing():
    assert match_jets(objects((0, 0, 0)), objects((9, 0, 0)), 0.3).tolist() == [[-1]]
    assert match_jets(objects((9, 0, 0)), objects((0, 0, 0), (9, 0.1, 0)), 0.3).tolist() == [
        [-1, 0]
    ]
    assert match_jets(np.zeros((2, 0, 4)), np.zeros((2, 3, 4)), 0.3).tolist() == [[-1] * 3] * 2


def test_pair_leading_jet_first_each_tau_with_its_jet():
    jets = objects((90, 2.4, 0), (30, 0, 0), (40, 1, 1))
    taus = objects((5, 0, 2), (20, 0, 0.1), (18, 1, 1.1))
    pairs = pair_tau_jets(jets, taus, CUTS)
    assert pairs.matched.tolist() == [True]
    assert pairs.jet.tolist() == [[2, 1]]
    assert pairs.tau.tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("change", "matched"),
    [
        ({}, True),
        ({"visible_pt_min": 18.0}, False),
        ({"visible_eta_max": 1.0}, False),
        ({"jet_pt_min": 30.0}, False),
        ({"jet_eta_max": 1.0}, False),
        ({"delta_r_max": 0.09}, False),
        ({"visible_pt_min": 4.0}, False),  # three taus
    ],
)
def test_each_cut_acts(change, matched):
    jets = objects((30, 0, 0), (40, 1, 1))
    taus = objects((5, 0, 2), (20, 0, 0.1), (18, 1, 1.1))
    cuts = TauPairCuts(**change)
    assert pair_tau_jets(jets, taus, cuts).matched.tolist() == [matched]


@pytest.mark.parametrize(("jets", "taus"), [(0, 0), (0, 2), (3, 0), (1, 1)])
def test_too_few_objects_are_no_pair(jets, taus):
    jets, taus = np.ones((4, jets, 4)) * 50, np.ones((4, taus, 4)) * 50
    jets[..., 1:3] = taus[..., 1:3] = 0
    pairs = pair_tau_jets(jets, taus, CUTS)
    assert pairs.matched.tolist() == [False] * 4
    assert pairs.jet.shape == pairs.tau.shape == (4, 2)


def events(count):
    # Directions of their own: of two jets at one place either may be the nearest.
    eta = st.integers(-26, 26).map(lambda n: n / 10)
    row = st.tuples(st.floats(10, 90), eta, st.floats(-3.14, 3.14))
    unique = (lambda r: r[0], lambda r: r[1])
    return st.lists(row, min_size=count, max_size=count, unique_by=unique)


@settings(max_examples=50)
@given(events(5), st.permutations(range(5)), st.data())
def test_order_of_jets_does_not_matter(jets, order, data):
    near = [(20.0, jet[1] + 0.05, jet[2]) for jet in jets[:2]]
    taus = objects(*data.draw(st.permutations([*near, (5.0, 0.0, 0.0)])))
    one, two = objects(*jets), objects(*(jets[i] for i in order))
    pairs, others = pair_tau_jets(one, taus, CUTS), pair_tau_jets(two, taus, CUTS)
    assert pairs.matched.tolist() == others.matched.tolist()
    if pairs.matched[0]:
        assert [order[i] for i in others.jet[0]] == pairs.jet[0].tolist()
        assert others.tau.tolist() == pairs.tau.tolist()
        first, second = pairs.jet[0]
        assert first != second
        assert one[0, first, 0] >= one[0, second, 0]
