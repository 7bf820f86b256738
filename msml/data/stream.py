"""Events read once, in order, block by block: so that any number of them fits into memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from msml.data.described import EventFile, Files, Source
from msml.data.events import Columns, describe, read_blocks
from msml.data.schema import Column
from msml.errors import DataError, nearest

_BLOCK_BYTES = 2**24
_LARGEST_BLOCK = 2**14  # events; a power of two, as chunks of event files are


@dataclass(frozen=True)
class Stream:
    """Events to be read.

    Attributes:
        path: Where they are.
        events: How many there are.
        columns: Description of each column that is read.
        blocks: Gives the events, as arrays by column, `(events of the block, ...)`.
    """

    path: Source
    events: int
    columns: Mapping[str, Column]
    blocks: Callable[[], Iterator[Columns]]


def hdf5_stream(files: Sequence[Path], wanted: Mapping[str, Column], keep: Iterable[str]) -> Stream:
    """Read HDF5 files of events as one.

    Args:
        files: The files, in order.
        wanted: The columns that are needed, as they must be.
        keep: Names of further columns.

    Raises:
        DataError: As `describe`; also for a column that is not there, or not as it must be.
    """
    names = list(dict.fromkeys([*wanted, *keep]))
    file = describe(Files(tuple(files)) if len(files) > 1 else files[0], names)
    for name in keep:
        file.require(name)
    check_columns(file.path, file.columns, wanted)
    columns = {name: file.columns[name] for name in names}
    return Stream(file.path, file.events, columns, lambda: _blocks(file, columns))


def _blocks(file: EventFile, columns: Mapping[str, Column]) -> Iterator[Columns]:
    row_bytes = sum(
        np.dtype(column.dtype).itemsize * prod(file.shapes[name][1:])
        for name, column in columns.items()
    )
    fitting = max(1, _BLOCK_BYTES // max(1, row_bytes))
    rows = min(_LARGEST_BLOCK, 1 << (fitting.bit_length() - 1))
    blocks = [read_blocks(file.path, name, rows, finite=False) for name in columns]
    for parts in zip(*blocks, strict=True):
        yield dict(zip(columns, (block for _, block in parts), strict=True))


def check_columns(path: Source, found: Mapping[str, Column], wanted: Mapping[str, Column]) -> None:
    """Compare columns with those that something was trained on.

    Raises:
        DataError: One is missing, or its shape, components, units, type or mask are others.
    """
    for name, expected in wanted.items():
        column = found.get(name)
        if column is None:
            ending = nearest(name, list(found)) if found else ""
            raise DataError(f"{path}: no column '{name}', expected {_listed(expected)}{ending}")
        kinds = [np.dtype(each.dtype).kind.replace("u", "i") for each in (column, expected)]
        for what, there, needed in (
            ("shape", _shape(column), _shape(expected)),
            ("components", column.components, expected.components or column.components),
            ("units", column.units, expected.units or column.units),
            ("type", column.dtype, expected.dtype if kinds[0] != kinds[1] else column.dtype),
            ("mask", column.mask, expected.mask),
        ):
            if there != needed:
                texts = (", ".join(t) if isinstance(t, tuple) else t for t in (there, needed))
                text, right = (text or "none" for text in texts)
                trained = "as in the events of the training"
                raise DataError(
                    f"{path}: column '{name}': {what} {text}, expected {right}, {trained}"
                )


def batches(blocks: Iterable[Columns], rows: int) -> Iterator[Columns]:
    """Cut blocks of any length, or join them, to blocks of so many events; the last has the rest.

    Args:
        blocks: Arrays by column, `(events, ...)`.
        rows: Events of a block.
    """
    pending: list[Columns] = []
    there = 0
    for block in blocks:
        pending.append(block)
        there += _length(block)
        if there >= rows:
            whole = _joined(pending)
            for start in range(0, there - rows + 1, rows):
                yield {name: array[start : start + rows] for name, array in whole.items()}
            there %= rows
            pending = [{name: a[len(a) - there :] for name, a in whole.items()}] if there else []
    if there:
        yield _joined(pending)


def _joined(blocks: Sequence[Columns]) -> Columns:
    if len(blocks) == 1:
        return blocks[0]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _length(block: Columns) -> int:
    return len(next(iter(block.values())))


def _shape(column: Column) -> str:
    return f"({', '.join(map(str, ('events', *column.sizes)))})"


def _listed(column: Column) -> str:
    """Describe a column in a few words."""
    components, units = (", ".join(texts) for texts in (column.components, column.units))
    made = f"{_shape(column)} of {column.dtype}"
    made += f": {components}" if components else ""
    return made + (f" in {units}" if units else "")
