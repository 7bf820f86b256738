"""Metrics of whole splits in NumPy, with event weights, and their bootstrap uncertainties.

A metric is `fn(target, prediction, weight=None, *, mask=None, ...)`, where `weight` is `(events,)`,
of any sign, or None for 1 each, and `mask` is false for what is padding. Its facts say which way is
`better`, its `unit`, for which `target`s it is, and whether it is `physical`: then it sees target
and prediction as they were before the transforms of the data.
"""

from msml.metrics.generic import accuracy, auc, background_rejection, bce, bias, resolution
from msml.metrics.named import LOSS, apart, facts_of, find, label_of, on_subset
from msml.metrics.reliability import ece
from msml.metrics.uncertainty import (
    Estimate,
    EventMean,
    Metric,
    average,
    bootstrap,
    doubt,
    estimate,
    per_event,
    replicate,
    replicate_means,
)

__all__ = [
    "LOSS",
    "Estimate",
    "EventMean",
    "Metric",
    "accuracy",
    "apart",
    "auc",
    "average",
    "background_rejection",
    "bce",
    "bias",
    "bootstrap",
    "doubt",
    "ece",
    "estimate",
    "facts_of",
    "find",
    "label_of",
    "on_subset",
    "per_event",
    "replicate",
    "replicate_means",
    "resolution",
]
