"""Finding the reconstructed jet of each true visible tau, and events with a pair of them."""

from dataclasses import dataclass

import numpy as np

from msml.data.kinematics import Array, delta_r
from msml.domains import NotNegative, Positive


def match_jets(jets: Array, taus: Array, delta_r_max: float) -> Array:
    """Match each tau with the jet nearest to it.

    A jet belongs to one tau only: where two taus have the same nearest jet, the nearer tau keeps
    it and the other stays unmatched.

    Args:
        jets: `(events, jets, >=3)` pt, eta, phi; pt 0 where there is no jet.
        taus: `(events, taus, >=3)` pt, eta, phi; pt 0 where there is no tau.
        delta_r_max: Largest distance of a match.

    Returns:
        `(events, taus) int64`: the index of the matched jet, -1 where there is none.
    """
    if jets.shape[1] == 0:
        return np.full(taus.shape[:2], -1)
    distance = delta_r(
        jets[:, None, :, 1], jets[:, None, :, 2], taus[:, :, None, 1], taus[:, :, None, 2]
    )
    distance = np.where((jets[:, None, :, 0] > 0) & (taus[:, :, None, 0] > 0), distance, np.inf)
    nearest, reach = distance.argmin(axis=2), distance.min(axis=2)
    same = nearest[:, :, None] == nearest[:, None, :]
    ahead = reach[:, None, :] < reach[:, :, None]
    # Of two taus at the same distance the first keeps the jet.
    ahead |= np.tril(reach[:, None, :] == reach[:, :, None], -1)
    beaten = (same & ahead).any(axis=2)
    return np.where((reach < delta_r_max) & ~beaten, nearest, -1)


@dataclass(frozen=True)
class TauPairCuts:
    """Cuts on two hadronic taus and their jets. Units: GeV, rad.

    Attributes:
        visible_pt_min: Least transverse momentum of a visible tau.
        visible_eta_max: Largest |eta| of a visible tau.
        jet_pt_min: Least transverse momentum of a jet, pile-up subtracted.
        jet_eta_max: Largest |eta| of a jet.
        delta_r_max: Largest distance between a jet and its visible tau.
    """

    visible_pt_min: NotNegative = 15.0
    visible_eta_max: Positive = 2.3
    jet_pt_min: NotNegative = 20.0
    jet_eta_max: Positive = 2.5
    delta_r_max: Positive = 0.3

    def fiducial(self, visible_taus: Array) -> Array:
        """Say which of `(events, taus, 4)` visible taus are in the fiducial region."""
        central: Array = np.abs(visible_taus[..., 1]) < self.visible_eta_max
        return central & (visible_taus[..., 0] > self.visible_pt_min)

    def jets(self, jets: Array) -> Array:
        """Say which of `(events, jets, 4)` jets may be matched."""
        central: Array = np.abs(jets[..., 1]) < self.jet_eta_max
        return central & (jets[..., 0] > self.jet_pt_min)


@dataclass(frozen=True)
class TauPairs:
    """Which jet and which tau form the two pairs of each event.

    Attributes:
        matched: `(events,) bool`: two fiducial taus, each with a jet of its own.
        jet: `(events, 2) int64` indices of the jets, the higher jet pt first; only valid where
            matched.
        tau: `(events, 2) int64` indices of the taus, each in the row of its jet.
    """

    matched: Array
    jet: Array
    tau: Array


def pair_tau_jets(jets: Array, visible_taus: Array, cuts: TauPairCuts) -> TauPairs:
    """Find the events with exactly two fiducial taus, each matched to a jet of its own.

    Args:
        jets: `(events, jets, 4)` pt, eta, phi, m; pt 0 where there is no jet.
        visible_taus: `(events, taus, 4)` pt, eta, phi, m; pt 0 where there is no tau.
        cuts: The cuts.
    """
    jets, visible_taus = _at_least(jets, 1), _at_least(visible_taus, 2)
    fiducial = cuts.fiducial(visible_taus)
    tau = np.argsort(~fiducial, axis=1, kind="stable")[:, :2]
    rows = np.arange(len(jets))[:, None]
    allowed = np.where(cuts.jets(jets)[..., None], jets, 0.0)
    jet = match_jets(allowed, visible_taus[rows, tau], cuts.delta_r_max)
    matched = (fiducial.sum(axis=1) == 2) & (jet >= 0).all(axis=1)
    order = np.argsort(-jets[rows, jet, 0], axis=1, kind="stable")
    return TauPairs(matched, jet[rows, order], tau[rows, order])


def _at_least(objects: Array, count: int) -> Array:
    """Add absent objects (all 0) to `(events, objects, 4)` so that there are at least so many."""
    missing = max(0, count - objects.shape[1])
    return np.pad(objects, ((0, 0), (0, missing), (0, 0)))
