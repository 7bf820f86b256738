"""Losses and metrics of a task on a split, in NumPy."""

from typing import NamedTuple

import numpy as np

from msml.chain import loss_of_each
from msml.data.dataset import SplitData
from msml.data.kinematics import Array
from msml.metrics import Metric, facts_of
from msml.metrics.named import bound
from msml.registry import losses
from msml.stages.session import Session


def event_losses(session: Session, task: str, split: SplitData, output: Array) -> Array:
    """Loss of each event, `(events,) float64`, of what a task's loss sees."""
    return np.asarray(loss_of_each(session.tasks[task], split.columns, output), np.float64)


class Measure(NamedTuple):
    """A metric, its arrays, target and prediction, and the event weights, `(events,) float64`."""

    metric: Metric
    arrays: tuple[Array, ...]
    weight: Array

    def value(self) -> float:
        """Take the metric of all events."""
        return float(self.metric(*self.arrays, self.weight))


def metric_on(session: Session, task: str, text: str, split: SplitData, output: Array) -> Measure:
    """Prepare a metric of a task on a split, from what the task's loss sees.

    A metric with the fact `physical` gets target and prediction as they are in the file, and one
    with the fact `yields` the weights of the file.
    """
    spec, facts = session.tasks[task], facts_of(text)
    point = losses.get(spec.loss).facts.get("point")
    prediction = output if point is None else point(output, **spec.loss_args)
    target = split.columns[spec.target]
    if facts.get("physical") and spec.target in session.pipelines:
        inverse = session.pipelines[spec.target].inverse
        target, prediction = inverse(target), inverse(np.reshape(prediction, target.shape))
    more = {"mask": split.columns[spec.mask]} if spec.mask else {}
    weight = split.yields if facts.get("yields") else split.weight.astype(np.float64)
    return Measure(bound(text, **more), (target, prediction), weight)
