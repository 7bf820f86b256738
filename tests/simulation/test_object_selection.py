from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from objects import jets, measured, tracks, truth

from msml.errors import RecipeError
from msml.simulation.columns import ObjectType
from msml.simulation.detector_card import BTagging, Detector, Efficiency
from msml.simulation.object_selection import leading
from msml.simulation.particles import Kind
from msml.simulation.selections import Seen, Selected, Selection, build_selection
from msml.simulation.settings import EventRecipe

# Leptons are always identified, b-jets always tagged, others never.
SURE = Efficiency([2.5], [10.0], [[1.0]])
CERTAIN = Detector(
    electron_identification=SURE,
    muon_identification=SURE,
    b_tagging=BTagging(b=[1.0, 9.0, 0.0], c=[0.0, 1.0, 0.0], light=[0.0, 0.0]),
)
LEPTON = (0, Kind.ELECTRON, 40.0, 0.5, 1.0)
B_QUARKS = ((5, 60.0, 1.0, -1.0), (5, 50.0, -1.0, -2.0))
JETS = (
    (90.0, 0.0, 3.0, 9.0),
    (70.0, 1.0, -1.0, 8.0),
    (55.0, 0.5, 1.1, 2.0),  # the lepton
    (50.0, -1.0, -2.0, 7.0),
    (30.0, -0.5, 0.2, -3.0),
    (25.0, 2.0, 0.0, 4.0),
)


def built(detector: Detector = CERTAIN, **cuts: Any) -> Selection:
    recipe = EventRecipe("x.h5", {}, detector=detector, selection={"name": "objects", **cuts})
    return build_selection(recipe)


def event(seed: int = 1) -> Seen:
    """One event with a lepton, two b-jets and three other jets."""
    random = np.random.default_rng(seed)
    return Seen(truth([B_QUARKS]), measured(tracks(LEPTON)), jets([JETS]), random)


def select(seen: Seen | None = None, detector: Detector = CERTAIN, **cuts: Any) -> Selected:
    return built(detector, **cuts).select(seen or event())


def test_objects_and_their_types_of_a_hand_made_event() -> None:
    found = select()
    assert found.events.tolist() == [0]
    columns = found.columns
    missing = [40.0, 0.0, 1.0 - np.pi, 0.0]
    expected = [[40.0, 0.5, 1.0, 0.0], missing, JETS[1], JETS[3], JETS[0], JETS[4]]
    np.testing.assert_allclose(columns["event_objects"][0], expected, atol=1e-12)
    assert columns["event_object_types"].tolist() == [[1, 4, 2, 2, 3, 3]]
    assert columns["event_object_types"].dtype == np.int8
    assert columns["event_objects_real"].all()
    assert columns["event_object_counts"].tolist() == [[1, 2, 3]]
    assert set(columns) == set(built().columns)
    assert [ObjectType(code).name for code in (1, 2, 3, 4)] == ["LEPTON", "B_JET", "JET", "MET"]


def test_missing_objects_are_padded() -> None:
    found = select(leptons=[0, 2], b_jets=[2, 4], jets=[0, 5]).columns
    assert found["event_object_types"].tolist() == [[1, 0, 4, 2, 2, 0, 0, 3, 3, 3, 0, 0]]
    np.testing.assert_array_equal(found["event_objects_real"], found["event_object_types"] > 0)
    assert not found["event_objects"][~found["event_objects_real"]].any()
    none = select(leptons=[0, 0], b_jets=[0, 0], jets=[0, 0]).columns
    assert none["event_object_types"].tolist() == [[4]]


def test_without_b_jets_no_jet_is_tagged() -> None:
    found = select(leptons=[0, 0], b_jets=[0, 0], jets=[4, 4]).columns
    assert found["event_object_types"].tolist() == [[4, 3, 3, 3, 3]]
    np.testing.assert_array_equal(found["event_objects"][0, 1:, 0], [90.0, 70.0, 50.0, 30.0])
    assert found["event_object_counts"].tolist() == [[1, 0, 5]]


@pytest.mark.parametrize(
    ("cuts", "accepted"),
    [
        ({"leptons": [2, 2]}, False),
        ({"b_jets": [3, 3]}, False),
        ({"jets": [3, 3]}, True),
        ({"jets": [4, 4]}, False),
        ({"met_min": 39.9}, True),
        ({"met_min": 40.1}, False),
        ({"lepton_pt_min": 39.9}, True),
        ({"lepton_pt_min": 40.1}, False),
        ({"lepton_eta_max": 0.51}, True),
        ({"lepton_eta_max": 0.49}, False),
        ({"jet_pt_min": 29.9}, True),
        ({"jet_pt_min": 30.1}, False),
        ({"jet_eta_max": 1.01}, True),
        ({"jet_eta_max": 0.99}, False),
    ],
)
def test_cuts(cuts: dict[str, Any], accepted: bool) -> None:
    found = select(**cuts)
    assert found.events.tolist() == [0] * accepted
    assert len(found.columns["event_objects"]) == accepted


