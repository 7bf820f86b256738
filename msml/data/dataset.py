"""One split of an event file in memory, ready for training."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

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
    """Read the events of one split, as `load_splits` does."""
    return load_splits(data, (name,), columns, path, unpacked)[name]


def load_splits(
    data: Data,
    names: Iterable[str],
    columns: Iterable[str],
    path: Source,
    unpacked: Path | None = None,
) -> dict[str, SplitData]:
    """Read the events of some splits, each column once; those of the others are never kept.

    Args:
        data: The recipe's block.
        names: Some of `train`, `valid` and `test`.
        columns: Columns to read.
        path: The event file, or several.
        unpacked: Folder with a folder for each split, where columns above `data.memory_gb` are
            kept, uncompressed and in the split's order, to be memory mapped; None keeps everything
            in memory.

    Raises:
        DataError: As `read`; also for an empty split, weights that are negative or all 0, or
            numbers too large for float32.
    """
    wanted = list(dict.fromkeys([*columns, *([data.weight] if data.weight else [])]))
    total = describe(path, wanted).events
    if data.events is not None and data.events > total:
        raise DataError(f"{path}: {total} events, but data.events asks for {data.events}")
    fractions = {"train": data.split.train, "valid": data.split.valid, "test": data.split.test}
    parts = split_rows(total, fractions, data.split.seed, data.events)
    rows = {name: parts[name] for name in names}
    arrays = {column: _column(path, column, rows, data, unpacked) for column in wanted}
    weights = None if data.weight is None else arrays.pop(data.weight)
    made = {}
    for name, events in rows.items():
        weight = np.ones(len(events), np.float32)
        if weights is not None:
            weight = _normalised(path, weights[name], str(data.weight))
        own = {column: of_splits[name] for column, of_splits in arrays.items()}
        made[name] = SplitData(name, own, weight, events)
    return made


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


def _column(
    path: Source, column: str, rows: Mapping[str, Array], data: Data, unpacked: Path | None
) -> dict[str, Array]:
    """Read the rows of each split, into memory or, where they are large, into a memory map."""
    shape = describe(path, [column]).shapes.get(column, (0,))[1:]
    row_bytes = 4 * np.prod(shape, dtype=float)
    large = {
        name: unpacked / name
        for name, events in rows.items()
        if unpacked is not None and row_bytes * len(events) > data.memory_gb * 1e9
    }
    inside = {name: events for name, events in rows.items() if name not in large}
    made = {name: _mapped(path, column, rows[name], data, shape, large[name]) for name in large}
    if inside:
        together = np.concatenate(list(inside.values()))
        gathered = np.empty((len(together), *shape), np.float32)
        _gather(path, column, together, data, gathered)
        ends = np.cumsum([len(events) for events in inside.values()])
        made |= dict(zip(inside, np.split(gathered, ends[:-1]), strict=True))
    return made


def _mapped(
    path: Source, column: str, rows: Array, data: Data, shape: tuple[int, ...], unpacked: Path
) -> Array:
    """Map some rows of a column, unpacked once."""
    file = unpacked / f"{quote(column, safe='')}.npy"
    with locked(unpacked / "lock"):  # runs that start together unpack once
        if not file.exists():
            remove_temporaries(unpacked)
            _unpack(path, column, rows, data, (len(rows), *shape), file)
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
    name = data.transform.get(column, "")
    transform = TRANSFORMS.get(name)
    for start, block in read_blocks(path, column):
        target = place[start : start + len(block)]
        kept = np.flatnonzero(target >= 0)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            chosen = block if len(kept) == len(block) else block[kept]
            chosen = chosen.astype(np.float32, copy=False)
            if transform is not None:
                chosen = transform(chosen)
        # What is read is finite; float32 holds all numbers but large ones of float64.
        if (transform or block.dtype == np.float64) and not np.isfinite(chosen).all():
            bad = start + int(kept[_first_bad(chosen)])
            what = f"'{name}' of event {bad} is NaN or infinite"
            if transform is None:
                what = f"event {bad} has a number that is too large for float32"
            raise DataError(f"{path}: column '{column}': {what}")
        if chosen.size:
            _items(gathered)[target[kept]] = _items(np.ascontiguousarray(chosen))


def _items(array: Array) -> Array:
    """View each row as one item, which NumPy moves several times faster than its numbers."""
    rows = array.reshape(len(array), -1)
    items: Array = rows.view(f"V{rows.shape[1] * rows.itemsize}")[:, 0]
    return items


def _first_bad(array: Array) -> int:
    return int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(axis=1)))


def _normalised(path: Source, weight: Array, column: str) -> Array:
    total = float(weight.sum(dtype=np.float64))
    if (weight < 0).any() or not total > 0:
        raise DataError(f"{path}: column '{column}': weights must not be negative, nor all 0")
    normalised: Array = (weight * (len(weight) / total)).astype(np.float32)
    return normalised
