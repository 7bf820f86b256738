"""One split of an event file in memory, ready for training."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msml.data.described import Source
from msml.data.events import describe, read_blocks
from msml.data.kinematics import Array
from msml.data.schema import COLUMNS
from msml.data.splits import split_rows
from msml.data.transforms import TRANSFORMS
from msml.errors import DataError
from msml.files import atomic, locked, remove_temporaries
from msml.recipe.schema import Data


@dataclass(frozen=True)
class SplitData:
    """Events of one split.

    Attributes:
        name: `train`, `valid` or `test`.
        columns: `(events, ...) float32` by name, transformed.
        weight: `(events,) float32` event weights, normalised to a mean of 1 over the split, so that
            weighted losses keep the size of unweighted ones.
        event: `(events,) int64` row of each event in the file.
    """

    name: str
    columns: dict[str, Array]
    weight: Array
    event: Array

    def __len__(self) -> int:
        return len(self.weight)


def load_split(
    data: Data, name: str, columns: Iterable[str], path: Source, unpacked: Path | None = None
) -> SplitData:
    """Read the events of one split; those of the others are never kept.

    Args:
        data: The recipe's block.
        name: `train`, `valid` or `test`.
        columns: Columns to read.
        path: The event file, or several.
        unpacked: Folder where columns above `data.memory_gb` are kept, uncompressed and in the
            split's order, to be memory mapped; None keeps everything in memory.

    Raises:
        DataError: As `read`; also for an empty split, or weights that are negative or all 0.
    """
    wanted = list(dict.fromkeys([*columns, *([data.weight] if data.weight else [])]))
    total = describe(path, wanted).events
    if data.events is not None and data.events > total:
        raise DataError(f"{path}: {total} events, but data.events asks for {data.events}")
    fractions = {"train": data.split.train, "valid": data.split.valid, "test": data.split.test}
    rows = split_rows(total, fractions, data.split.seed, data.events)[name]
    arrays = {column: _column(path, column, rows, data, unpacked) for column in wanted}
    weight = np.ones(len(rows), np.float32)
    if data.weight is not None:
        weight = _normalised(path, arrays.pop(data.weight), data.weight)
    return SplitData(name, arrays, weight, rows)


def check_classes(split: SplitData, column: str, path: Source) -> None:
    """Refuse a split with a single class; nothing to check in a column that is no label.

    Raises:
        DataError: All events are of one class.
    """
    if column in COLUMNS and COLUMNS[column].dtype == "uint8":
        first = split.columns[column][0]
        if (split.columns[column] == first).all():
            raise DataError(
                f"{path}: column '{column}': all {len(split)} events of the {split.name} split "
                f"are of class {first:g}; expected at least two classes"
            )


def _column(path: Source, column: str, rows: Array, data: Data, unpacked: Path | None) -> Array:
    """Read some rows of a column, into memory or, where it is large, into a memory map."""
    shape = (len(rows), *describe(path, [column]).shapes.get(column, (0,))[1:])
    if unpacked is None or 4 * np.prod(shape, dtype=float) <= data.memory_gb * 1e9:
        gathered = np.empty(shape, np.float32)
        _gather(path, column, rows, data, gathered)
        return gathered
    file = unpacked / f"{column}.npy"
    with locked(unpacked / "lock"):  # runs that start together unpack once
        if not file.exists():
            remove_temporaries(unpacked)
            _unpack(path, column, rows, data, shape, file)
    mapped: Array = np.load(file, mmap_mode="r")
    return mapped


def _unpack(
    path: Source, column: str, rows: Array, data: Data, shape: tuple[int, ...], file: Path
) -> None:
    """Write some rows of a column to a NumPy file."""
    with atomic(file) as temporary:
        map_ = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
            temporary, "w+", np.float32, shape
        )
        with temporary.open("r+b") as handle:  # or a full disk would end the process later
            os.posix_fallocate(handle.fileno(), 0, temporary.stat().st_size)
        _gather(path, column, rows, data, map_)
        map_.flush()


def _gather(path: Source, column: str, rows: Array, data: Data, gathered: Array) -> None:
    """Read some rows of a column block by block, so that the whole column is never in memory."""
    place = np.full(describe(path, [column]).events, -1)
    place[rows] = np.arange(len(rows))
    transform = TRANSFORMS.get(data.transform.get(column, ""), None)
    for start, block in read_blocks(path, column):
        target = place[start : start + len(block)]
        kept = target >= 0
        chosen = block[kept].astype(np.float32)
        if transform is not None:
            with np.errstate(invalid="ignore", divide="ignore"):
                chosen = transform(chosen)
            if not np.isfinite(chosen).all():
                bad = start + int(np.flatnonzero(kept)[_first_bad(chosen)])
                name = data.transform[column]
                raise DataError(
                    f"{path}: column '{column}': '{name}' of event {bad} is NaN or infinite"
                )
        gathered[target[kept]] = chosen


def _first_bad(array: Array) -> int:
    return int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(axis=1)))


def _normalised(path: Source, weight: Array, column: str) -> Array:
    total = float(weight.sum(dtype=np.float64))
    if (weight < 0).any() or not total > 0:
        raise DataError(f"{path}: column '{column}': weights must not be negative, nor all 0")
    normalised: Array = (weight * (len(weight) / total)).astype(np.float32)
    return normalised
