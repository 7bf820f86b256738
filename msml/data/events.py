"""Writing and reading event files.

An event file is HDF5: one dataset a column (`msml.data.schema`), its axes, components and units as
attributes, and in the root's attributes how it was made. Nothing in it depends on when, where or
with how many workers it was made, so that the same recipe gives the same bytes. The HDF5 files of
others are read too, as far as they hold columns (`msml.data.hdf5`).
"""

import contextlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import h5py
import numpy as np
import numpy.typing as npt

from msml.data.described import (
    FORMAT,
    FORMAT_VERSION,
    EventFile,
    Source,
    described,
    joined,
    opened,
    paths,
)
from msml.data.disk import Disk
from msml.data.hdf5 import Stored
from msml.data.schema import COLUMNS, Column
from msml.errors import DataError, nearest

_CHUNK_BYTES = 2**20
# Blocks of this many events are written at once; every chunk length divides it, so that no chunk is
# compressed twice.
_BLOCK = 4096
_MASKED_ROWS = 2**14  # events of a block of a column and of its mask
_BLOCK_BYTES = 2**22  # of a block that is read: it stays in the processor's cache

Columns = dict[str, npt.NDArray[Any]]


class EventWriter:
    """Writes an event file block by block and lets it appear only when it is complete.

    Args:
        path: The file to make. Until `finish` only a hidden file beside it exists.
        events: Number of events that will be appended; None where nobody knows yet.
        provenance: JSON-able values by name, stored as attributes of the root.
        columns: Descriptions of columns that are not registered.
        missing: Names of columns that may hold NaN, for a value that is missing.
        empty: Whether there may be no event at all; a block without events tells the columns.

    Raises:
        DataError: On a column that is neither described nor registered, a wrong shape, NaN or
            infinity, or a failed write.
    """

    def __init__(
        self,
        path: Path,
        events: int | None,
        provenance: Mapping[str, Any],
        columns: Mapping[str, Column] = MappingProxyType({}),
        missing: Collection[str] = (),
        empty: bool = False,
    ) -> None:
        self.path = path
        self._empty = empty
        self.events = events
        self._columns = {**COLUMNS, **columns}
        self._missing = missing
        self._written = 0
        self._pending: list[Columns] = []
        self._pending_rows = 0
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._disk = Disk(self._temporary)
        self._file = h5py.File(self._disk, "w")
        try:
            self._file.attrs["format"] = FORMAT
            self._file.attrs["format_version"] = FORMAT_VERSION
            self._add_provenance(provenance)
        except BaseException:
            self._discard()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._discard()

    def append(self, columns: Columns) -> None:
        """Add a block of events; every block has the same columns and equal numbers of rows."""
        if len({len(array) for array in columns.values()}) != 1:
            raise DataError(f"{self.path}: columns of unequal length: {_lengths(columns)}")
        first = self._written + self._pending_rows
        block = {name: self._checked(name, array, first) for name, array in columns.items()}
        shapes = {name: array.shape[1:] for name, array in block.items()}
        self._shapes = self._shapes or shapes
        if shapes != self._shapes:
            raise DataError(
                f"{self.path}: columns {shapes} at event {first}, but {self._shapes} before"
            )
        self._pending.append(block)
        self._pending_rows += _length(block)
        while self._pending_rows >= _BLOCK:
            self._flush(_BLOCK)

    def finish(self, provenance: Mapping[str, Any] | None = None) -> None:
        """Make the complete file visible under its own name.

        Args:
            provenance: More of it, known only now.
        """
        if self._pending_rows or (self._empty and not self._written):
            self._flush(self._pending_rows)
        if (self._written == 0 and not self._empty) or self.events not in (None, self._written):
            of = "" if self.events is None else f" of {self.events}"
            raise DataError(f"{self.path}: {self._written}{of} events written")
        self._add_provenance(provenance or {})
        self._close()
        with _writing(self.path):
            self._temporary.replace(self.path)

    def _discard(self) -> None:
        """Remove what is not finished; nothing is left to do after `finish`."""
        with contextlib.suppress(DataError):
            self._close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()

    def _close(self) -> None:
        self._file.close()
        self._disk.close()
        self._check_disk()

    def _check_disk(self) -> None:
        with _writing(self.path):
            if self._disk.error is not None:
                raise self._disk.error

    def _checked(self, name: str, array: npt.NDArray[Any], first: int) -> npt.NDArray[Any]:
        """Copy a column in the file's type; `first` is the number of its first event."""
        column = self._columns.get(name)
        if column is None:
            known = list(self._columns)
            raise DataError(f"{self.path}: unknown column '{name}'{nearest(name, known)}")
        if wrong := column.shape(array.shape):
            raise DataError(f"{self.path}: column '{name}': {wrong}")
        copy = np.array(array, column.dtype)
        present = np.where(np.isnan(copy), 0, copy) if name in self._missing else copy
        check_finite(self.path, name, present, first + np.arange(len(array)), remedy=False)
        return copy

    def _add_provenance(self, provenance: Mapping[str, Any]) -> None:
        for name, value in provenance.items():
            self._file.attrs[name] = json.dumps(value)

    def _flush(self, rows: int) -> None:
        """Write the first so many pending events."""
        pending = self._pending[0]
        if len(self._pending) > 1:
            pending = {
                name: np.concatenate([block[name] for block in self._pending]) for name in pending
            }
        stop = self._written + rows
        for name, array in pending.items():
            if name not in self._file:
                self._create(name, rows)
            self._file[name].resize(stop, axis=0)
            self._file[name][self._written : stop] = array[:rows]
        self._check_disk()
        self._pending = [{name: array[rows:] for name, array in pending.items()}]
        self._pending_rows -= rows
        self._written = stop

    def _create(self, name: str, rows: int) -> None:
        """Make an empty dataset; `rows` is the length of the first block that it will get."""
        column, shape = self._columns[name], self._shapes[name]
        row_bytes = np.dtype(column.dtype).itemsize * int(np.prod(shape))
        dataset = self._file.create_dataset(
            name,
            (0, *shape),
            column.dtype,
            maxshape=(None, *shape),
            chunks=(_chunk_rows(row_bytes, rows), *shape),
            compression="gzip",
            compression_opts=4,
            fletcher32=True,  # damage is noticed when it is read
            # Shuffling the bytes halves dense columns but doubles the nearly empty images.
            shuffle=name != "calo_images",
        )
        dataset.attrs["axes"] = ["event", *column.axes]
        dataset.attrs["components"] = list(column.components) or h5py.Empty("S1")
        dataset.attrs["units"] = list(column.units) or h5py.Empty("S1")
        dataset.attrs["description"] = column.description
        if column.mask:
            dataset.attrs["mask"] = column.mask


