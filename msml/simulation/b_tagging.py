"""b-tagging: the true flavour of jets, and the probability to tag them.

Source: Delphes' modules JetFlavorAssociation and BTagging.
"""

import numpy as np

from msml.data.kinematics import Array, delta_r
from msml.simulation.detector_card import BTagging
from msml.simulation.truth import HeavyQuarks


def jet_flavours(jets: Array, quarks: HeavyQuarks, card: BTagging) -> Array:
    """Find the true flavour of jets: that of the heaviest quark near each.

    Args:
        jets: `(events, jets, 4)` pt, eta, phi, m.
        quarks: The charm and bottom quarks of the events.
        card: Which quarks count, and how near.

    Returns:
        `(events, jets) int8`: 5, 4, or 0 for light jets.
    """
    pt, eta, phi = np.moveaxis(quarks.momentum, -1, 0)[..., None, :]
    distance = delta_r(jets[..., 1, None], jets[..., 2, None], eta, phi)
    near = (distance <= card.delta_r) & (pt > card.quark_pt_min)
    near &= np.abs(eta) <= card.quark_eta_max
    flavour: Array = np.where(near, quarks.flavour[..., None, :], 0)
    return flavour.max(axis=-1, initial=0)


def tag_probability(pt: Array, flavour: Array, card: BTagging) -> Array:
    """Probability to tag jets, by transverse momentum in GeV and true flavour."""
    constant, slope = card.light
    curves = {5: _curve(pt, card.b), 4: _curve(pt, card.c)}
    light = constant + slope * pt
    chosen = np.select([flavour == value for value in curves], list(curves.values()), light)
    return np.clip(chosen, 0.0, 1.0)


def _curve(pt: Array, numbers: list[float]) -> Array:
    height, rise, fall = numbers
    return height * np.tanh(rise * pt) / (1 + fall * pt)
