"""Comparing the two files of an exported chain on events."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from msml.data.described import paths
from msml.data.events import Columns, describe
from msml.data.kinematics import Array
from msml.data.source import event_source
from msml.data.splits import divide, outside
from msml.data.stream import Stream, batches, hdf5_stream
from msml.progress import Meter
from msml.runs.directory import kept_recipe
from msml.stages.export import onnx_file
from msml.stages.export.agreement import Agreement
from msml.stages.export.whole import Whole, followers, traced
from msml.stages.prediction.finished import Finished
from msml.training.measure import EVALUATION_BATCH

CHECKED = 10_000
"""Events of test that an export is checked on, at most."""

METER = "check"
"""Name of the progress of a comparison."""


def events_of_test(found: Finished, made: Whole) -> tuple[Array, Iterator[Columns]]:
    """Read events of test as the file has them; gives their rows, too."""
    recipe, data = kept_recipe(found.setup.directory.path), found.setup.values.data
    path = event_source(recipe)
    file = describe(path, [*made.inputs, *data.single_columns.values()])
    rows = outside(path, divide(data, file)["test"], found.setup.values.evaluate.hidden)
    rows = np.sort(rows)[:CHECKED]
    stream = hdf5_stream(paths(path), made.inputs, ())
    return rows, _selected(stream, rows)


def _selected(stream: Stream, rows: Array) -> Iterator[Columns]:
    """Yield some rows of events."""
    start = 0
    for block in stream.blocks():
        length = len(next(iter(block.values())))
        here = rows[(rows >= start) & (rows < start + length)] - start
        if len(here):
            yield {name: values[here] for name, values in block.items()}
        start += length
        if start > rows[-1]:
            return


def compare_files(
    path: Path, made: Whole, blocks: Iterator[Columns], meter: Meter | None = None
) -> Agreement:
    """Compute events with the ONNX file of a path, and with the model.

    What is a function of another output, such as a probability, is compared for the same value of
    that: an exponential, or a step of a calibration, makes much of its last digit.
    """
    of_onnx, of_keras, following = onnx_file.runner(path), traced(made), followers(made)
    agreement = Agreement(made.outputs)
    for block in batches(blocks, EVALUATION_BATCH):
        given = typed(made, block)
        outputs = dict(
            zip(made.outputs, (x.numpy() for x in of_keras(*given.values())), strict=True)
        )
        found = of_onnx(given)
        agreement.add({**outputs, **following(given, found)}, found)
        if meter is not None:
            meter.advance(METER, len(next(iter(given.values()))))
    return agreement


def typed(made: Whole, events: Columns) -> Columns:
    """Give the inputs of a model their types."""
    return {name: np.asarray(events[name], c.dtype) for name, c in made.inputs.items()}
