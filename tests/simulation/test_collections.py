import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msml.data.kinematics import pt_eta_phi_m, px_py_pz_e
from msml.simulation.collections import jet_collections
from msml.simulation.jets import EventJets, FlowObjects
from msml.simulation.settings import Collections
from msml.simulation.truth import TrueTaus

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


# Event, jet and place of each object.
MEMBERS = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 0, 1)]


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
    np.testing.assert_array_equal(columns["all_jets_real"], [[1, 1, 0], [1, 0, 0]])
    np.testing.assert_array_equal(columns["all_jets_tau"], [[0, 1, 0], [1, 0, 0]])
    truth = [[[0] * 3, [20, 1.05, -3.1], [0] * 3], [[30, 0, 0.9], [0] * 3, [0] * 3]]
    np.testing.assert_array_equal(columns["all_jets_taus"], truth)
    assert columns["constituents"].shape == (2, 3, 3, 3)
    expected = np.zeros((2, 3, 3, 3))
    for (event, jet, number), row in zip(MEMBERS, OBJECTS, strict=True):
        expected[event, jet, number] = row[:3] - [0, *jets.jets[event, jet, 1:3]]
    # To 8 binary digits of pt, and to steps of 2^-10 in angle.
    np.testing.assert_allclose(columns["constituents"][..., 0], expected[..., 0], rtol=2**-8)
    np.testing.assert_allclose(columns["constituents"], expected, atol=0.5**11 + 1e-9, rtol=2**-8)
    assert not (columns["constituents"][..., 1:] * 2**10 % 1).any()
    np.testing.assert_array_equal(columns["constituents_real"], expected[..., 0] > 0)
    charges = [[[1, 0, 0], [-1, 0, 0], [0] * 3], [[0, 1, 0], [0] * 3, [0] * 3]]
    np.testing.assert_array_equal(columns["constituent_charges"], charges)


def test_only_the_leading_jets_and_constituents_are_kept() -> None:
    columns = jet_collections(*hand_made(), Collections(jets=1, constituents=1))
    assert columns["all_jets"].shape == (2, 1, 4)
    assert columns["all_jets"][:, 0, 0].tolist() == [50.0, 51.0]
    np.testing.assert_allclose(columns["constituents"][:, 0, 0, 0], OBJECTS[[0, 3], 0], rtol=2**-8)
    np.testing.assert_array_equal(columns["all_jets_tau"], [[0], [1]])


def test_the_label_needs_the_distance_of_the_settings() -> None:
    near = jet_collections(*hand_made(), Collections(jets=2, delta_r_max=0.05))
    np.testing.assert_array_equal(near["all_jets_tau"], [[0, 0], [0, 0]])


def test_jets_outside_the_acceptance_make_room_for_others() -> None:
    central = jet_collections(*hand_made(), Collections(jets=1, jet_eta_max=0.5))
    assert central["all_jets"][:, 0, 0].tolist() == [50.0, 51.0]
    jets, flow, taus = hand_made()
    jets.jets[0, 0, 1] = 0.6
    central = jet_collections(jets, flow, taus, Collections(jets=2, jet_eta_max=1.5))
    assert central["all_jets"][0, :, 0].tolist() == [50.0, 25.0]
    central = jet_collections(jets, flow, taus, Collections(jets=2, jet_eta_max=0.55))
    assert not central["all_jets_real"][0].any()
    jets.jets[0, 1, 1] = 0.1
    central = jet_collections(jets, flow, taus, Collections(jets=2, jet_eta_max=0.55))
    assert central["all_jets"][0, :, 0].tolist() == [25.0, 0.0]
    assert central["constituents"][0, 0, :2, 0].tolist() == [25.0, 0.0]


def test_angles_are_taken_the_short_way_round() -> None:
    jets, flow, taus = hand_made()
    jets.jets[0, 1, 2] = -3.1  # its constituent is at 3.1
    relative = jet_collections(jets, flow, taus, Collections(jets=2))["constituents"][0, 1, 0, 2]
    assert relative == pytest.approx(6.2 - 2 * np.pi, abs=0.5**11 + 1e-9)


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
        assert columns["constituents"].shape == (events, 4, 5, 3)
        assert not columns["all_jets_real"].any()
        assert not columns["all_jets_tau"].any()
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
