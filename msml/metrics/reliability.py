"""Whether probabilities are what they say: reliability, and the expected calibration error."""

from typing import Annotated, NamedTuple

import numpy as np

from msml.data.kinematics import Array
from msml.domains import Domain
from msml.metrics.generic import classified, log_shares
from msml.registry import metrics

BINS = 15
"""Equal bins of a probability, unless another number is asked for."""


class Reliability(NamedTuple):
    """Probabilities beside frequencies, in each bin of the probability that has any.

    Attributes:
        share: Mean probability, `(bins,)`.
        fraction: How often it was right.
        error: One standard deviation of that, binomial; of weights, as they make it.
        place: Number of the bin.
        entries: How many probabilities are in it.
    """

    share: Array
    fraction: Array
    error: Array
    place: Array
    entries: Array


@metrics.register("ece", target=("label", "classes"), better="lower", unit="1")
def ece(
    target: Array,
    prediction: Array,
    weight: Array | None = None,
    *,
    bins: Annotated[int, Domain(1, 10**6)] = BINS,
    mask: Array | None = None,
) -> float:
    """Expected calibration error: how far probabilities are from frequencies, on average.

    In each of `bins` equal bins of the probability, the mean probability is compared with the
    fraction of such events: that of signal for a label, that of the likeliest class for classes.

    Source: Guo et al., 1706.04599; Naeini et al. 2015.
    """
    share, hit, weights = confidences(target, prediction, weight, mask=mask)
    if not len(share) or np.isnan(share).any() or np.isnan(hit).any():
        return float("nan")
    gaps = np.bincount(_places(share, bins), weights * (share - hit), bins)
    return float(np.abs(gaps).sum() / weights.sum())


def confidences(
    target: Array, prediction: Array, weight: Array | None = None, *, mask: Array | None = None
) -> tuple[Array, Array, Array]:
    """Return probabilities, whether each came true, and weights, of all that is not masked.

    Args:
        target: Labels, or classes.
        prediction: Their logits.
        weight: `(events,)`.
        mask: Of the target's shape, or its first axes.

    Returns:
        The probability of signal for a label, of the likeliest class for classes; 1 where it is
        signal, or that class, else 0; and weights: each `(numbers,) float64`.
    """
    true, logits, weights = classified(target, prediction, weight, mask=mask)
    if logits.ndim == 1:
        return 1 / (1 + np.exp(-logits)), true, weights
    shares = np.exp(log_shares(logits))
    return shares.max(axis=-1), (shares.argmax(axis=-1) == true).astype(np.float64), weights


def reliability(share: Array, hit: Array, weight: Array, bins: int = BINS) -> Reliability:
    """Compare probabilities with frequencies; arguments as `confidences` returns them.

    Bins whose weights have no positive total are left out.
    """
    place = _places(share, bins)
    total, shares, hits = (
        np.bincount(place, each, bins) for each in (weight, weight * share, weight * hit)
    )
    kept = np.flatnonzero(total > 0)
    fraction = hits[kept] / total[kept]
    mean = np.zeros(bins)
    mean[kept] = fraction
    squares = np.bincount(place, (weight * (hit - mean[place])) ** 2, bins)
    error = np.sqrt(squares[kept]) / total[kept]
    entries = np.bincount(place, minlength=bins)[kept]
    return Reliability(shares[kept] / total[kept], fraction, error, kept, entries)


def _places(share: Array, bins: int) -> Array:
    return np.minimum((share * bins).astype(int), bins - 1)
