"""Losses and metrics of a task on a split, in NumPy."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from msml.chain import WEIGHT, loss_of_each, real_rows
from msml.data.dataset import SplitData
from msml.data.kinematics import Array
from msml.metrics import EventMean, Metric, doubt, facts_of, per_event, replicate
from msml.metrics.named import bound
from msml.registry import losses
from msml.stages.session import Session


def event_losses(session: Session, task: str, split: SplitData, output: Array) -> Array:
    """Loss of each event, `(events,) float64`, of what a task's loss sees."""
    columns = {**split.columns, WEIGHT: split.weight}
    return np.asarray(loss_of_each(session.tasks[task], columns, output), np.float64)


class Measure(NamedTuple):
    """A metric and what it is taken of.

    Attributes:
        metric: The metric.
        arrays: Target and prediction, with a row for each event or for each object.
        weight: `(events,) float64`.
        owner: Event of each object, `(objects,)`; None where rows are events.
    """

    metric: Metric
    arrays: tuple[Array, ...]
    weight: Array
    owner: Array | None = None

    @property
    def weights(self) -> Array:
        """Weight of each row, `(rows,)`."""
        return self.weight if self.owner is None else self.weight[self.owner]

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments that the metric is called with, such as a mask."""
        return dict(self.metric.keywords) if isinstance(self.metric, partial) else {}

    def value(self) -> float:
        """Take the metric of all events."""
        return float(self.metric(*self.arrays, self.weights))

    def replicas(self, count: int, seed: int) -> Array:
        """Take it of so many bootstrap replicas, `(count,)`."""
        return replicate(self.metric, self.arrays, self.weight, count, seed, self.owner)

    def values(self) -> Array | None:
        """What each row adds, `(rows,)`, where it is a mean over them; else None."""
        return per_event(self.metric, self.arrays)

    def doubt(self) -> float:
        """How far its error can be off; see `msml.metrics.doubt`."""
        return doubt(*self)


def loss_on(session: Session, task: str, split: SplitData, output: Array) -> Measure:
    """Prepare the loss of a task on a split as a metric, from what the loss sees."""
    found = event_losses(session, task, split, output)
    weight = split.weight.astype(np.float64)
    return Measure(EventMean(lambda loss, _: loss), (found, found), weight)


def metric_on(
    session: Session,
    task: str,
    text: str,
    split: SplitData,
    output: Array,
    tuned: Mapping[str, Any] = MappingProxyType({}),
) -> Measure:
    """Prepare a metric of a task on a split, from what the task's loss sees.

    A metric with the fact `physical` gets target and prediction as they are in the file, and one
    with the fact `yields` the weights of the file. `tuned` has more arguments of the metric.
    """
    spec, facts = session.tasks[task], facts_of(text)
    point = losses.get(spec.loss).facts.get("point")
    prediction = output if point is None else point(output, **spec.loss_args)
    target = split.columns[spec.target]
    if facts.get("physical") and spec.target in session.pipelines:
        inverse = session.pipelines[spec.target].inverse
        target, prediction = inverse(target), inverse(np.reshape(prediction, target.shape))
    weight = split.yields if facts.get("yields") else split.weight.astype(np.float64)
    target, prediction, mask, owner = real_rows(spec, split.columns, target, prediction)
    more = {**tuned, **({} if mask is None else {"mask": mask})}
    return Measure(bound(text, **more), (target, prediction), weight, owner)


def tune(session: Session, task: str, text: str, split: SplitData, output: Array) -> dict[str, Any]:
    """Choose arguments of a metric on a split, such as a cut: those that its fact `choose` gives.

    Those that the recipe gives stay; none where there is nothing to choose.
    """
    if (choose := facts_of(text).get("choose")) is None:
        return {}
    measure = metric_on(session, task, text, split, output)
    given = measure.arguments
    found = choose(*measure.arrays, measure.weight, **given)
    return {name: value for name, value in found.items() if given.get(name) is None}