def describe(path: Source, wanted: Iterable[str] = ()) -> EventFile:
    """Check the columns of an event file, or of several, without reading events.

    Any HDF5 file will do. Where its datasets are of different lengths, columns are those as long as
    the wanted ones; where none is wanted, as long as most are, the longer ones if that is a draw.

    Args:
        path: One file or several.
        wanted: Names of columns that will be read.

    Raises:
        DataError: A file is missing, truncated, of another version, or without columns. Wanted
            columns, or those that msml has written, differ in length. A mask does not fit its
            column, or a registered column is not what it is registered as. Several files do not
            have equal columns.
    """
    names = frozenset(wanted)
    return joined([_described(each, names, file_state(each)) for each in paths(path)], path)


def file_state(path: Path) -> tuple[int, int]:
    """What changes with a file: so what was found in it can be kept; zeros where there is none."""
    try:
        about = path.stat()
    except OSError:
        return (0, 0)
    return (about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=64)
def _described(path: Path, wanted: frozenset[str], _state: tuple[int, int]) -> EventFile:
    with opened(path) as file:
        return described(path, file, wanted)[1]


def read(path: Path, columns: Iterable[str] | None = None, events: slice = slice(None)) -> Columns:
    """Read columns of one file into memory.

    Args:
        path: The event file.
        columns: Names of the columns; all where None.
        events: Which events.

    Returns:
        Arrays by column name, `(events, ...)`, in the file's type and order.

    Raises:
        DataError: As `describe`; also for a column that is not there and for NaN or infinity.
    """
    wanted = None if columns is None else list(columns)
    with opened(path) as file:
        found, about = described(path, file, frozenset(wanted or ()))
        made = {}
        for name in about.shapes if wanted is None else wanted:
            about.require(name)
            made[name] = _read(path, file, name, found[name], events)
        return made


