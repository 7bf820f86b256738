"""Metrics of whole splits in NumPy, with event weights, and their bootstrap uncertainties.

A metric is `fn(target, prediction, weight)`, where `weight` is `(events,)` or None for 1 each.
Its facts say which way is `better` and its `unit`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from msml.registry import metrics

Array = npt.NDArray[Any]
Metric = Callable[..., float]

_QUANTILES = (0.158655, 0.841345)  # one standard deviation to each side of a normal distribution


class Estimate(NamedTuple):
    """A metric with its uncertainty.

    Attributes:
        value: The metric of all events.
        error: Standard deviation over the bootstrap replicas.
        low: Lower end of the central 68 % of the replicas.
        high: Upper end of it.
    """

    value: float
    error: float
    low: float
    high: float


class EventMean:
    """A metric that is the mean over events of a number that each event has by itself.

    Decorates the function of target and prediction that returns these numbers, `(events,)`.
    """

    def __init__(self, per_event: Callable[[Array, Array], Array]) -> None:
        self.__doc__ = per_event.__doc__
        self.per_event = per_event

    def __call__(self, target: Array, prediction: Array, weight: Array | None = None) -> float:
        """Return the weighted mean over events."""
        return average(self.per_event(target, prediction), weight)


@metrics.register("bce", target="label", better="lower", unit="1")
@EventMean
def bce(target: Array, prediction: Array) -> Array:
    """Binary cross-entropy of logits, averaged over events.

    Args:
        target: `(events,)` labels, 1 for signal.
        prediction: `(events,)` or `(events, 1)` logits.

    Returns:
        `(events,)`, of which the metric is the mean.

    Source: paper, section 4.1, L_2.
    """
    label, logit = _flat(target), _flat(prediction)
    return np.logaddexp(0.0, logit) - logit * label


@metrics.register("auc", target="label", better="higher", unit="1")
def auc(target: Array, prediction: Array, weight: Array | None = None) -> float:
    """Area under the ROC curve: the chance that a signal event outranks a background event.

    Equal predictions count half, as under the trapezoids of the curve.

    Args:
        target: `(events,)` labels, 1 for signal.
        prediction: `(events,)` or `(events, 1)` scores, larger for signal.
        weight: `(events,)`, of any sign.

    Returns:
        The area; NaN where a class has no weight or a prediction is NaN.
    """
    label, score = _flat(target), _flat(prediction)
    if np.isnan(score).any():
        return float("nan")
    weights = np.ones_like(score) if weight is None else np.asarray(weight, dtype=np.float64)
    order = np.argsort(score)
    score, signal = score[order], (weights * label)[order]
    background = weights[order] - signal
    if not signal.any() or not background.any():
        return float("nan")
    first = np.flatnonzero(np.append(True, score[1:] != score[:-1]))  # of each group of ties
    signal, background = np.add.reduceat(signal, first), np.add.reduceat(background, first)
    below = np.cumsum(background) - background / 2
    return float(signal @ below / (signal.sum() * background.sum()))


def bootstrap(
    metric: Metric,
    arrays: Sequence[Array],
    weight: Array | None,
    replicas: int = 200,
    seed: int = 0,
) -> Estimate:
    """Return a metric and its uncertainty from resampling the events.

    Each replica draws as many events as there are, with replacement, by multiplying the weights
    with the number of times each event was drawn. The same seed draws the same events for every
    metric and model, so that differences between them can be taken replica by replica.

    Args:
        metric: The metric.
        arrays: Its arrays, target and prediction, events first.
        weight: `(events,)` or None.
        replicas: Number of replicas.
        seed: Seed of the draws.

    Returns:
        The estimate. Replicas in which the metric is not defined are left out; with fewer than
        two of the others, error and interval are NaN.
    """
    return estimate(metric(*arrays, weight), replicate(metric, arrays, weight, replicas, seed))


def estimate(value: float, replicas: Array) -> Estimate:
    """Return a value with the uncertainty that its bootstrap replicas, `(replicas,)`, give it."""
    replicas = replicas[np.isfinite(replicas)]
    if len(replicas) < 2:
        return Estimate(value, float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(replicas, _QUANTILES)
    return Estimate(value, float(replicas.std(ddof=1)), float(low), float(high))


def replicate(
    metric: Metric, arrays: Sequence[Array], weight: Array | None, replicas: int, seed: int
) -> Array:
    """Return the metric of each bootstrap replica, `(replicas,)`; see `bootstrap`."""
    events = len(arrays[0])
    weights = np.ones(events) if weight is None else np.asarray(weight, dtype=np.float64)
    measure = partial(metric, *arrays)
    if isinstance(metric, EventMean):  # what each event has by itself is computed once
        measure = partial(average, metric.per_event(*arrays))
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(replicas):
        count = np.bincount(rng.integers(events, size=events), minlength=events)
        values.append(measure(count * weights))
    return np.array(values)


def average(values: Array, weight: Array | None) -> float:
    """Return the weighted mean over events; NaN where the weights sum to 0."""
    if weight is None:
        return float(np.mean(values)) if len(values) else float("nan")
    total = np.sum(weight, dtype=np.float64)
    return float(np.dot(weight, values) / total) if total else float("nan")


def _flat(values: Array) -> Array:
    return np.asarray(values, dtype=np.float64).reshape(-1)
