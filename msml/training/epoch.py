"""The hot path: one compiled graph an epoch, with the events resident in memory.

Columns too large for that are memory maps; their epoch is the same graph called for one stretch of
batches after the other, the next stretch being read meanwhile.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from msml.data.kinematics import Array
from msml.training.environment import tensorflow

Tensor = Any
Batch = dict[str, Tensor]
# A batch of columns to the means of its losses, `(losses,) float32`.
Step = Callable[[Batch], Tensor]


@dataclass(frozen=True)
class EpochResult:
    """What one pass over the events gave.

    Attributes:
        losses: `(losses,) float32` means over events.
        bad_batch: The first batch whose last loss, the one that is minimised, is not finite; -1
            where there is none.
    """

    losses: Array
    bad_batch: int


Epoch = Callable[[Array], EpochResult]

# Memory for one stretch of streamed events; two are held at a time.
_STRETCH_BYTES = 2**28


def to_device(columns: Mapping[str, Array]) -> dict[str, Tensor]:
    """Put columns into the memory of the device, once; memory maps stay where they are."""
    tf = tensorflow()
    return {
        name: column if isinstance(column, np.memmap) else tf.convert_to_tensor(column)
        for name, column in columns.items()
    }


def compile_epoch(
    step: Step, columns: Mapping[str, Tensor], batch_size: int, *, losses: int, xla: bool
) -> Epoch:
    """Compile a pass over events into one graph: it gathers batches, steps, and sums losses.

    The last batch holds what is left over.

    Args:
        step: What happens with a batch; it may change variables.
        columns: `(events, ...)` tensors by name, or memory maps.
        batch_size: Events of a batch.
        losses: Number of losses that `step` returns.
        xla: Whether XLA compiles it.

    Returns:
        A function of the order of the events, `(events,) int32`.
    """
    tf = tensorflow()
    names = sorted(columns)
    tensors = [columns[name] for name in names]
    events = int(tensors[0].shape[0])

    def run(rows: Tensor, number: Tensor, state: Any, arrays: list[Tensor]) -> Any:
        total, bad = state
        batch = {n: tf.gather(a, rows) for n, a in zip(names, arrays, strict=True)}
        values = step(batch)
        # Only what is minimised: a task of weight 0 may be infinite.
        finite = tf.math.is_finite(values[-1])
        bad = tf.where(tf.logical_or(finite, bad >= 0), bad, number)
        return total + values * tf.cast(tf.shape(rows)[0], tf.float32), bad

    def epoch(order: Tensor, *arrays: Tensor) -> Any:
        full, rest = divmod(int(order.shape[0]), batch_size)
        state = (tf.zeros(losses), tf.constant(-1))
        if full:

            def body(i: Tensor, total: Tensor, bad: Tensor) -> Any:
                rows = tf.slice(order, [i * batch_size], [batch_size])
                return (i + 1, *run(rows, i, (total, bad), list(arrays)))

            _, *state = tf.while_loop(
                lambda i, *_: i < full, body, (tf.constant(0), *state), parallel_iterations=1
            )
        if rest:
            rows = tf.slice(order, [full * batch_size], [rest])
            state = run(rows, tf.constant(full), tuple(state), list(arrays))
        return state

    # The columns are arguments: as constants XLA would compile them in.
    compiled = tf.function(epoch, jit_compile=xla, autograph=False)

    def resident(order: Array) -> EpochResult:
        total, bad = compiled(tf.convert_to_tensor(order, tf.int32), *tensors)
        return EpochResult(total.numpy() / events, int(bad))

    def streamed(order: Array) -> EpochResult:
        total, first_bad, before = np.zeros(losses, np.float32), -1, 0
        for stretch in _stretches(tensors, order, batch_size):
            size = len(stretch[0])
            more, bad = compiled(tf.range(size), *stretch)
            total += more.numpy()
            if first_bad < 0 <= int(bad):
                first_bad = before + int(bad)
            before += -(-size // batch_size)
        return EpochResult(total / events, first_bad)

    return streamed if any(isinstance(t, np.memmap) for t in tensors) else resident


def _stretches(columns: Sequence[Tensor], order: Array, batch_size: int) -> Iterator[list[Tensor]]:
    """Read events in their order, so many whole batches at a time; one stretch is read ahead."""
    tf = tensorflow()
    row_bytes = sum(4 * int(np.prod(column.shape[1:])) for column in columns)
    size = batch_size * max(1, _STRETCH_BYTES // (batch_size * row_bytes))

    def gather(start: int) -> list[Tensor]:
        rows = order[start : start + size]
        return [
            tf.convert_to_tensor(column[rows])
            if isinstance(column, np.memmap)
            else tf.gather(column, rows)
            for column in columns
        ]

    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(gather, 0)
        for start in range(size, len(order) + size, size):
            ready = ahead.result()
            if start < len(order):
                ahead = reader.submit(gather, start)
            yield ready


def epoch_order(events: int, seed: int, key: str, epoch: int) -> Array:
    """Order of the events in an epoch: a pure function of seed, what is trained, and epoch."""
    words = np.frombuffer(key.encode().ljust(4 * (-(-len(key.encode()) // 4)), b"\0"), np.uint32)
    sequence = np.random.SeedSequence([seed, epoch, *words.tolist()])
    return np.random.default_rng(sequence).permutation(events).astype(np.int32)
