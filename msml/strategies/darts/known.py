"""Outputs of candidates that learn no more, computed once and kept beside the events."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from msml.chain import Chain
from msml.recipe.expand import upstream
from msml.strategies.supernet import Candidate, Supernet, known_column
from msml.training.epoch import Stream, Tensor, to_device
from msml.training.measure import drawing, predictor


def constant(supernet: Supernet, stopped: Collection[Candidate]) -> frozenset[Candidate]:
    """Those of some candidates whose outputs change no more: they see events only, draw nothing."""
    return frozenset(
        (task, name)
        for task, name in stopped
        if not upstream(supernet.tasks[task].inputs, supernet.tasks)
        and not drawing([supernet.models[task][name]])
    )


def with_outputs(supernet: Supernet, stream: Stream) -> Stream:
    """Add the outputs of `supernet.known` to the columns of a stream, unless they are there."""
    columns = dict(stream.columns)
    for task, name in sorted(supernet.known):
        names = {output: known_column(task, name, output) for output in supernet.used(task)}
        if not columns.keys() >= set(names.values()):
            found = _outputs(supernet, task, name, stream)
            columns |= {column: found[output] for output, column in names.items()}
    return replace(stream, columns=columns)


def resident(stream: Stream) -> bool:
    """Whether all columns of a stream are in memory, so that more of them may be."""
    return not any(isinstance(column, np.memmap) for column in stream.columns.values())


def _outputs(supernet: Supernet, task: str, name: str, stream: Stream) -> dict[str, Tensor]:
    chain = Chain(supernet.tasks, {task: supernet.models[task][name]})
    return to_device(predictor(chain)(stream.columns)[task])
