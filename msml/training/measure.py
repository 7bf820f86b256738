"""Passes over events that change nothing: losses of a split, and outputs."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from msml.data.kinematics import Array
from msml.ensemble import Predictor, answer, parts_of
from msml.training.checkpoint import assign, variable_arrays
from msml.training.environment import tensorflow
from msml.training.epoch import Step, Stream, Tensor, compile_epoch
from msml.training.variables import numbered

# Outputs of a task by name, `(events, ...) float32`.
Outputs = dict[str, Array]

EVALUATION_BATCH = 1000
"""Events measured at once; the result depends on it in the last digit only."""

_NOISE_SEED = 0x5EED


def measurement(
    step: Step,
    tensors: Mapping[str, Tensor],
    models: Iterable[Any],
    losses: int,
    xla: bool,
    rows: Array | None = None,
) -> Callable[[], Array]:
    """Compile a pass over events that changes nothing; noise is the same every time."""
    stream = Stream(tensors, EVALUATION_BATCH, rows)
    measure = compile_epoch(step, stream, losses=losses, xla=xla)
    order = np.arange(stream.events, dtype=np.int32)
    known = list(models)

    def run() -> Array:
        with fixed_noise(known):
            return measure(order).losses

    return run


@contextmanager
def fixed_noise(models: Iterable[Any]) -> Iterator[None]:
    """Let the random numbers of models start from one seed for a while."""
    states = numbered(
        v for m in models for v in m.variables if id(v) not in {id(w) for w in m.weights}
    )
    before = variable_arrays(states)
    for variable in states.values():
        variable.assign(np.full(variable.shape, _NOISE_SEED, variable.dtype))
    try:
        yield
    finally:
        assign(states, before, "random state")


def predictor(chain: Predictor) -> Callable[[Mapping[str, Tensor]], dict[str, Outputs]]:
    """Compile a chain: a function of columns that returns its tasks' outputs by name."""
    run = batch_predictor(chain)

    def predict(tensors: Mapping[str, Tensor]) -> dict[str, Outputs]:
        columns = {name: tensors[name] for name in chain.input_columns()}
        starts = range(0, len(next(iter(columns.values()))), EVALUATION_BATCH)
        blocks = list(
            run({n: t[i : i + EVALUATION_BATCH] for n, t in columns.items()} for i in starts)
        )
        return {
            task: {name: np.concatenate([block[task][name] for block in blocks]) for name in named}
            for task, named in blocks[0].items()
        }

    return predict


def batch_predictor(
    chain: Predictor,
) -> Callable[[Iterable[Mapping[str, Tensor]]], Iterator[dict[str, Outputs]]]:
    """Compile a chain: a function of batches of its input columns that yields outputs of each.

    What models draw goes on from batch to batch, and is the same every time. Shorter batches are
    filled up: else the last digits of an event would depend on how many others are left.
    """
    tf = tensorflow()
    compiled = tf.function(lambda batch: chain.outputs(batch, training=False), autograph=False)

    def run(batches: Iterable[Mapping[str, Tensor]]) -> Iterator[dict[str, Outputs]]:
        with fixed_noise(chain.networks()):
            for batch in batches:
                events = len(next(iter(batch.values())))
                rows = np.minimum(np.arange(EVALUATION_BATCH), events - 1)
                whole = events == EVALUATION_BATCH
                found = compiled({n: t if whole else tf.gather(t, rows) for n, t in batch.items()})
                yield {
                    task: {name: output.numpy()[:events] for name, output in found[task].items()}
                    for task in chain.models
                }

    return run


def answerer(
    chain: Predictor, task: str
) -> Callable[[Callable[[slice], list[list[Array]]], int], Array]:
    """Compile one task of what predicts: a function of what its models are called with.

    Returns:
        A function of another one, which gives the inputs of some rows as `answer` takes them, and
        of the number of events. It returns what the task's loss sees.
    """
    tf = tensorflow()
    parts = parts_of(chain)
    compiled = tf.function(lambda given: answer(parts, task, given), autograph=False)

    def run(inputs: Callable[[slice], list[list[Array]]], events: int) -> Array:
        blocks = [slice(i, i + EVALUATION_BATCH) for i in range(0, events, EVALUATION_BATCH)]
        with fixed_noise(chain.networks()):
            found = [
                compiled([[tf.convert_to_tensor(x) for x in each] for each in inputs(rows)])
                for rows in blocks
            ]
        return np.concatenate([block.numpy() for block in found])

    return run