def read_blocks(
    path: Source, column: str, rows: int | None = None, finite: bool = True
) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Read a column block by block: the number of each block's first event, and the block.

    Args:
        path: One file or several.
        column: Name of the column.
        rows: Events of a block; where None, whole chunks of some megabytes.
        finite: Whether NaN and infinity are refused.

    Raises:
        DataError: As `read`.
    """
    first = 0
    for each in paths(path):
        with opened(each) as file:
            found, about = described(each, file, frozenset((column,)))
            about.require(column)
            step = rows or _block_rows(found[column])
            for start in range(0, about.events, step):
                events = slice(start, start + step)
                yield first + start, _read(each, file, column, found[column], events, finite)
        first += about.events


def read_masked(
    file: EventFile, column: str
) -> Iterator[tuple[int, npt.NDArray[Any], npt.NDArray[Any] | None]]:
    """Read a column block by block, which may hold NaN, with its mask.

    Returns:
        Of each block: the number of its first event, the block, and which of its entries are real,
        `(events, ...)` of its first axes; None where all are.

    Raises:
        DataError: As `read`.
    """
    mask = file.columns[column].mask
    if not mask:
        for start, block in read_blocks(file.path, column, finite=False):
            yield start, block, None
        return
    values = read_blocks(file.path, column, _MASKED_ROWS, finite=False)
    reals = read_blocks(file.path, mask, _MASKED_ROWS)
    for (start, block), (_, real) in zip(values, reals, strict=True):
        yield start, block, real.astype(bool)


def _read(
    path: Path, file: h5py.File, name: str, stored: Stored, events: slice, finite: bool = True
) -> npt.NDArray[Any]:
    try:
        array = stored.read(file, events)
    except OSError as error:
        raise DataError(f"{path}: column '{name}' cannot be read: {error}") from error
    if finite:
        check_finite(path, name, array, np.arange(*events.indices(stored.shape[0])))
    return array


def _block_rows(stored: Stored) -> int:
    """Choose how many events to read at once, so that no chunk is decompressed twice."""
    rows = max(1, _BLOCK_BYTES // stored.row_bytes)
    return max(rows - rows % stored.chunk, stored.chunk)


def check_finite(
    path: Source, name: str, array: npt.NDArray[Any], events: npt.NDArray[Any], remedy: bool = True
) -> None:
    """Refuse NaN and infinity.

    Args:
        path: Where the array is from, or goes to.
        name: Name of the column.
        array: `(events, ...)`.
        events: Number of each event.
        remedy: Whether to say what fills NaN.

    Raises:
        DataError: There is one; it names the first such event.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = first_not_finite(array)
        filled = remedy and np.isnan(array[row]).any()
        ending = "; the transform `fill_missing` fills NaN" if filled else ""
        raise DataError(f"{path}: column '{name}': NaN or infinity in event {events[row]}{ending}")


def first_not_finite(array: npt.NDArray[Any]) -> int:
    """Find the first row of `(events, ...)` with NaN or infinity; there must be one."""
    return int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(axis=1)))


def _chunk_rows(row_bytes: int, events: int) -> int:
    """Rows of a chunk: a power of two, about a megabyte, not above a block or the file."""
    rows = min(_BLOCK, max(1, _CHUNK_BYTES // row_bytes))
    return max(1, min(events, 1 << (rows.bit_length() - 1)))


def _length(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def _lengths(columns: Columns) -> str:
    return ", ".join(f"{name} {len(array)}" for name, array in columns.items())


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn a failed write (full disk, no permission) into one line."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error
