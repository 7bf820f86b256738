"""Metrics of tau momenta, in NumPy and float64."""

import numpy as np

from msml.data.kinematics import Array
from msml.data.transforms import LOG_PT_LIMIT, PT_OFFSET
from msml.metrics import EventMean
from msml.registry import metrics
from msml.studies.htautau.constants import ETA_LIMIT


@metrics.register("momentum_mse", target="momenta", better="lower", unit="(100 GeV)^2")
@EventMean
def momentum_mse(target: Array, prediction: Array) -> Array:
    """Mean squared error of the tau momentum over taus and components, in (100 GeV)^2.

    1/(3 taus) sum_taus |p_pred - p_true|^2, averaged over events: the loss of the same name.

    Args:
        target: `(events, taus, 3)` log pt, eta, phi; `(taus, 3)` where each tau is by itself.
        prediction: The same.

    Returns:
        `(events,)`, of which the metric is the mean.

    Source: the published code of the paper.
    """
    found = _squares(target, prediction)
    return found.mean(axis=tuple(range(1, found.ndim))) / 100**2


@metrics.register("momentum_mse_gev2", target="momenta", better="lower", unit="GeV^2")
@EventMean
def momentum_mse_gev2(target: Array, prediction: Array) -> Array:
    """Squared error of the tau momentum summed over taus and components, in GeV^2.

    sum_taus |p_pred - p_true|^2, averaged over events, with the shapes of `momentum_mse`.

    Returns:
        `(events,)`, of which the metric is the mean.

    Source: paper, section 4.1, L_1, and Fig. 3 and 6.
    """
    found = _squares(target, prediction)
    return found.sum(axis=tuple(range(1, found.ndim)))


def _squares(target: Array, prediction: Array) -> Array:
    return (_momenta(prediction) - _momenta(target)) ** 2


def _momenta(vectors: Array) -> Array:
    """Do in NumPy and float64 what `physics.momenta` does."""
    log_pt, eta, phi = np.moveaxis(np.asarray(vectors, dtype=np.float64), -1, 0)
    pt = np.exp(np.clip(log_pt, -LOG_PT_LIMIT, LOG_PT_LIMIT)) - PT_OFFSET
    pz = pt * np.sinh(np.clip(eta, -ETA_LIMIT, ETA_LIMIT))
    return np.stack([pt * np.cos(phi), pt * np.sin(phi), pz], axis=-1)
