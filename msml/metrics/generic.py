"""Metrics for anyone's targets.

Means over events wrap the loss of the same name. All others see every number that is not masked,
with the weight of its event.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from msml.data.kinematics import Array
from msml.domains import Probability
from msml.losses import absolute, binary, categorical, event_mean, square
from msml.metrics.uncertainty import EventMean
from msml.registry import metrics

_CENTRAL = (0.158655, 0.841345)  # one standard deviation to each side of a normal distribution
_CLASSIFICATIONS = ("label", "classes")


def _mean_of(
    target: Array, prediction: Array, mask: Array | None, each: Callable[..., Any]
) -> Array:
    """Take a loss of each event in float64."""
    found = event_mean(_float64(target), _float64(prediction), mask, each)
    return np.asarray(found, np.float64)


def _float64(values: Array) -> Any:
    from keras import ops

    return ops.convert_to_tensor(np.asarray(values, np.float64))


def _alike(target: Array, prediction: Array) -> Array:
    """Give a target of one number an event the axis that its prediction has."""
    return np.reshape(target, np.shape(prediction))


@metrics.register("mse", target="numbers", better="lower", unit="1", physical=True)
@EventMean
def mse(target: Array, prediction: Array, *, mask: Array | None = None) -> Array:
    """Mean squared error."""
    return _mean_of(_alike(target, prediction), prediction, mask, square)


@metrics.register("mae", target="numbers", better="lower", unit="1", physical=True)
@EventMean
def mae(target: Array, prediction: Array, *, mask: Array | None = None) -> Array:
    """Mean absolute error."""
    return _mean_of(_alike(target, prediction), prediction, mask, absolute)


@metrics.register("bias", target="numbers", better="nearest 0", unit="1", physical=True)
@EventMean
def bias(target: Array, prediction: Array, *, mask: Array | None = None) -> Array:
    """Mean of prediction minus target."""
    return _mean_of(_alike(target, prediction), prediction, mask, lambda t, p: p - t)


@metrics.register("resolution", target="numbers", better="lower", unit="1", physical=True)
def resolution(
    target: Array, prediction: Array, weight: Array | None = None, *, mask: Array | None = None
) -> float:
    """Half the width of the central 68 % of prediction minus target."""
    difference = np.asarray(prediction, np.float64) - _alike(target, prediction)
    values, weights = flat(difference, difference.ndim - 1, weight, mask)
    if not len(values) or np.isnan(values).any():
        return float("nan")
    low, high = weighted_quantiles(values, weights, _CENTRAL)
    return float(high - low) / 2


@metrics.register("bce", target="label", better="lower", unit="1")
@EventMean
def bce(target: Array, prediction: Array, *, mask: Array | None = None) -> Array:
    """Binary cross-entropy of logits, averaged over events.

    Args:
        target: `(events,)` labels, 1 for signal.
        prediction: `(events,)` or `(events, 1)` logits.
        mask: `(events,)`.

    Returns:
        `(events,)`, of which the metric is the mean.

    Source: paper, section 4.1, L_2.
    """
    return _mean_of(_column(target), _column(prediction), mask, binary)


@metrics.register("cross_entropy", target="classes", better="lower", unit="1")
@EventMean
def cross_entropy(target: Array, prediction: Array, *, mask: Array | None = None) -> Array:
    """Cross-entropy of logits and integer classes, averaged over events."""
    return _mean_of(target, prediction, mask, categorical)


@metrics.register("accuracy", target=_CLASSIFICATIONS, better="higher", unit="1")
@EventMean
def accuracy(target: Array, prediction: Array, *, mask: Array | None = None) -> Array:
    """Fraction of predictions that name the true class: the largest logit, or one above 0."""
    chosen = np.argmax(prediction, axis=-1)
    if np.shape(prediction)[-1] == 1 or np.ndim(prediction) == 1:
        target, chosen = _column(target), _column(prediction) > 0
    right = (chosen == np.asarray(target)).astype(np.float64)
    return _mean_of(right, right, mask, lambda t, _: t)


@metrics.register("auc", target=_CLASSIFICATIONS, better="higher", unit="1")
def auc(
    target: Array, prediction: Array, weight: Array | None = None, *, mask: Array | None = None
) -> float:
    """Area under the ROC curve: the chance that a signal event outranks a background event.

    Equal predictions count half, as under the trapezoids of the curve. Of several classes it is
    the mean over classes of each against the rest.

    Args:
        target: `(events,)` labels, 1 for signal; or classes.
        prediction: `(events,)` or `(events, 1)` scores, larger for signal; or, with a last axis
            more than the target, logits of the classes.
        weight: `(events,)`, of any sign.
        mask: Of the target's shape.

    Returns:
        The area; NaN where a class has no weight or a prediction is NaN.
    """
    if np.shape(prediction)[1:] in ((), (1,)):
        values, weights = _pairs(target, prediction, weight, mask)
        return _area(values[:, 0], values[:, 1], weights)
    axes = np.ndim(target) - 1
    labels, weights = flat(target, axes, weight, mask)
    scores, _ = flat(log_shares(prediction), axes, weight, mask)
    areas = [_area(labels == n, scores[:, n], weights) for n in range(scores.shape[1])]
    return float(np.mean(areas))


@metrics.register("background_rejection", target="label", better="higher", unit="1")
def background_rejection(
    target: Array,
    prediction: Array,
    weight: Array | None = None,
    *,
    efficiency: Probability = 0.5,
    mask: Array | None = None,
) -> float:
    """One over the fraction of background that is kept at an efficiency for signal.

    The cut lies between events so that the efficiency is exact; infinite where no background is
    left, or, of weights of both signs, less than none.
    """
    values, weights = _pairs(target, prediction, weight, mask)
    label, score = values.T
    if np.isnan(score).any() or not (label == 1).any() or not (label == 0).any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    signal = np.cumsum((weights * (label == 1))[order])
    background = np.cumsum((weights * (label == 0))[order])
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # of equal scores
    signal, background = (np.append(0.0, each[last]) / each[-1] for each in (signal, background))
    kept = np.interp(efficiency, np.maximum.accumulate(signal), background)
    return float(1 / kept) if kept > 0 else float("inf")


def quantiles(values: Array, probabilities: Sequence[float], weights: Array | None = None) -> Array:
    """Return quantiles, interpolated; where weights differ, those of `weighted_quantiles`.

    Args:
        values: `(values,)`.
        probabilities: Which.
        weights: `(values,)`, or None.
    """
    if weights is None or (weights == weights[0]).all():
        return np.asarray(np.quantile(values, probabilities))
    return weighted_quantiles(values, weights, tuple(probabilities))


def weighted_quantiles(values: Array, weights: Array, probabilities: tuple[float, ...]) -> Array:
    """Return quantiles of weighted values, `(probabilities,)`.

    Each is the lowest value up to which there is so much of the weight. Weights of both signs can
    make the cumulative sum fall: it counts as flat there.
    """
    values, place = np.unique(values, return_inverse=True)
    reached = np.maximum.accumulate(np.cumsum(np.bincount(place, weights)))
    places = np.searchsorted(reached, np.asarray(probabilities) * weights.sum())
    return values[np.minimum(places, len(values) - 1)]


def labelled(
    target: Array, prediction: Array, weight: Array | None, mask: Array | None
) -> tuple[Array, Array, Array]:
    """Return label, score and weight of each event that is not masked, each `(events,)`."""
    values, weights = _pairs(target, prediction, weight, mask)
    return values[:, 0], values[:, 1], weights


def classified(
    target: Array, prediction: Array, weight: Array | None = None, *, mask: Array | None = None
) -> tuple[Array, Array, Array]:
    """Return class, logits and weight of all that is not masked.

    Returns:
        `(numbers,)`, of a label `(numbers,)` and of classes `(numbers, classes)`, and `(numbers,)`.
    """
    if np.shape(prediction)[1:] in ((), (1,)):
        return labelled(target, prediction, weight, mask)
    classes, weights = flat(target, np.ndim(target) - 1, weight, mask)
    return classes, flat(prediction, np.ndim(target) - 1, weight, mask)[0], weights


def _pairs(
    target: Array, prediction: Array, weight: Array | None, mask: Array | None
) -> tuple[Array, Array]:
    """Return label and score of each event that is not masked, `(events, 2)`, and its weight."""
    return flat(np.stack([_column(target), _column(prediction)], -1), 0, weight, mask)


def _area(label: Array, score: Array, weights: Array) -> float:
    if np.isnan(score).any():
        return float("nan")
    order = np.argsort(score)
    score, signal = score[order], (weights * label)[order]
    background = weights[order] - signal
    if not signal.any() or not background.any():
        return float("nan")
    first = np.flatnonzero(np.append(True, score[1:] != score[:-1]))  # of each group of ties
    signal, background = np.add.reduceat(signal, first), np.add.reduceat(background, first)
    below = np.cumsum(background) - background / 2
    return float(signal @ below / (signal.sum() * background.sum()))


def log_shares(logits: Array) -> Array:
    """Return the logarithms of the softmax along the last axis, in float64."""
    logits = np.asarray(logits, np.float64)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def flat(values: Array, axes: int, weight: Array | None, mask: Array | None) -> tuple[Array, Array]:
    """Return the numbers of all events that are not masked, each with the weight of its event.

    Args:
        values: `(events, ...)` and perhaps axes that stay together, such as classes.
        axes: Number of axes, after that of the events, along which there are numbers of an event.
        weight: `(events,)`.
        mask: Of the first of these axes.

    Returns:
        `(numbers, ...)` and `(numbers,)`.
    """
    values = np.asarray(values, np.float64)
    shape = values.shape[: 1 + axes]

    def wide(each: Array) -> Array:
        return np.broadcast_to(each.reshape(*each.shape, *(1,) * (len(shape) - each.ndim)), shape)

    weights = np.ones(shape) if weight is None else wide(np.asarray(weight, np.float64))
    real = np.ones(shape, bool) if mask is None else wide(np.asarray(mask, bool))
    return values[real], weights[real]


def _column(values: Array) -> Array:
    return np.asarray(values, np.float64).reshape(-1)
