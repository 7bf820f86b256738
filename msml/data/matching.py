"""Finding the reconstructed jet of each true visible tau."""

import numpy as np

from msml.data.kinematics import Array, delta_r


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
    events, jet_count = jets.shape[:2]
    if jet_count == 0:
        return np.full(taus.shape[:2], -1)
    distance = delta_r(
        jets[:, None, :, 1], jets[:, None, :, 2], taus[:, :, None, 1], taus[:, :, None, 2]
    )
    distance = np.where((jets[:, None, :, 0] > 0) & (taus[:, :, None, 0] > 0), distance, np.inf)
    nearest = distance.argmin(axis=2)
    reach = distance.min(axis=2)
    index = np.where(reach < delta_r_max, nearest, -1)
    best = np.full((events, jet_count), np.inf)
    rows = np.arange(events)[:, None]
    np.minimum.at(best, (rows, nearest), reach)
    return np.where(reach <= best[rows, nearest], index, -1)
