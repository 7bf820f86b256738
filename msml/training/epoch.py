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
from msml.errors import RecipeError
from msml.training.environment import tensorflow

Tensor = Any
Batch = dict[str, Tensor]
# A batch of columns of each stream to the means of the losses, `(losses,) float32`.
Step = Callable[..., Tensor]


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


# An order of the events of each stream to what a pass in these orders gave.
Epoch = Callable[..., EpochResult]

# Memory for one stretch of streamed events; two are held at a time.
_STRETCH_BYTES = 2**28


@dataclass(frozen=True)
class Stream:
    """Events that an epoch passes over, a batch a step.

    Attributes:
        columns: `(events, ...)` tensors by name, or memory maps.
        batch_size: Events of a batch.
        rows: Which events of the columns, `(events,)`; all where None.
    """

    columns: Mapping[str, Tensor]
    batch_size: int
    rows: Array | None = None

    @property
    def events(self) -> int:
        """Number of events."""
        if self.rows is not None:
            return len(self.rows)
        return int(next(iter(self.columns.values())).shape[0])

    def found(self, order: Array) -> Array:
        """Rows of the columns of events in some order."""
        return order if self.rows is None else self.rows[order]


def to_device(columns: Mapping[str, Array]) -> dict[str, Tensor]:
    """Put columns into the memory of the device, once; memory maps stay where they are."""
    tf = tensorflow()
    return {
        name: column if isinstance(column, np.memmap) else tf.convert_to_tensor(column)
        for name, column in columns.items()
    }


def compile_epoch(step: Step, *streams: Stream, losses: int, xla: bool) -> Epoch:
    """Compile a pass over events into one graph: it gathers batches, steps, and sums losses.

    The first stream decides the number of steps and weighs the losses. The last batch of each
    holds what is left over.

    Args:
        step: What happens with a batch of each stream; it may change variables.
        streams: The events. Batches of the others must last as long as those of the first.
        losses: Number of losses that `step` returns.
        xla: Whether XLA compiles it.

    Returns:
        A function of the order of the events of each stream, `(events,) int32`. An order may
        take events more than once, and as many as it likes. It raises `RecipeError` where XLA
        cannot compile the step.
    """
    tf = tensorflow()
    names = [sorted(stream.columns) for stream in streams]
    tensors = [[stream.columns[name] for name in sorted(stream.columns)] for stream in streams]
    sizes = [stream.batch_size for stream in streams]

    def run(rows: list[Tensor], number: Tensor, state: Any, arrays: list[list[Tensor]]) -> Any:
        total, bad = state
        batches = [
            {name: tf.gather(array, some) for name, array in zip(known, columns, strict=True)}
            for known, columns, some in zip(names, arrays, rows, strict=True)
        ]
        values = step(*batches)
        # Only what is minimised: a task of weight 0 may be infinite.
        finite = tf.math.is_finite(values[-1])
        bad = tf.where(tf.logical_or(finite, bad >= 0), bad, number)
        return total + values * tf.cast(tf.shape(rows[0])[0], tf.float32), bad

    def epoch(orders: list[Tensor], arrays: list[list[Tensor]]) -> Any:
        steps, uniform = _steps([int(order.shape[0]) for order in orders], sizes)
        looped = steps if uniform else steps - 1
        state = (tf.zeros(losses), tf.constant(-1))
        if looped:

            def body(i: Tensor, total: Tensor, bad: Tensor) -> Any:
                rows = [
                    tf.slice(order, [i * size], [size])
                    for order, size in zip(orders, sizes, strict=True)
                ]
                return (i + 1, *run(rows, i, (total, bad), arrays))

            _, *state = tf.while_loop(
                lambda i, *_: i < looped, body, (tf.constant(0), *state), parallel_iterations=1
            )
        if looped < steps:
            rows = [order[looped * size :] for order, size in zip(orders, sizes, strict=True)]
            state = run(rows, tf.constant(looped), tuple(state), arrays)
        return state

    # The columns are arguments: as constants XLA would compile them in.
    compiled = _compiled(epoch, xla)

    def resident(*orders: Array) -> EpochResult:
        total, bad = compiled([tf.convert_to_tensor(o, tf.int32) for o in orders], tensors)
        return EpochResult(total.numpy() / len(orders[0]), int(bad))

    def streamed(*orders: Array) -> EpochResult:
        total, first_bad, before = np.zeros(losses, np.float32), -1, 0
        for stretch in _stretches(tensors, orders, sizes):
            rows = [tf.range(len(columns[0])) for columns in stretch]
            more, bad = compiled(rows, stretch)
            total += more.numpy()
            if first_bad < 0 <= int(bad):
                first_bad = before + int(bad)
            before += -(-len(stretch[0][0]) // sizes[0])
        return EpochResult(total / len(orders[0]), first_bad)

    mapped = any(isinstance(t, np.memmap) for columns in tensors for t in columns)
    return _of_rows(streams, streamed if mapped else resident)


def _of_rows(streams: Sequence[Stream], epoch: Epoch) -> Epoch:
    """Let an epoch of columns be one of the events of streams."""

    def run(*orders: Array) -> EpochResult:
        found = [s.found(order) for s, order in zip(streams, orders, strict=True)]
        result: EpochResult = epoch(*found)
        return result

    return run


def _compiled(function: Callable[..., Any], xla: bool) -> Callable[..., Any]:
    """Compile a function; what XLA cannot compile is something to change in the recipe."""
    tf = tensorflow()
    compiled = tf.function(function, jit_compile=xla, autograph=False)

    def call(*arguments: Any) -> Any:
        try:
            return compiled(*arguments)
        except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError) as error:
            if not xla or "tf2xla" not in error.message:
                raise
            reason = error.message.split("\n")[0].rstrip(".")
            message = f"xla: XLA cannot compile this model ({reason}); expected false"
            raise RecipeError(message) from error

    return call


