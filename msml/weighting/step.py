"""Training a chain under a weighting."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from msml.chain import Chain, weighted_total
from msml.data.kinematics import Array
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, Epoch, EpochResult, Step, Tensor
from msml.training.steps import make_fit_step
from msml.weighting.gradients import weighted_gradients
from msml.weighting.rule import Weighting


def make_weighted_step(
    chain: Chain, weighting: Weighting, optimizer: Any, weights: Mapping[str, float]
) -> Step:
    """Descend the losses of a chain as a weighting says.

    Returns:
        The same as `make_fit_step`: the losses of the tasks, then their sum weighted by v_t, but
        not finite where any loss is not, as then the weights are lost.
    """
    if weighting.constant is not None:
        return make_fit_step(chain, weights, optimizer)
    tf = tensorflow()
    variables = chain.variables()
    shares = [weights[name] for name in chain.models]

    def measure(batch: Batch) -> list[Tensor]:
        return chain.task_losses(batch, chain.outputs(batch, training=True))

    def step(batch: Batch) -> Tensor:
        persistent = weighting.on_gradients
        with tf.GradientTape(persistent=persistent, watch_accessed_variables=False) as tape:
            sources = [variable.value for variable in variables]
            tape.watch(sources)
            values = measure(batch)
        scale = optimizer.scale_loss(tf.constant(1.0))
        gradients = weighted_gradients(tape, values, sources, weighting, scale)
        if variables:
            optimizer.apply(gradients, variables)
        losses = tf.stack(values)
        if weighting.after is not None:
            weighting.after(losses, tf.stack(measure(batch)))
        total = weighted_total(shares, values)
        finite = tf.reduce_all(tf.math.is_finite(losses))
        return tf.stack([*values, tf.where(finite, total, np.nan)])

    return step


def with_epoch_end(
    epoch: Epoch,
    weighting: Weighting,
    of_tasks: Callable[[Array], Array] = lambda losses: losses[:-1],
) -> Epoch:
    """Tell the weighting the tasks' mean losses after each epoch.

    Args:
        epoch: The epoch.
        weighting: The rule.
        of_tasks: Takes them from the losses of the epoch; by default all but the last, the total.
    """
    tell = weighting.after_epoch
    if tell is None:
        return epoch

    def run(*orders: Array) -> EpochResult:
        result = epoch(*orders)
        tell(of_tasks(result.losses))
        return result

    return run
