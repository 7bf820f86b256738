"""Prediction: what a run has learnt, applied to any events."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import chain, tee
from pathlib import Path

import numpy as np

from msml.data.dataset import transformed
from msml.data.events import Columns
from msml.data.importers.files import kind_of
from msml.data.kinematics import Array
from msml.data.schema import Column
from msml.data.stream import Stream, batches
from msml.errors import DataError, RecipeError
from msml.progress import Meter
from msml.registry import formats
from msml.stages.prediction.finished import Finished, finished
from msml.stages.prediction.formats import Predictions, Write, format_of
from msml.stages.prediction.in_place import check_in_place, in_place
from msml.stages.prediction.predicted import predicted
from msml.stages.prediction.reading import event_stream
from msml.training.environment import tensorflow, use_threads
from msml.training.epoch import to_device
from msml.training.measure import EVALUATION_BATCH, batch_predictor

_METER = "predict"
# Batches that are written at once: many small baskets would make ROOT slow.
_WRITTEN_EVENTS = 64 * EVALUATION_BATCH

Sink = Callable[[Predictions], AbstractContextManager[Write]]


@dataclass(frozen=True)
class Wish:
    """What is to be predicted, and how the events are read.

    Attributes:
        chain: Names of the candidates, joined by `+`; the chosen ones where None.
        mode: How they were trained; the last of the recipe's modes where None.
        keep: Columns of the events that are copied.
        columns: Recipe of an import that says how a table becomes columns.
        tree: ROOT: name of the tree.
        format: Name of the output's format; by its suffix where None.
    """

    chain: str | None = None
    mode: str | None = None
    keep: tuple[str, ...] = ()
    columns: str | None = None
    tree: str | None = None
    format: str | None = None


def predict(run: Path, files: Sequence[Path], output: Path | None, wish: Wish) -> list[str]:
    """Apply the result of a run to events, and write what it says of them, in their order.

    Events are predicted in the batches of evaluation, so that the same events in the same order
    give the same numbers, bit for bit.

    Args:
        run: The run's folder.
        files: HDF5 files of events, or tables, which are read as one.
        output: The file to make; where None, the one ROOT file of events gets more branches.
        wish: The rest.

    Returns:
        Names of the columns that were written.

    Raises:
        RecipeError: The run, an option or the output's name makes no sense.
        IncompleteError: The run is not done.
        DataError: The output exists, events are not what the run was trained on, or a file is
            broken or cannot be written.
    """
    found = finished(run, wish.chain, wish.mode)  # with its plugins, which may have formats
    sink, keep = _sink(files, output, wish)
    stream = event_stream(files, found.inputs, keep, found.about.table, wish.columns, wish.tree)
    tensorflow()
    use_threads(found.setup.values.threads)
    with Meter("events") as meter:
        meter.add(_METER, stream.events)
        blocks = _written(_blocks(found, stream, keep), stream)
        columns, first = next(blocks)
        with sink(Predictions(found, columns)) as write:
            for block in chain([first], (block for _, block in blocks)):
                write(block)
                meter.advance(_METER, _length(block))
    return list(columns)


def _sink(files: Sequence[Path], output: Path | None, wish: Wish) -> tuple[Sink, list[str]]:
    """Choose what writes, and name the columns of the events that are copied."""
    keep = list(dict.fromkeys(wish.keep))
    if output is None:
        if len(files) > 1 or kind_of(files[0]) != "root":
            raise RecipeError("--in-place: expected one ROOT file of events")
        check_in_place(files[0], wish.tree)
        return (lambda predictions: in_place(files[0], wish.tree, predictions)), keep
    entry = formats.get(format_of(output, wish.format))
    if output.exists():
        raise DataError(f"{output}: exists; remove it or name another file")
    keep = list(dict.fromkeys([*entry.facts.get("keep", ()), *keep]))
    return (lambda predictions: entry.function(output, predictions)), keep


def _blocks(
    found: Finished, stream: Stream, keep: Sequence[str]
) -> Iterator[list[tuple[Column, Array]]]:
    """Yield the columns to be written of each batch, with their descriptions."""
    kept = {name: _alone(stream.columns[name], keep) for name in keep}
    for_models, beside = tee(_batches(found, stream))
    names = found.chain.input_columns()
    seen = (to_device({name: inputs[name] for name in names}) for inputs, _ in for_models)
    given = batch_predictor(found.chain)(seen)
    for (inputs, raw), outputs in zip(beside, given, strict=True):
        made = list(predicted(found, outputs, inputs))
        if twice := {column.name for column, _ in made} & set(keep):
            raise RecipeError(f"--keep: a prediction is called '{min(twice)}', too")
        yield [*((column, raw[name]) for name, column in kept.items()), *made]


def _batches(found: Finished, stream: Stream) -> Iterator[tuple[Columns, Columns]]:
    """Yield batches of evaluation: the transformed inputs, and all columns as they are.

    Of no events, one of zeros: so that their columns become known.
    """
    start, pipelines = 0, found.setup.pipelines
    if not stream.events:
        after = found.inputs | {name: each.column for name, each in pipelines.items()}
        zeros = {name: np.zeros((1, *after[name].lengths), np.float32) for name in found.inputs}
        yield zeros, {n: np.zeros((1, *c.lengths), c.dtype) for n, c in stream.columns.items()}
    for raw in batches(stream.blocks(), EVALUATION_BATCH):
        events = start + np.arange(_length(raw))
        inputs = {}
        for name, column in found.inputs.items():
            real = raw[column.mask].astype(bool) if column.mask else None
            pipeline = pipelines.get(name)
            inputs[name] = transformed(stream.path, name, pipeline, raw[name], real, events)
        start += len(events)
        yield found.setup.oriented(inputs), raw


def _written(
    made: Iterable[list[tuple[Column, Array]]], stream: Stream
) -> Iterator[tuple[dict[str, Column], Columns]]:
    """Yield what is written at once, with the description of the columns; one block at least."""
    blocks = iter(made)
    first = next(blocks)
    columns = {column.name: column for column, _ in first}
    arrays = ({c.name: array for c, array in each} for each in chain([first], blocks))
    if stream.events:
        yield from ((columns, block) for block in batches(arrays, _WRITTEN_EVENTS))
    else:
        yield columns, {name: array[:0] for name, array in next(arrays).items()}


def _alone(column: Column, others: Sequence[str]) -> Column:
    """Describe a column that is copied, perhaps without its mask."""
    return column if column.mask in others else replace(column, mask="")


def _length(block: Columns) -> int:
    return len(next(iter(block.values())))
