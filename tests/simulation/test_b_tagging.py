import numpy as np
import pytest
from objects import jets, truth

from msml.simulation.b_tagging import jet_flavours, tag_probability
from msml.simulation.detector_card import BTagging


def test_a_jet_has_the_flavour_of_the_heaviest_quark_near_it() -> None:
    found = jets(
        [
            [(90, 0.0, 3.1, 5), (50, 2.0, 0.0, 5), (40, -2.4, 1.0, 5), (30, 0.0, -1.5, 5)],
            [(90, 0.0, 3.1, 5)],
        ]
    )
    quarks = truth(
        [
            [
                (4, 80.0, 0.1, 3.1),
                (5, 20.0, 0.3, -3.1),  # near the first jet, across the seam
                (4, 20.0, 2.0, 0.4),
                (5, 20.0, 2.0, 0.6),  # too far from the second
                (5, 20.0, -2.6, 1.0),  # outside the tracker
                (5, 0.9, 0.0, -1.5),  # too soft
            ],
            [],
        ]
    ).quarks
    flavours = jet_flavours(found.jets, quarks, BTagging())
    np.testing.assert_array_equal(flavours, [[5, 4, 0, 0], [0, 0, 0, 0]])
    assert jet_flavours(np.zeros((2, 0, 4)), quarks, BTagging()).shape == (2, 0)
    none = truth([[], []]).quarks
    assert not jet_flavours(found.jets, none, BTagging()).any()


@pytest.mark.parametrize("pt", [25.0, 60.0, 150.0, 900.0])
def test_the_probabilities_are_the_cards(pt: float) -> None:
    expected = [
        0.85 * np.tanh(0.0025 * pt) * 25.0 / (1 + 0.063 * pt),
        0.25 * np.tanh(0.018 * pt) / (1 + 0.0013 * pt),
        0.01 + 0.000038 * pt,
    ]
    found = tag_probability(np.full(3, pt), np.array([5, 4, 0]), BTagging())
    np.testing.assert_allclose(found, expected)
    assert found[0] > found[1] > found[2]


def test_probabilities_end_at_one() -> None:
    card = BTagging(b=[9.0, 1.0, 0.0], light=[0.0, 1.0])
    np.testing.assert_array_equal(tag_probability(np.full(2, 99.0), np.array([5, 0]), card), 1.0)
