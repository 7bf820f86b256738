"""The loss of each event of a split, in NumPy."""

import numpy as np

from msml.data.dataset import SplitData
from msml.data.kinematics import Array
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
