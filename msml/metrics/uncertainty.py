"""Metrics of whole splits, how they are called, and their bootstrap uncertainties."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from inspect import signature
from typing import Any, NamedTuple

import numpy as np

from msml.data.kinematics import Array

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

    def __init__(self, per_event: Callable[..., Array]) -> None:
        self.__doc__ = per_event.__doc__
        self.__signature__ = signature(per_event)
        self.per_event = per_event

    def __call__(
        self, target: Array, prediction: Array, weight: Array | None = None, **arguments: Any
    ) -> float:
        """Return the weighted mean over events."""
        return average(self.per_event(target, prediction, **arguments), weight)


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
    metric: Metric,
    arrays: Sequence[Array],
    weight: Array | None,
    replicas: int,
    seed: int,
    owner: Array | None = None,
) -> Array:
    """Return the metric of each bootstrap replica, `(replicas,)`; see `bootstrap`.

    Arrays may have a row for each object instead of each event: then `owner` is the event of each
    row, and `weight` that of the events, which are drawn with all of their objects.
    """
    events = len(arrays[0]) if weight is None else len(weight)
    weights = np.ones(events) if weight is None else np.asarray(weight, dtype=np.float64)
    values = per_event(metric, arrays)  # computed once for all replicas
    measure = partial(metric, *arrays) if values is None else partial(average, values)
    drawn = (count * weights for count in _draws(events, replicas, seed))
    return np.array([measure(each if owner is None else each[owner]) for each in drawn])


def replicate_means(
    total: Array, count: Array, weight: Array, replicas: int, seed: int
) -> tuple[Array, Array]:
    """Return weighted means of several numbers at once, and those of each bootstrap replica.

    Args:
        total: `(events, numbers)`: of each number, the sum over what an event has of it.
        count: `(events, numbers)` or `(events, 1)`: how many it has of it.
        weight: `(events,)`.
        replicas: Number of replicas.
        seed: Seed of the draws: the same as of `bootstrap` draws the same events.

    Returns:
        `(numbers,)` and `(replicas, numbers)`; NaN where nothing is counted.
    """
    weights = np.asarray(weight, np.float64)
    drawn = np.empty((replicas, total.shape[1]))
    with np.errstate(divide="ignore", invalid="ignore"):
        means = (weights @ total) / (weights @ count)
        for number, draw in enumerate(_draws(len(weights), replicas, seed)):
            each = draw * weights
            drawn[number] = (each @ total) / (each @ count)
    return means, drawn


def _draws(events: int, replicas: int, seed: int) -> Iterator[Array]:
    """Yield how many times each event is drawn, `(events,)`, in each replica."""
    rng = np.random.default_rng(seed)
    for _ in range(replicas):
        yield np.bincount(rng.integers(events, size=events), minlength=events)


def doubt(
    metric: Metric, arrays: Sequence[Array], weight: Array, owner: Array | None = None
) -> float:
    """How far a metric's error can be off, as a fraction of it: one standard deviation.

    That of the standard deviation of a mean, from the fourth moment of what each event adds; large
    where a few events carry most of it. 0 for a metric that is no mean over events. Arguments as
    of `replicate`.
    """
    values = per_event(metric, arrays)
    if values is None:
        return 0.0
    values = values.astype(np.float64)
    weights = weight if owner is None else weight[owner]
    added = weights * (values - average(values, weights))
    parts = (added if owner is None else np.bincount(owner, added, len(weight))) ** 2
    total = parts.sum()
    if not (np.isfinite(total) and total > 0):
        return 0.0
    share = float(((parts / total) ** 2).sum())
    return 0.5 * float(np.sqrt(max(share - 1 / len(parts), 0)))


def per_event(metric: Metric, arrays: Sequence[Array]) -> Array | None:
    """What each event, or object, adds to a metric that is a mean of it; None for any other."""
    whole = metric.func if isinstance(metric, partial) else metric
    if not isinstance(whole, EventMean):
        return None
    arguments = metric.keywords if isinstance(metric, partial) else {}
    return whole.per_event(*arrays, **arguments)


def average(values: Array, weight: Array | None) -> float:
    """Return the weighted mean over events; NaN where the weights sum to 0."""
    if weight is None:
        return float(np.mean(values)) if len(values) else float("nan")
    total = np.sum(weight, dtype=np.float64)
    return float(np.dot(weight, values) / total) if total else float("nan")
