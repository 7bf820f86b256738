"""Optional columns: the jets of an event with their constituents, for hierarchical studies."""

import numpy as np

from msml.data.kinematics import Array, pt_eta_phi_m, wrap_phi
from msml.simulation.jets import EventJets, FlowObjects
from msml.simulation.matching import match_jets
from msml.simulation.settings import Collections
from msml.simulation.truth import TrueTaus


def jet_collections(
    jets: EventJets, flow: FlowObjects, taus: TrueTaus, settings: Collections
) -> dict[str, Array]:
    """Fill the columns of the jets and their constituents.

    Args:
        jets: Jets of the accepted events, with constituents.
        flow: Energy-flow objects of the batch.
        taus: True taus of the accepted events.
        settings: Which jets and constituents are kept, and how finely.
    """
    found, members = _kept(jets, settings)
    real = found[..., 0] > 0
    matched = match_jets(found, taus.visible, settings.delta_r_max)
    event, tau = np.nonzero(matched >= 0)
    label = np.zeros(real.shape, np.int8)
    label[event, matched[event, tau]] = 1
    truth = np.zeros((*real.shape, 3))
    truth[event, matched[event, tau]] = taus.full[event, tau, :3]

    present = members >= 0
    vectors = pt_eta_phi_m(flow.momentum)[members]
    relative = np.stack(
        [
            _rounded(vectors[..., 0], settings.pt_bits),
            _stepped(vectors[..., 1] - found[..., None, 1], settings.angle_bits),
            _stepped(wrap_phi(vectors[..., 2] - found[..., None, 2]), settings.angle_bits),
        ],
        axis=-1,
    )
    return {
        "all_jets": found,
        "all_jets_real": real,
        "all_jets_tau": label,
        "all_jets_taus": truth,
        "constituents": np.where(present[..., None], relative, 0.0),
        "constituents_real": present,
        "constituent_charges": np.where(present, flow.charge[members], 0).astype(np.int8),
    }


def _kept(jets: EventJets, settings: Collections) -> tuple[Array, Array]:
    """Keep the leading jets within the acceptance, and the leading constituents of each."""
    kept = (jets.jets[..., 0] > 0) & (np.abs(jets.jets[..., 1]) < settings.jet_eta_max)
    order = np.argsort(~kept, axis=1, kind="stable")[..., None]
    assert jets.constituents is not None
    found = np.where(kept[..., None], jets.jets, 0.0)
    members = np.where(kept[..., None], jets.constituents, -1)
    found = _fit(np.take_along_axis(found, order, axis=1), settings.jets, axis=1, fill=0.0)
    members = _fit(np.take_along_axis(members, order, axis=1), settings.jets, axis=1, fill=-1)
    return found, _fit(members, settings.constituents, axis=2, fill=-1)


def _rounded(values: Array, bits: int) -> Array:
    """Round positive numbers to so many binary digits."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(mantissa * 2**bits), exponent - bits)


def _stepped(values: Array, bits: int) -> Array:
    """Round to multiples of 2^-bits."""
    return np.round(values * 2**bits) / 2**bits


def _fit(array: Array, length: int, axis: int, fill: float) -> Array:
    """Cut or pad an axis to a length."""
    array = np.take(array, range(min(length, array.shape[axis])), axis=axis)
    missing = [(0, 0)] * array.ndim
    missing[axis] = (0, length - array.shape[axis])
    return np.pad(array, missing, constant_values=fill)