def _steps(events: Sequence[int], sizes: Sequence[int]) -> tuple[int, bool]:
    """Count the steps, and say whether each batch of each stream is full."""
    steps = -(-events[0] // sizes[0])
    return steps, all(n == steps * size for n, size in zip(events, sizes, strict=True))


def _stretches(
    tensors: Sequence[Sequence[Tensor]], orders: Sequence[Array], sizes: Sequence[int]
) -> Iterator[list[list[Tensor]]]:
    """Read events in their order, so many whole steps at a time; one stretch is read ahead."""
    tf = tensorflow()
    step_bytes = sum(
        size * sum(4 * int(np.prod(column.shape[1:])) for column in columns)
        for columns, size in zip(tensors, sizes, strict=True)
    )
    steps, _ = _steps([len(order) for order in orders], sizes)
    stride = max(1, _STRETCH_BYTES // step_bytes)

    def gather(first: int) -> list[list[Tensor]]:
        last = first + stride >= steps
        return [
            [
                tf.convert_to_tensor(column[rows])
                if isinstance(column, np.memmap)
                else tf.gather(column, rows)
                for column in columns
            ]
            for columns, rows in (
                (columns, order[first * size : None if last else (first + stride) * size])
                for columns, order, size in zip(tensors, orders, sizes, strict=True)
            )
        ]

    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(gather, 0)
        for first in range(stride, steps + stride, stride):
            ready = ahead.result()
            if first < steps:
                ahead = reader.submit(gather, first)
            yield ready


def generator(seed: int, key: str, number: int) -> np.random.Generator:
    """Random numbers that follow from seed, what is done, and a number such as the epoch."""
    words = np.frombuffer(key.encode().ljust(4 * (-(-len(key.encode()) // 4)), b"\0"), np.uint32)
    return np.random.default_rng(np.random.SeedSequence([seed, number, *words.tolist()]))


def epoch_order(events: int, seed: int, key: str, epoch: int) -> Array:
    """Order of the events in an epoch: a pure function of seed, what is trained, and epoch."""
    return generator(seed, key, epoch).permutation(events).astype(np.int32)


def shuffled(
    epoch: Epoch,
    events: Sequence[int],
    seed: int,
    key: str,
    others: Callable[[int], Sequence[Array]] = lambda number: (),
) -> Callable[[int], Any]:
    """Give an epoch the orders of its streams: a function of the epoch's number.

    Args:
        epoch: The compiled epoch.
        events: Number of events of each stream that is shuffled.
        seed: Seed of the run.
        key: What is trained.
        others: Orders of the streams that follow, by the epoch's number.
    """

    def numbered(number: int) -> EpochResult:
        keys = [key, *(f"{key}/stream {i}" for i in range(1, len(events)))]
        orders = [epoch_order(n, seed, k, number) for n, k in zip(events, keys, strict=True)]
        return epoch(*orders, *others(number))

    return numbered
