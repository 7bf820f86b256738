"""Optional columns: all jets of an event with their constituents, for hierarchical studies."""

import numpy as np

from msml.data.kinematics import Array, pt_eta_phi_m
from msml.simulation.generator import TrueTaus
from msml.simulation.jets import EventJets, FlowObjects
from msml.simulation.matching import match_jets
from msml.simulation.settings import Collections


def jet_collections(
    jets: EventJets, flow: FlowObjects, taus: TrueTaus, settings: Collections
) -> dict[str, Array]:
    """Fill the columns of all jets and their constituents.

    Args:
        jets: Jets of the accepted events, with constituents.
        flow: Energy-flow objects of the batch.
        taus: True taus of the accepted events.
        settings: How many jets and constituents are kept.
    """
    padded = _fit(jets.jets, settings.jets, axis=1, fill=0.0)
    present = padded[..., 0] > 0
    matched = match_jets(padded, taus.visible, settings.delta_r_max)
    label = np.where(present, 0, -1).astype(np.int8)
    event, tau = np.nonzero(matched >= 0)
    label[event, matched[event, tau]] = 1

    assert jets.constituents is not None
    members = _fit(jets.constituents, settings.jets, axis=1, fill=-1)
    members = _fit(members, settings.constituents, axis=2, fill=-1)
    real = members >= 0
    vectors = np.where(real[..., None], pt_eta_phi_m(flow.momentum)[members], 0.0)
    charges = np.where(real, flow.charge[members], 0).astype(np.int8)
    return {
        "all_jets": padded,
        "all_jets_tau": label,
        "constituents": vectors,
        "constituent_charges": charges,
    }


def _fit(array: Array, length: int, axis: int, fill: float) -> Array:
    """Cut or pad an axis to a length."""
    array = np.take(array, range(min(length, array.shape[axis])), axis=axis)
    missing = [(0, 0)] * array.ndim
    missing[axis] = (0, length - array.shape[axis])
    return np.pad(array, missing, constant_values=fill)
