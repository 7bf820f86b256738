"""Equal chains trained at once: their variables lie along a first axis, and one graph serves all.

Each replica has its own weights, events, order of the events and optimizer state, and ends with
what it would end with alone, but for the last digits. Small networks leave most of a processor
idle; this fills it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from msml.chain import WEIGHT, Chain, weighted_total
from msml.data.kinematics import Array
from msml.recipe.schema_training import Fit
from msml.training.environment import tensorflow
from msml.training.epoch import (
    Batch,
    EpochResult,
    Step,
    Stream,
    Tensor,
    compile_epoch,
    epoch_order,
)
from msml.training.measure import EVALUATION_BATCH
from msml.training.steps import descended

REAL = "real"

_STACKABLE = frozenset(
    {
        *("Activation", "Add", "Average", "BatchNormalization", "Concatenate", "Dense", "Dropout"),
        *("ELU", "Embedding", "Flatten", "Functional", "GraphAttention", "InputLayer"),
        *("LayerNormalization", "LeakyReLU", "Multiply", "PReLU", "PairFeatures", "ReLU"),
        *("Rescaling", "Reshape", "Softmax", "Subtract"),
    }
)
"""Layers whose products become one batched product."""


@dataclass(frozen=True)
class Stack:
    """Equal chains as one.

    Attributes:
        chain: One of them, which is called with the variables of each.
        count: How many there are.
        weights: Values of each trainable variable of all chains, `(replicas, ...)`.
        state: The same of the other variables.
    """

    chain: Chain
    count: int
    weights: tuple[Any, ...]
    state: tuple[Any, ...]

    @property
    def variables(self) -> dict[str, Any]:
        """All variables by name."""
        named = {f"{i:03d}": variable for i, variable in enumerate(self.weights)}
        return named | {f"state {i:03d}": variable for i, variable in enumerate(self.state)}

    def give(self, values: Mapping[str, Array], chains: Sequence[Chain]) -> None:
        """Set the variables of chains to values of these ones."""
        for number, chain in enumerate(chains):
            each = [*chain.variables(), *chain.others()]
            for variable, value in zip(each, values.values(), strict=True):
                variable.assign(value[number])


def stackable(chain: Chain, settings: Fit) -> str:
    """Say why replicas of a chain cannot be trained at once; empty where they can."""
    kinds = {type(layer).__name__ for model in chain.networks() for layer in _layers(model)}
    if kinds - _STACKABLE:
        return f"layers of kind {', '.join(sorted(kinds - _STACKABLE))}"
    clipped = [name for name in settings.optimizer if "clip" in name]
    return f"the optimizer's {clipped[0]}; clip_norm works" if clipped else ""


def stack(chains: Sequence[Chain]) -> Stack:
    """Lay the variables of equal chains upon each other."""
    import keras

    def stacked(several: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
        return tuple(
            keras.Variable(np.stack([v.numpy() for v in same]), dtype=same[0].dtype)
            for same in zip(*several, strict=True)
        )

    weights = stacked([chain.variables() for chain in chains])
    return Stack(chains[0], len(chains), weights, stacked([chain.others() for chain in chains]))


def make_replica_step(
    stacked: Stack, task_weights: Mapping[str, float], optimizer: Any, clip_norm: float | None
) -> Step:
    """Descend the weighted losses of all replicas.

    The step takes a batch with the events of the replicas one after the other, and a batch of
    `REAL`, which is 0 for events that only fill up. It returns, of each replica, its losses and
    their total, times the share of the batch that is its own; and last a number that is finite
    where all of these are.
    """
    tf = tensorflow()
    shares = [task_weights[name] for name in stacked.chain.models]

    def step(batch: Batch, about: Batch) -> Tensor:
        own, counts = _divided(stacked, batch, about)
        weights = [variable.value for variable in stacked.weights]
        state = [variable.value for variable in stacked.state]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            found, after, descended = _mapped(stacked, shares, weights, state, own, training=True)
            total = tf.reduce_sum(descended)
        gradients = tape.gradient(
            total, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        if clip_norm is not None:
            gradients = _clipped(gradients, clip_norm)
        optimizer.apply(gradients, list(stacked.weights))
        for variable, value in zip(stacked.state, after, strict=True):
            variable.assign(value)
        return _reported(found, counts)

    return step


def make_replica_loss_step(stacked: Stack, task_weights: Mapping[str, float]) -> Step:
    """Measure the losses of all replicas; batches and result as of `make_replica_step`."""
    shares = [task_weights[name] for name in stacked.chain.models]

    def step(batch: Batch, about: Batch) -> Tensor:
        own, counts = _divided(stacked, batch, about)
        weights = [variable.value for variable in stacked.weights]
        state = [variable.value for variable in stacked.state]
        found, _, _ = _mapped(stacked, shares, weights, state, own, training=False)
        return _reported(found, counts)

    return step


def replica_epochs(
    step: Step,
    columns: Mapping[str, Tensor],
    rows: Sequence[Array],
    batch_size: int,
    *,
    losses: int,
    xla: bool,
) -> Callable[[Sequence[Array]], EpochResult]:
    """Compile passes over the events of all replicas.

    Args:
        step: As `make_replica_step` makes.
        columns: The events that the replicas share.
        rows: Which of them are a replica's, `(events,)`; the same number of batches for each.
        batch_size: Events of a batch of one replica.
        losses: Losses of one replica, the total among them.
        xla: Whether XLA compiles it.

    Returns:
        A function of an order of each replica's events, to losses `(replicas, losses)`.
    """
    tf = tensorflow()
    count = len(rows)
    real = Stream({REAL: tf.constant([0.0, 1.0])}, count * batch_size)
    streams = Stream(columns, count * batch_size), real
    epoch = compile_epoch(step, *streams, losses=count * losses + 1, xla=xla)
    sizes = np.array([len(each) for each in rows])

    def run(orders: Sequence[Array]) -> EpochResult:
        taken = [each[order] for each, order in zip(rows, orders, strict=True)]
        places, real = _interleaved(taken, batch_size)
        result = epoch(places, real)
        sums = result.losses[:-1].reshape(count, losses) * len(places)
        return EpochResult(sums / sizes[:, None], result.bad_batch)

    return run


def shuffled_replicas(
    epoch: Callable[[Sequence[Array]], EpochResult],
    rows: Sequence[Array],
    seeds: Sequence[tuple[int, str]],
) -> Callable[[int], EpochResult]:
    """Give each replica the orders that it has alone, of its seed and key."""

    def numbered(number: int) -> EpochResult:
        sizes = (len(each) for each in rows)
        known = zip(sizes, seeds, strict=True)
        return epoch([epoch_order(size, seed, key, number) for size, (seed, key) in known])

    return numbered


def replica_measurement(
    step: Step, columns: Mapping[str, Tensor], rows: Sequence[Array], *, losses: int, xla: bool
) -> Callable[[], Array]:
    """Compile a pass over the events of all replicas that changes nothing: `(replicas, losses)`."""
    size = max(1, EVALUATION_BATCH // len(rows))
    measure = replica_epochs(step, columns, rows, size, losses=losses, xla=xla)
    orders = [np.arange(len(each)) for each in rows]
    return lambda: measure(orders).losses


def alike(rows: Sequence[Array], batch_size: int) -> bool:
    """Say whether all replicas have the same number of batches."""
    return len({-(-len(each) // batch_size) for each in rows}) == 1


def _mapped(
    stacked: Stack,
    shares: Sequence[float],
    weights: list[Tensor],
    state: list[Tensor],
    batch: Batch,
    *,
    training: bool,
) -> tuple[Tensor, list[Tensor], Tensor]:
    """Losses `(replicas, losses)`, new state, and what each replica descends, `(replicas,)`."""
    import keras

    tf, chain = tensorflow(), stacked.chain
    known, others = [*chain.variables(), *chain.others()], chain.others()

    def alone(given: Any) -> Any:
        values, own = given
        with keras.StatelessScope(list(zip(known, values, strict=True)), collect_losses=True) as s:
            if training:
                found, parts = descended(chain, own)
            else:
                found = parts = chain.task_losses(own, chain.outputs(own, training=False))
            after = [s.get_current_value(variable) for variable in others]
        total = weighted_total(shares, found)
        return tf.stack([*found, total]), after, weighted_total(shares, parts)

    mapped: tuple[Tensor, list[Tensor], Tensor] = tf.vectorized_map(
        alone, ([*weights, *state], dict(batch)), fallback_to_while_loop=False
    )
    return mapped


def _divided(stacked: Stack, batch: Batch, about: Batch) -> tuple[Batch, Tensor]:
    """Give each replica its events, `(replicas, events, ...)`, and say how many are its own.

    A mean over a replica's batch is one over its own events: what fills up has no weight, and the
    weights of the others are larger by as much.
    """
    tf = tensorflow()
    own = {
        name: tf.reshape(column, [stacked.count, -1, *column.shape[1:]])
        for name, column in {**batch, REAL: about[REAL]}.items()
    }
    real = own.pop(REAL)
    counts = tf.reduce_sum(real, axis=1)
    size = tf.cast(tf.shape(real)[1], tf.float32)
    own[WEIGHT] = own[WEIGHT] * real * (size / counts)[:, None]
    return own, counts / (stacked.count * size)


def _reported(found: Tensor, shares: Tensor) -> Tensor:
    tf = tensorflow()
    values = tf.reshape(found * shares[:, None], [-1])
    return tf.concat([values, [tf.reduce_sum(found[:, -1])]], axis=0)


def _clipped(gradients: list[Tensor], norm: float) -> list[Tensor]:
    """Clip the gradients of each replica by their global norm, as Keras clips those of one."""
    tf = tensorflow()
    squares = [tf.reduce_sum(g**2, axis=range(1, len(g.shape))) for g in gradients]
    factor = norm / tf.maximum(tf.sqrt(tf.add_n(squares)), norm)
    return [g * tf.reshape(factor, [-1] + [1] * (len(g.shape) - 1)) for g in gradients]


def _interleaved(rows: Sequence[Array], batch_size: int) -> tuple[Array, Array]:
    """Lay the batches of all replicas one after the other, filled up to one length.

    Returns:
        Numbers of events, and 1 for those that are real.
    """
    longest = max(map(len, rows))
    filled = np.zeros((len(rows), longest), np.int32)
    real = np.zeros_like(filled)
    for number, each in enumerate(rows):
        filled[number, : len(each)], real[number, : len(each)] = each, 1
    starts = range(0, longest, batch_size)
    places, marks = (
        np.concatenate([array[:, start : start + batch_size].ravel() for start in starts])
        for array in (filled, real)
    )
    return places, marks


def _layers(model: Any) -> list[Any]:
    found: list[Any] = list(model._flatten_layers())
    return found
