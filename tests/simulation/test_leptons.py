import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from objects import measured, towers, tracks

from msml.data.kinematics import Array
from msml.simulation.detector import Measurement
from msml.simulation.detector_card import Detector
from msml.simulation.leptons import Isolation, find_leptons, missing_momentum, sum_around
from msml.simulation.particles import Kind

ISOLATION = Isolation(delta_r=0.5, pt_min=0.5, electrons=0.12, muons=0.25)
E, MU, HADRON = Kind.ELECTRON, Kind.MUON, Kind.HADRON


class Always:
    """Random numbers that make everything happen which can."""

    def random(self, count: int) -> Array:
        return np.zeros(count)


def found(measurement: Measurement, events: int = 1, rho: float = 0.0) -> Array:
    return find_leptons(measurement, np.full(events, rho), Detector(), ISOLATION, Always())


# Missing transverse momentum


def test_missing_momentum_is_against_the_sum_of_all_energy_flow() -> None:
    seen = measured(
        tracks(
            (0, HADRON, 30.0, 0.5, 0.0),
            (0, MU, 40.0, -1.0, np.pi / 2),
            (1, HADRON, 7.0, 2.0, 1.0),
            kept=[True, True, False],
        ),
        towers((0, 20.0, 3.5, np.pi)),
        towers((0, 10.0, -1.0, np.pi), (2, 5.0, 0.0, -1.0)),
    )
    missing = missing_momentum(seen, 4)
    # 30 - 20 - 10 along x and 40 along y; subtracted tracks count too, for neutrals cannot be told.
    np.testing.assert_allclose(missing[0], [40.0, -np.pi / 2], atol=1e-12)
    np.testing.assert_allclose(missing[1], [7.0, 1.0 - np.pi])
    np.testing.assert_allclose(missing[2], [5.0, np.pi - 1.0])
    assert missing[3, 0] == 0.0


@given(seed=st.integers(0, 2**32 - 1), angle=st.floats(-3.0, 3.0))
def test_missing_momentum_turns_with_the_event(seed: int, angle: float) -> None:
    random = np.random.default_rng(seed)
    pt, eta, phi = random.exponential(10, 9), random.normal(0, 2, 9), random.uniform(-3, 3, 9)
    found = []
    for turn in (0.0, angle):
        rows = [(0, HADRON, pt[i], eta[i], phi[i] + turn) for i in range(6)]
        neutral = [(0, pt[i], eta[i], phi[i] + turn) for i in range(6, 9)]
        found.append(missing_momentum(measured(tracks(*rows), towers(*neutral)), 1)[0])
    assert found[1][0] == pytest.approx(found[0][0])
    assert np.cos(found[1][1] - found[0][1] - angle) == pytest.approx(1.0)
    total = (pt * np.exp(1j * phi)).sum()
    assert found[0][0] == pytest.approx(abs(total))


# Isolation


@pytest.mark.parametrize(
    ("kind", "around", "isolated"),
    [(E, 5.9, True), (E, 6.1, False), (MU, 12.4, True), (MU, 12.6, False)],
)
def test_electrons_and_muons_have_their_own_limits(
    kind: Kind, around: float, isolated: bool
) -> None:
    seen = measured(tracks((0, kind, 50.0, 0.0, 3.1), (0, HADRON, around, 0.3, -3.1)))
    leptons = found(seen)
    assert leptons.shape[1] == isolated
    if isolated:  # it has the momentum that energy flow leaves
        np.testing.assert_allclose(leptons[0, 0], [50.0, 0.0, 3.1, 0.10566 * (kind == MU)])


def test_what_counts_around_a_lepton() -> None:
    seen = measured(
        tracks(
            (0, E, 50.0, 0.0, 0.0),
            (0, HADRON, 1.0, 0.3, 0.3),
            (0, HADRON, 2.0, 0.0, -0.49),
            (0, HADRON, 100.0, 0.0, 0.51),  # outside the cone
            (0, HADRON, 0.4, 0.1, 0.0),  # too soft
            (0, HADRON, 100.0, 0.1, 0.0),  # of pile-up
            (0, MU, 100.0, 0.1, 0.0),  # a lepton
            (1, HADRON, 100.0, 0.0, 0.0),  # of another event
            kept=[True] * 5 + [False] + [True] * 2,
        ),
        towers((0, 4.0, 0.2, 0.0), (1, 100.0, 0.0, 0.0)),
        towers((0, 8.0, 0.0, 0.2), (0, 100.0, 0.6, 0.0)),
    )
    lepton = np.array([0])
    assert sum_around(seen, lepton, np.array([0.0, 5.0]), ISOLATION)[0] == pytest.approx(15.0)
    # Pile-up is taken off the neutral part alone, and not below 0.
    area = np.pi * 0.25
    less = sum_around(seen, lepton, np.array([4.0, 0.0]), ISOLATION)[0]
    assert less == pytest.approx(15.0 - 4.0 * area)
    assert sum_around(seen, lepton, np.array([99.0, 0.0]), ISOLATION)[0] == pytest.approx(3.0)
    assert sum_around(seen, lepton, np.array([-9.0, 0.0]), ISOLATION)[0] == pytest.approx(15.0)


def test_leptons_are_ordered_and_padded_by_event() -> None:
    seen = measured(
        tracks(
            (2, MU, 30.0, 1.0, 0.0),
            (0, E, 25.0, 0.0, 1.0),
            (2, E, 40.0, -1.0, 2.0),
            (2, HADRON, 90.0, 0.0, -2.0),
        )
    )
    leptons = found(seen, events=3)
    assert leptons.shape == (3, 2, 4)
    np.testing.assert_allclose(leptons[..., 0], [[25.0, 0.0], [0.0, 0.0], [40.0, 30.0]])
    np.testing.assert_allclose(leptons[2, :, 1], [-1.0, 1.0])


def test_leptons_of_pileup_and_outside_the_card_are_none() -> None:
    rows = [(0, E, 9.9, 0.0, 0.0), (0, E, 50.0, 2.51, 1.0), (0, MU, 50.0, 2.41, 2.0)]
    seen = measured(tracks(*rows, (0, MU, 50.0, 0.0, 3.0), kept=[True, True, True, False]))
    assert found(seen).shape == (1, 0, 4)


def test_the_efficiency_of_identification_is_the_cards() -> None:
    events = 4000
    for kind, eta, expected in ((E, 1.0, 0.95), (E, 2.0, 0.85), (MU, 2.0, 0.95)):
        seen = measured(tracks(*((event, kind, 50.0, eta, 0.0) for event in range(events))))
        leptons = find_leptons(
            seen, np.zeros(events), Detector(), ISOLATION, np.random.default_rng(1)
        )
        assert (leptons[:, 0, 0] > 0).mean() == pytest.approx(expected, abs=0.02)
