"""Splits of an event file in memory, ready for training."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import numpy as np

from msml import digests
from msml.data.described import EventFile, Source
from msml.data.events import check_finite, describe, first_not_finite, read_blocks, read_masked
from msml.data.kinematics import Array
from msml.data.splits import divide, outside
from msml.data.transforms import Pipeline, State, make_pipeline
from msml.data.weights import class_totals, normalised
from msml.errors import DataError
from msml.files import atomic, locked, remove_temporaries
from msml.recipe.schema import Data
from msml.recipe.schema_evaluation import Subset
from msml.tensors import Values, as_type, functions

Pipelines = Mapping[str, Pipeline]


@dataclass(frozen=True)
class SplitData:
    """Events of one split.

    Attributes:
        name: `train`, `valid` or `test`.
        columns: `(events, ...) float32` by name, transformed; 0 where a mask says padding.
        weight: `(events,) float32` event weights, normalised to a mean of 1 over the split, so that
            weighted losses keep the size of unweighted ones.
        yields: `(events,) float64` event weights as the file has them.
        event: `(events,) int64` row of each event in the file.
    """

    name: str
    columns: dict[str, Array]
    weight: Array
    yields: Array
    event: Array

    def __len__(self) -> int:
        return len(self.weight)


def make_pipelines(
    data: Data, file: EventFile, stored: Mapping[str, Sequence[State]] | None = None
) -> dict[str, Pipeline]:
    """Make the transforms of all columns; they are fitted on train when that is first needed.

    Args:
        data: The recipe's block.
        file: The event file.
        stored: What the fits of each column have found before.

    Raises:
        RecipeError: As `make_pipeline`.
    """
    known = stored or {}
    return {
        name: column_pipeline(data, file, name, known.get(name))
        for name in data.transform
        if name in file.columns
    }


def column_pipeline(
    data: Data, file: EventFile, name: str, stored: Sequence[State] | None = None
) -> Pipeline:
    """Make the transforms of one column, as `make_pipelines` does of all."""
    given, train = data.transform[name], partial(_train, data, file, name)
    return make_pipeline(file.columns[name], given, train, stored)


def load_splits(
    data: Data,
    names: Sequence[str],
    columns: Iterable[str],
    path: Source,
    unpacked: Path | None = None,
    pipelines: Pipelines | None = None,
    hidden: Iterable[Subset] = (),
) -> dict[str, SplitData]:
    """Read the events of some splits; those of the others are never kept.

    Args:
        data: The recipe's block.
        names: Some of `train`, `valid` and `test`.
        columns: Columns to read.
        path: The event file, or several.
        unpacked: Folder where columns above `data.memory_gb` are kept, uncompressed and in the
            split's order, to be memory mapped; None keeps everything in memory.
        pipelines: Transforms; made here where None.
        hidden: Subsets of test whose events are left out.

    Raises:
        DataError: As `read`; also for an empty split, a value that a transform refuses, or weights
            that sum to 0 or less.
    """
    wanted = list(dict.fromkeys(columns))
    file = describe(path, [*wanted, *data.single_columns.values()])
    rows = {name: part for name, part in divide(data, file).items() if name in names}
    if "test" in rows:
        rows["test"] = outside(path, rows["test"], hidden)
    made = make_pipelines(data, file) if pipelines is None else pipelines
    arrays = {c: _column(file, c, rows, made.get(c), data, unpacked) for c in wanted}
    yields = _raw(file, data.weight, rows)
    classes = None if data.balance is None else _raw(file, data.balance, rows)
    splits = {}
    for name in names:
        own = {column: parts[name] for column, parts in arrays.items()}
        labels = None if classes is None else classes[name]
        weight = normalised(path, name, yields[name], labels, data)
        splits[name] = SplitData(name, own, weight, yields[name], rows[name])
    return splits


def load_split(
    data: Data, name: str, columns: Iterable[str], path: Source, unpacked: Path | None = None
) -> SplitData:
    """Read the events of one split, as `load_splits` does."""
    return load_splits(data, [name], columns, path, unpacked)[name]


def check_classes(split: SplitData, column: str, path: Source, mask: str = "") -> None:
    """Refuse a split in which a column of classes has a single one, or one without weight.

    Args:
        split: The split.
        column: The column.
        path: Where it is from.
        mask: Column that says which of its numbers are real; all where empty.

    Raises:
        DataError: That is so.
    """
    values, events = split.columns[column], len(split)
    values = values[split.columns[mask] != 0] if mask else values
    classes = np.unique(values)
    if len(classes) < 2:
        raise DataError(
            f"{path}: column '{column}': all {events} events of the {split.name} split "
            f"are of class {classes[0]:.12g}; expected at least two classes"
        )
    if split.columns[column].ndim == 1:
        class_totals(f"{path}: column '{column}'", split.name, values, split.yields)


def _train(data: Data, file: EventFile, name: str) -> Iterator[tuple[Array, Array | None]]:
    """Give the events of train of a column, as its file has them, with their mask."""
    keep = np.zeros(file.events, bool)
    keep[divide(data, file)["train"]] = True
    for start, block, mask in read_masked(file, name):
        kept = keep[start : start + len(block)]
        yield block[kept], None if mask is None else mask[kept]


def _column(
    file: EventFile,
    column: str,
    rows: Mapping[str, Array],
    pipeline: Pipeline | None,
    data: Data,
    unpacked: Path | None,
) -> dict[str, Array]:
    """Read the rows of each split, into memory or, where they are large, into memory maps."""
    file.require(column)
    inner = file.shapes[column][1:] if pipeline is None else pipeline.column.sizes
    shape = tuple(size or 0 for size in inner)
    row_bytes = 4 * np.prod(shape, dtype=float)
    made, inside = {}, {}
    for name, part in rows.items():
        if unpacked is not None and row_bytes * len(part) > data.memory_gb * 1e9:
            made[name] = _mapped(file, column, part, pipeline, shape, unpacked / name)
        else:
            inside[name] = part
    if inside:
        together = np.concatenate(list(inside.values()))
        gathered = np.empty((len(together), *shape), np.float32)
        _gather(file, column, together, pipeline, gathered)
        ends = np.cumsum([len(part) for part in inside.values()])
        made |= dict(zip(inside, np.split(gathered, ends[:-1]), strict=True))
    return made


def _mapped(
    file: EventFile,
    column: str,
    rows: Array,
    pipeline: Pipeline | None,
    shape: tuple[int, ...],
    folder: Path,
) -> Array:
    """Map some rows of a column from a NumPy file, which is written where it is not there."""
    path = folder / f"{quote(column, safe='')}.npy"
    with locked(folder / "lock"):  # runs that start together unpack once
        digests.start(folder)
        if not digests.is_intact(path):
            remove_temporaries(folder)
            with atomic(path) as temporary:
                map_ = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
                    temporary, "w+", np.float32, (len(rows), *shape)
                )
                with temporary.open("r+b") as handle:  # or a full disk would end the process later
                    os.posix_fallocate(handle.fileno(), 0, temporary.stat().st_size)
                _gather(file, column, rows, pipeline, map_)
                map_.flush()
    mapped: Array = np.load(path, mmap_mode="r")
    return mapped


def _gather(
    file: EventFile, column: str, rows: Array, pipeline: Pipeline | None, gathered: Array
) -> None:
    """Read some rows of a column block by block, so that the whole column is never in memory."""
    place = np.full(file.events, -1)
    place[rows] = np.arange(len(rows))
    for start, block, mask in read_masked(file, column):
        target = place[start : start + len(block)]
        kept = np.flatnonzero(target >= 0)
        if len(kept) < len(block):
            block, mask = block[kept], None if mask is None else mask[kept]
        values = transformed(file.path, column, pipeline, block, mask, start + kept)
        if values.size:
            _items(gathered)[target[kept]] = _items(np.ascontiguousarray(values))


def _items(array: Array) -> Array:
    """View each row as one item, which NumPy moves several times faster than its numbers."""
    rows = array.reshape(len(array), -1)
    items: Array = rows.view(f"V{rows.shape[1] * rows.itemsize}")[:, 0]
    return items


def transformed(
    path: Source,
    column: str,
    pipeline: Pipeline | None,
    values: Array,
    real: Array | None,
    events: Array,
) -> Array:
    """Transform some events, put 0 for padding, and refuse what is not finite.

    Args:
        path: Where they are from.
        column: The column.
        pipeline: Its transforms.
        values: `(events, ...)`.
        real: The mask, of the first axes, or None.
        events: Number of each event.

    Returns:
        `(events, ...) float32`.

    Raises:
        DataError: A number is not finite, or is refused by a transform.
    """
    given = values if real is None else zeroed(values, real)
    if pipeline is None or not pipeline.fills:
        check_finite(path, column, given, events)
    changed = _changed(pipeline, given, real)
    # Of what the file holds as it is, only large numbers of float64 do not fit.
    if (pipeline or given.dtype == np.float64) and not np.isfinite(changed).all():
        bad = first_not_finite(changed)
        event = int(events[bad])
        why = f"event {event} has a number that is too large for float32"
        if pipeline is not None:
            why = pipeline.refusal(given[bad : bad + 1], event) or why
        raise DataError(f"{path}: column '{column}': {why}")
    return changed


def as_seen(pipeline: Pipeline | None, values: Values, real: Values | None) -> Values:
    """Transform events as models see them; what cannot be is NaN or infinite.

    Args:
        pipeline: The transforms.
        values: `(events, ...)`.
        real: The boolean mask, of the first axes; None where all is real.

    Returns:
        `(events, ...) float32`, 0 for padding.
    """
    return _changed(pipeline, values if real is None else zeroed(values, real), real)


def _changed(pipeline: Pipeline | None, given: Values, real: Values | None) -> Values:
    """Transform events whose padding is 0 already, to float32."""
    changed = given if pipeline is None else pipeline.forward(given)
    changed = changed if real is None else zeroed(changed, real)
    with np.errstate(over="ignore"):
        return as_type(changed, "float32")


def zeroed(values: Values, real: Values) -> Values:
    """Put 0 where there is padding."""
    wide, xp = real, functions(values)
    for _ in values.shape[len(real.shape) :]:
        wide = xp.expand_dims(wide, -1)
    return xp.where(wide, values, xp.zeros_like(values))


def _raw(file: EventFile, column: str | None, rows: Mapping[str, Array]) -> dict[str, Array]:
    """Read one number an event as the file has it; 1 where there is no column."""
    if column is None:
        return {name: np.ones(len(part)) for name, part in rows.items()}
    file.require(column)
    whole = np.concatenate([block for _, block in read_blocks(file.path, column)])
    return {name: whole[part].astype(np.float64) for name, part in rows.items()}