def test_an_electron_in_a_jet_is_no_lepton() -> None:
    seen = event()
    around = measured(tracks(LEPTON, (0, Kind.HADRON, 5.0, 0.6, 1.0)))
    near = replace(seen, measurement=around)
    assert select(near).events.tolist() == []
    assert select(event(), electron_isolation=0.1).events.tolist() == [0]
    for cuts in (
        {"electron_isolation": 0.13},
        {"isolation_delta_r": 0.05},
        {"isolation_pt_min": 6.0},
    ):
        assert select(replace(near, random=np.random.default_rng(1)), **cuts).events.tolist() == [0]
    muon = measured(tracks((0, Kind.MUON, *LEPTON[2:]), (0, Kind.HADRON, 9.0, 0.6, 1.0)))
    assert select(replace(seen, measurement=muon)).events.tolist() == [0]
    assert select(replace(seen, measurement=muon), muon_isolation=0.2).events.tolist() == []


def test_the_jet_of_a_lepton_is_no_jet() -> None:
    assert select(overlap_delta_r=0.05).columns["event_object_counts"].tolist() == [[1, 2, 4]]
    # A lepton that is too soft does not hide its jet.
    soft = select(leptons=[0, 0], lepton_pt_min=45)
    assert soft.columns["event_object_counts"].tolist() == [[0, 2, 4]]


def test_tags_follow_the_cards_efficiency() -> None:
    rows = 3000
    card = replace(CERTAIN, b_tagging=BTagging())
    seen = Seen(
        truth([[(5, 60.0, 1.0, -1.0)]] * rows),
        measured(tracks(LEPTON)),
        jets([[JETS[1]]] * rows),
        np.random.default_rng(2),
    )
    found = select(seen, card, leptons=[0, 0], b_jets=[1, 1], jets=[0, 0])
    efficiency = 0.85 * np.tanh(0.0025 * 70) * 25 / (1 + 0.063 * 70)
    assert len(found.events) / rows == pytest.approx(efficiency, abs=0.03)


@given(seed=st.integers(0, 2**32 - 1))
def test_the_same_random_numbers_give_the_same_objects(seed: int) -> None:
    loose = {"leptons": [0, 1], "b_jets": [0, 2], "jets": [0, 4]}
    first, same = (select(event(seed), Detector(), **loose).columns for _ in range(2))
    for name, column in first.items():
        np.testing.assert_array_equal(column, same[name])


def test_leading_skips_gaps() -> None:
    table = np.zeros((1, 4, 4))
    table[0, [1, 3], 0] = [50.0, 20.0]
    np.testing.assert_array_equal(leading(table, 3)[0, :, 0], [50.0, 20.0, 0.0])
    np.testing.assert_array_equal(leading(table, 1)[0, :, 0], [50.0])
    assert leading(np.zeros((2, 0, 4)), 2).shape == (2, 2, 4)


def test_true_b_quarks_are_asked_for_before_and_after_hadronisation() -> None:
    selection = built(b_quarks=3, b_quark_pt_min=15, b_quark_eta_max=2.0)
    assert selection.veto.particle == 5
    for pt, eta, passes in (
        ([20.0, 20.0, 20.0], [0.0, 1.0, -1.9], True),
        ([20.0, 20.0, 14.0], [0.0, 1.0, -1.9], False),
        ([20.0, 20.0, 20.0, 99.0], [0.0, 2.1, -2.1, 0.0], False),
        ([20.0, 20.0, 20.0, 99.0], [0.0, 2.1, -1.0, 0.0], True),
        ([], [], False),
    ):
        quarks = [(5, one, other, 0.0) for one, other in zip(pt, eta, strict=True)]
        assert selection.veto.may_pass(pt, eta) is passes
        charm = [(4, 50.0, 0.0, 0.0)] * 3
        assert selection.worth(truth([quarks, charm])).tolist() == [passes, False]
    assert built().veto is None
    assert built().worth(truth([[], []])).all()


def test_a_batch_without_jets_or_leptons() -> None:
    empty = Seen(
        truth([[], []]),
        measured(tracks((1, Kind.HADRON, 5.0, 0.0, 0.0))),
        replace(jets([[], []]), jets=np.zeros((2, 0, 4))),
        np.random.default_rng(1),
    )
    found = select(empty)
    assert found.events.tolist() == []
    assert found.columns["event_objects"].shape == (0, 6, 4)
    loose = select(empty, leptons=[0, 1], b_jets=[0, 1], jets=[0, 1]).columns
    assert loose["event_object_types"].tolist() == [[0, 4, 0, 0]] * 2
    assert loose["event_objects"][:, 1, 0].tolist() == [0.0, 5.0]


def test_mistakes_in_the_cuts() -> None:
    with pytest.raises(RecipeError) as caught:
        built(leptons=1, b_jets=[2], jets=[-1, 2], met=3)
    lines = caught.value.problems
    assert len(lines) == 4
    assert "selection.met: unknown cut; did you mean 'met_min'" in lines[0]
    for name, line in zip(("leptons", "b_jets", "jets"), lines[1:], strict=True):
        assert line.startswith(f"selection.{name}: expected a list of 2")
