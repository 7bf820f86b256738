"""The one way to train weights: measure losses, weigh their gradients, let the optimizer act."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from msml.chain import Chain, weighted_total
from msml.data.kinematics import Array
from msml.training.environment import tensorflow
from msml.training.epoch import (
    Batch,
    EpochResult,
    Step,
    Stream,
    Tensor,
    compile_epoch,
    shuffled,
)
from msml.training.steps import descended
from msml.weighting.gradients import weighted_gradients
from msml.weighting.rule import Weighting


class Losses(NamedTuple):
    """What an objective gives for a batch, all scalars.

    Attributes:
        parts: What each task descends; the weighting weighs them.
        reported: What is shown and kept.
        total: What is monitored: the sum weighted by v_t.
    """

    parts: list[Tensor]
    reported: list[Tensor]
    total: Tensor


def descend(
    losses: Callable[[list[Tensor]], Losses],
    variables: Sequence[Any],
    sources: list[Tensor],
    optimizer: Any,
    weighting: Weighting,
) -> Tensor:
    """Take one step of some weights.

    Args:
        losses: From values of the weights to losses; it may also read the variables themselves.
        variables: The weights.
        sources: Their values, as `losses` sees them.
        optimizer: A Keras optimizer.
        weighting: What weighs the tasks.

    Returns:
        The reported losses, then the total, `(losses + 1,)`. Where the rule is not constant and a
        part is not finite, neither is the total, as then the weights are lost.
    """
    tf = tensorflow()
    with tf.GradientTape(weighting.on_gradients, watch_accessed_variables=False) as tape:
        tape.watch(sources)
        found = losses(sources)
    scale = optimizer.scale_loss(tf.constant(1.0))
    gradients = weighted_gradients(tape, found.parts, sources, weighting, scale)
    if variables:
        optimizer.apply(gradients, variables)
    if weighting.constant is not None:
        return tf.stack([*found.reported, found.total])
    parts = tf.stack(found.parts)
    if weighting.after is not None:
        moved = losses([tf.convert_to_tensor(variable.value) for variable in variables])
        weighting.after(parts, tf.stack(moved.parts))
    finite = tf.reduce_all(tf.math.is_finite(parts))
    return tf.stack([*found.reported, tf.where(finite, found.total, np.nan)])


def make_chain_step(
    chain: Chain, task_weights: Mapping[str, float], optimizer: Any, weighting: Weighting
) -> Step:
    """Descend the losses of a chain: the losses of its tasks, then their sum weighted by v_t.

    What a model adds to its loss, such as regularisers, is descended with it, and not reported.
    """
    tf = tensorflow()
    variables = chain.variables()
    shares = [task_weights[name] for name in chain.models]
    state = chain.others() if weighting.after else []

    def step(batch: Batch) -> Tensor:
        before = [tf.identity(variable.value) for variable in state]

        def losses(_: list[Tensor]) -> Losses:
            # A second look is at the same random numbers, and moves statistics no second time.
            for variable, value in zip(state, before, strict=True):
                variable.assign(value)
            found, parts = descended(chain, batch)
            return Losses(parts, found, weighted_total(shares, found))

        sources = [variable.value for variable in variables]
        return descend(losses, variables, sources, optimizer, weighting)

    return step


def epochs(
    step: Step,
    streams: Sequence[Stream],
    seed: int,
    key: str,
    *,
    losses: int,
    xla: bool,
    weighting: Weighting,
    drawn_streams: Sequence[Stream] = (),
    drawn: Callable[[int], Sequence[Array]] = lambda number: (),
    of_tasks: Callable[[Array], Array] = lambda losses: losses[:-1],
) -> Callable[[int], EpochResult]:
    """Compile a step into epochs, by their number; the weighting is told how each one went.

    Args:
        step: What happens with a batch of each stream.
        streams: Events, each in an order of its own every epoch.
        seed: Seed of the run.
        key: What is trained.
        losses: Number of losses that the step returns.
        xla: Whether XLA compiles it.
        weighting: The rule.
        drawn_streams: Streams after these that are drawn from.
        drawn: What is drawn from them, by epoch.
        of_tasks: Takes the tasks' mean losses from those of an epoch; by default all but the last.
    """
    epoch = compile_epoch(step, *streams, *drawn_streams, losses=losses, xla=xla)
    ordered = shuffled(epoch, [stream.events for stream in streams], seed, key, drawn)
    tell = weighting.after_epoch

    def run(number: int) -> EpochResult:
        result = ordered(number)
        if tell is not None:
            tell(of_tasks(result.losses))
        return result

    return run
