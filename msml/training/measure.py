"""Passes over events that change nothing: losses of a split, and outputs."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from msml.data.kinematics import Array
from msml.ensemble import Predictor, answer, parts_of
from msml.training.checkpoint import assign, variable_arrays
from msml.training.environment import side_by_side, tensorflow
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
    states = numbered(drawing(models))
    before = variable_arrays(states)
    for variable in states.values():
        variable.assign(np.full(variable.shape, _NOISE_SEED, variable.dtype))
    try:
        yield
    finally:
        assign(states, before, "random state")


def drawing(models: Iterable[Any]) -> list[Any]:
    """Variables from which models draw random numbers."""
    found = []
    for model in models:
        weights = {id(weight) for weight in model.weights}
        found += [variable for variable in model.variables if id(variable) not in weights]
    return found


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

    What models draw goes on from batch to batch, and is the same every time; where they draw
    nothing, batches are predicted side by side. Shorter batches are filled up: else the last digits
    of an event would depend on how many others are left.
    """
    tf = tensorflow()
    compiled = tf.function(lambda batch: chain.outputs(batch, training=False), autograph=False)
    lanes = 1 if drawing(chain.networks()) else side_by_side()

    def predict(batch: Mapping[str, Tensor]) -> dict[str, Outputs]:
        events = len(next(iter(batch.values())))
        rows = np.minimum(np.arange(EVALUATION_BATCH), events - 1)
        whole = events == EVALUATION_BATCH
        found = compiled({n: t if whole else tf.gather(t, rows) for n, t in batch.items()})
        return {
            task: {name: output.numpy()[:events] for name, output in found[task].items()}
            for task in chain.models
        }

    def run(batches: Iterable[Mapping[str, Tensor]]) -> Iterator[dict[str, Outputs]]:
        with fixed_noise(chain.networks()):
            yield from ahead(predict, batches, lanes)

    return run


def ahead(function: Callable[[Any], Any], arguments: Iterable[Any], lanes: int) -> Iterator[Any]:
    """Yield what a function gives for each of some arguments, in their order.

    Args:
        function: What is called.
        arguments: What it is called with; few are taken ahead of what was yielded.
        lanes: Calls at a time.
    """
    if lanes == 1:
        yield from map(function, arguments)
        return
    with ThreadPoolExecutor(lanes) as pool:
        waiting: deque[Future[Any]] = deque()
        for argument in arguments:
            waiting.append(pool.submit(function, argument))
            if len(waiting) > lanes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


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
        lanes = 1 if drawing(chain.networks()) else side_by_side()

        def answered(rows: slice) -> Array:
            given = [[tf.convert_to_tensor(x) for x in each] for each in inputs(rows)]
            found: Array = compiled(given).numpy()
            return found

        blocks = [slice(i, i + EVALUATION_BATCH) for i in range(0, events, EVALUATION_BATCH)]
        with fixed_noise(chain.networks()):
            return np.concatenate(list(ahead(answered, blocks, lanes)))

    return run
