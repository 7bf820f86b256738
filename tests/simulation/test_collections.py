import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msml.data.kinematics import pt_eta_phi_m, px_py_pz_e
from msml.simulation.collections import jet_collections
from msml.simulation.generator import TrueTaus
from msml.simulation.jets import EventJets, FlowObjects
from msml.simulation.settings import Collections

OBJECTS = np.array(
    [
        [30.0, 0.1, 0.0, 0.14],
        [20.0, -0.1, 0.1, 0.0],
        [25.0, 1.0, 3.1, 0.94],
        [50.0, 0.0, 1.0, 0.0],
        [1.0, 0.2, 1.1, 0.14],
    ]
)
CHARGES = np.array([1, 0, -1, 0, 1], dtype=np.int8)


def hand_made() -> tuple[EventJets, FlowObjects, TrueTaus]:
    flow = FlowObjects(np.array([0, 0, 0, 1, 1]), px_py_pz_e(OBJECTS), CHARGES)
    jets = np.array(
        [
            [[50.0, 0.02, 0.04, 2.0], [25.0, 1.0, 3.1, 1.0]],
            [[51.0, 0.0, 1.0, 3.0], [0.0, 0.0, 0.0, 0.0]],
        ]
    )
    members = np.array([[[0, 1], [2, -1]], [[3, 4], [-1, -1]]])
    visible = np.array(
        [[[20.0, 1.05, -3.1, 0.1], [30.0, 2.0, 0.0, 0.1]], [[30.0, 0.0, 0.9, 0.1], [0.0] * 4]]
    )
    taus = TrueTaus(visible, visible, np.zeros((2, 2), dtype=np.int8))
    return EventJets(jets, members, np.zeros(2)), flow, taus


def test_a_hand_made_case() -> None:
    columns = jet_collections(*hand_made(), Collections(jets=3, constituents=3))
    jets, _, _ = hand_made()
    np.testing.assert_array_equal(columns["all_jets"][:, :2], jets.jets)
    assert not columns["all_jets"][:, 2].any()
    np.testing.assert_array_equal(columns["all_jets_tau"], [[0, 1, -1], [1, -1, -1]])
    assert columns["constituents"].shape == (2, 3, 3, 4)
    expected = np.zeros((2, 3, 3, 4))
    expected[0, 0, :2], expected[0, 1, 0], expected[1, 0, :2] = OBJECTS[:2], OBJECTS[2], OBJECTS[3:]
    np.testing.assert_allclose(columns["constituents"], expected, atol=1e-6)
    charges = [[[1, 0, 0], [-1, 0, 0], [0] * 3], [[0, 1, 0], [0] * 3, [0] * 3]]
    np.testing.assert_array_equal(columns["constituent_charges"], charges)


def test_only_the_leading_jets_and_constituents_are_kept() -> None:
    columns = jet_collections(*hand_made(), Collections(jets=1, constituents=1))
    assert columns["all_jets"].shape == (2, 1, 4)
    assert columns["all_jets"][:, 0, 0].tolist() == [50.0, 51.0]
    np.testing.assert_allclose(columns["constituents"][:, 0, 0], OBJECTS[[0, 3]], atol=1e-6)
    np.testing.assert_array_equal(columns["all_jets_tau"], [[0], [1]])


def test_the_label_needs_the_distance_of_the_settings() -> None:
    near = jet_collections(*hand_made(), Collections(jets=2, delta_r_max=0.05))
    np.testing.assert_array_equal(near["all_jets_tau"], [[0, 0], [0, -1]])


@pytest.mark.parametrize("events", [0, 2])
def test_without_jets(events: int) -> None:
    taus = TrueTaus(*np.zeros((2, events, 2, 4)), np.zeros((events, 2), dtype=np.int8))
    jets = EventJets(
        np.zeros((events, 0, 4)), np.zeros((events, 0, 0), dtype=int), np.zeros(events)
    )
    empty = FlowObjects(np.zeros(0, int), np.zeros((0, 4)), np.zeros(0, np.int8))
    _, objects, _ = hand_made()
    for flow in (objects,) if events else (objects, empty):
        columns = jet_collections(jets, flow, taus, Collections(jets=4, constituents=5))
        assert columns["all_jets"].shape == (events, 4, 4)
        assert columns["constituents"].shape == (events, 4, 5, 4)
        assert (columns["all_jets_tau"] == -1).all()
        assert not columns["constituents"].any()


@given(jets=st.integers(1, 6), constituents=st.integers(1, 6))
def test_padding_does_not_depend_on_the_batch(jets: int, constituents: int) -> None:
    settings = Collections(jets=jets, constituents=constituents)
    found, flow, taus = hand_made()
    together = jet_collections(found, flow, taus, settings)
    for event in range(2):
        rows = np.array([event])
        alone = jet_collections(found.take(rows), flow, taus.take(rows), settings)
        for name, column in alone.items():
            np.testing.assert_array_equal(column[0], together[name][event])
    assert together["constituents"].dtype == np.float64
    assert pt_eta_phi_m(flow.momentum).shape == (5, 4)
