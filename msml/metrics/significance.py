"""Significance of the events that a cut on a classifier's score keeps."""

from dataclasses import dataclass, fields
from typing import Annotated, Any

import numpy as np

from msml.data.kinematics import Array
from msml.domains import Count, Domain, Fraction, NotNegative, Positive
from msml.metrics.generic import labelled
from msml.registry import metrics

Share = Annotated[float, Domain(0, 1)]


@dataclass(frozen=True)
class Counting:
    """How sums of weights become a significance.

    Attributes:
        signal: What the weights of all signal stand for, whatever their sum; that where None.
        background: The same of background.
        regularisation: Added to the background.
        uncertainty: Of the background, as a fraction of it.
    """

    signal: float | None = None
    background: float | None = None
    regularisation: float = 10.0
    uncertainty: float = 0.0

    def of(self, signal: Any, background: Any) -> Array:
        """Significance of expected counts s and b, in standard deviations.

        √(2 ((s + b) ln(1 + s/b) - s)), or its generalisation to a background that is uncertain; 0
        where there is no signal, or no background to divide by.

        Source: Cowan et al., 1007.1727, eq. 97; Cowan, Discovery sensitivity for a counting
        experiment with background uncertainty, 2012.
        """
        s, b = np.broadcast_arrays(signal, np.asarray(background, np.float64) + self.regularisation)
        sound = (s > 0) & (b > 0)
        s, b = np.where(sound, s, 1.0), np.where(sound, b, 1.0)
        if self.uncertainty:
            v = (self.uncertainty * b) ** 2
            half = (s + b) * np.log((s + b) * (b + v) / (b**2 + (s + b) * v))
            half -= b**2 / v * np.log1p(v * s / (b * (b + v)))
        else:
            half = (s + b) * np.log1p(s / b) - s
        return np.where(sound, np.sqrt(np.maximum(2 * half, 0)), 0.0)

    def scaled(self, label: Array, weights: Array) -> Array:
        """Scale the weights of each class to what they stand for."""
        made = np.array(weights, np.float64)
        for value, wanted in ((1, self.signal), (0, self.background)):
            if wanted is not None and (total := weights[label == value].sum()) > 0:
                made[label == value] *= wanted / total
        return made

    def above(self, label: Array, score: Array, weights: Array) -> Array:
        """Significance of a cut at each event's score, `(events,)`, in one sort."""
        order = np.argsort(-score, kind="stable")
        weights = self.scaled(label, weights)[order]
        signal = np.cumsum(weights * label[order])
        background = np.cumsum(weights * (1 - label[order]))
        last = np.searchsorted(-score[order], -score[order], side="right") - 1  # of equal scores
        found = np.empty(len(score))
        found[order] = self.of(signal, background)[last]
        return found


def choose_cut(
    target: Array,
    prediction: Array,
    weight: Array | None = None,
    *,
    mask: Array | None = None,
    top: float = 0.1,
    least: float = 0.9,
    **arguments: Any,
) -> dict[str, float]:
    """Choose the cut of `ams` on other events than it is measured on; arguments as of that."""
    known = [each.name for each in fields(Counting)]
    counting = Counting(**{name: value for name, value in arguments.items() if name in known})
    label, score, weights = labelled(target, prediction, weight, mask)
    return {"cut": _chosen(counting, label, probability_of(score), weights, top, least)}


@metrics.register("ams", target="label", better="higher", unit="1", yields=True, choose=choose_cut)
def ams(
    target: Array,
    prediction: Array,
    weight: Array | None = None,
    *,
    signal: Positive | None = None,
    background: Positive | None = None,
    regularisation: NotNegative = 10.0,
    uncertainty: NotNegative = 0.0,
    cut: Share | None = None,
    top: Fraction = 0.1,
    least: Share = 0.9,
    folds: Count = 1,
    mask: Array | None = None,
) -> float:
    """Approximate median significance of the events whose probability is a cut or more.

    Where no cut is given one is chosen: in evaluation on valid, else on these events. A cut at each
    event of probability `least` or more has a significance; the mean probability of the fraction
    `top` of all events whose cuts have the highest is the cut; where `top` is 0, the best one is.

    Args:
        target: `(events,)` labels, 1 for signal.
        prediction: `(events,)` or `(events, 1)` logits.
        weight: `(events,)` expected numbers of events.
        signal: What the weights of all signal stand for, whatever their sum; that where None.
        background: The same of background.
        regularisation: Added to the background.
        uncertainty: Of the background, as a fraction of it.
        cut: The probability.
        top: Fraction of all events.
        least: Lowest probability of a cut.
        folds: Parts of the events, one after the other, each of which stands for all of them: the
            significance is the mean of theirs.
        mask: `(events,)`.

    Source: HiggsML challenge, v1.8, eq. 7.
    """
    label, score, weights = labelled(target, prediction, weight, mask)
    probability = probability_of(score)
    counting = Counting(signal, background, regularisation, uncertainty)
    if np.isnan(score).any():
        return float("nan")
    if cut is None:
        cut = _chosen(counting, label, probability, weights, top, least)
    found = []
    for part in np.array_split(np.arange(len(label)), folds):
        kept = counting.scaled(label[part], weights[part]) * (probability[part] >= cut)
        found.append(counting.of(kept @ label[part], kept @ (1 - label[part])))
    return float(np.mean(found))


def _chosen(
    counting: Counting, label: Array, probability: Array, weights: Array, top: float, least: float
) -> float:
    """Choose the cut, see `ams`; where no event is above `least`, as if that were 0."""
    tried = probability >= least
    tried = tried if tried.any() else np.ones(len(label), bool)
    found = counting.above(label, probability, weights)[tried]
    best = np.argsort(-found, kind="stable")[: max(1, int(top * len(label)))]
    return float(probability[tried][best].mean())


def probability_of(logit: Array) -> Array:
    """Probability of a logit, as cuts see it."""
    return np.asarray(0.5 * (1 + np.tanh(logit / 2)))
