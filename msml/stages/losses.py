"""Losses and metrics of a task on a split, in NumPy."""

import numpy as np

from msml.data.dataset import SplitData
from msml.data.kinematics import Array
from msml.metrics import Metric
from msml.metrics.named import bound
from msml.registry import losses
from msml.stages.session import Session


def event_losses(session: Session, task: str, split: SplitData, output: Array) -> Array:
    """Loss of each event, `(events,) float64`, of what a task's loss sees."""
    spec = session.tasks[task]
    arguments = dict(spec.loss_args)
    if spec.mask:
        arguments["mask"] = split.columns[spec.mask]
    values = losses.get(spec.loss).function(split.columns[spec.target], output, **arguments)
    return np.asarray(values, np.float64)


def metric_on(
    session: Session, task: str, text: str, split: SplitData, output: Array
) -> tuple[Metric, tuple[Array, Array]]:
    """Return a metric of a task on a split, and its arrays: target and prediction."""
    spec = session.tasks[task]
    point = losses.get(spec.loss).facts.get("point")
    if point is not None:
        output = point(output, **spec.loss_args)
    more = {"mask": split.columns[spec.mask]} if spec.mask else {}
    return bound(text, **more), (split.columns[spec.target], output)
