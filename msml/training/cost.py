"""What a prediction costs: floating-point operations of an event, and time on the CPU."""

import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from msml.ensemble import Predictor
from msml.training.environment import tensorflow
from msml.training.epoch import Tensor
from msml.training.measure import fixed_noise

CPU = "/CPU:0"
_REPEATS = 20
_LONGEST = 1.0  # seconds of repeating, for each size of a batch

# Operations with a graph of their own, which the profiler does not see, or not each time it runs.
_HIDING = ("Call", "While", "If", "Case")


def flops(chain: Predictor, events: Mapping[str, Tensor]) -> int | None:
    """Count the floating-point operations of an event, as TensorFlow's profiler does.

    A multiplication and an addition are two; activations count nothing. All objects of the event
    are taken for real, which is the most it can be.

    Args:
        chain: What predicts.
        events: Any batch of its columns, for their shapes.

    Returns:
        The number; None where the graph does not tell it.
    """
    tf = tensorflow()
    from msml.models.layers import all_real

    _count_einsum()
    forward = tf.function(lambda batch: chain.outputs(batch, training=False), autograph=False)
    shapes = {n: tf.TensorSpec((1, *x.shape[1:]), x.dtype) for n, x in events.items()}
    with all_real():
        graph = forward.get_concrete_function(shapes).graph
    if not all(map(_is_told, graph.get_operations())):
        return None
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder.float_operation() | {"output": "none"}
    return int(profiler.profile(graph, options=options).total_float_ops)


def latency(chain: Predictor, events: Mapping[str, Tensor], size: int) -> float:
    """Measure how long a batch of some events takes on the CPU, compiled: the least of several.

    Args:
        chain: What predicts; its variables are on the CPU.
        events: Columns of any number of events, which are repeated if need be.
        size: Events of a batch.

    Returns:
        Seconds.
    """
    tf = tensorflow()
    forward = tf.function(lambda batch: chain.outputs(batch, training=False), autograph=False)
    rows = np.arange(size) % len(next(iter(events.values())))
    with tf.device(CPU), fixed_noise(chain.networks()):
        batch = {name: tf.identity(tf.gather(x, rows)) for name, x in events.items()}
        return fastest(lambda: _wait(forward(batch)))


def fastest(
    work: Callable[[], object], repeats: int = _REPEATS, longest: float = _LONGEST
) -> float:
    """Time some work several times, after it was done once, as for compiling; the least seconds.

    Others at work on the machine can only add to it.

    Args:
        work: The work.
        repeats: Most times.
        longest: Seconds after which it is not repeated any more.
    """
    work()
    taken: list[float] = []
    while len(taken) < repeats and sum(taken) < longest:
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def _wait(outputs: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Wait until all is computed."""
    for named in outputs.values():
        for output in named.values():
            output.numpy()


def _is_told(operation: Any) -> bool:
    """Whether the profiler can count an operation: its shapes are known, and it hides no other."""
    from tensorflow.python.framework import ops

    if operation.type.endswith(_HIDING):
        return False
    try:
        ops._stats_registry.lookup(f"{operation.type},flops")
    except LookupError:
        return True
    return all(x.shape.is_fully_defined() for x in (*operation.inputs, *operation.outputs))


@cache
def _count_einsum() -> None:
    """Tell TensorFlow's profiler how many operations `Einsum` has, unless it knows."""
    from tensorflow.python.framework import ops

    def count(graph: Any, node: Any) -> Any:
        equation = node.attr["equation"].s.decode()
        inputs = graph.get_operation_by_name(node.name).inputs
        letters = equation.partition("->")[0].split(",")
        sizes = {
            letter: size
            for names, tensor in zip(letters, inputs, strict=True)
            for letter, size in zip(names, tensor.shape, strict=True)
        }
        return ops.OpStats("flops", 2 * int(np.prod(list(sizes.values()))))

    try:
        ops.RegisterStatistics("Einsum", "flops")(count)
    except KeyError:
        return
