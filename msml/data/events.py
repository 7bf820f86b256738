"""Writing and reading event files.

An event file is HDF5: one dataset a column (`msml.data.schema`), its axes, components and units as
attributes, and in the root's attributes how it was made. Nothing in it depends on when, where or
with how many workers it was made, so that the same recipe gives the same bytes.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
import numpy.typing as npt

from msml.data.schema import COLUMNS, Column
from msml.errors import DataError, nearest

FORMAT = "msml events"
FORMAT_VERSION = 1
_CHUNK_BYTES = 2**20
# Blocks of this many events are written at once; every chunk length divides it, so that no chunk is
# compressed twice.
_BLOCK = 4096

Columns = dict[str, npt.NDArray[Any]]


class EventWriter:
    """Writes an event file block by block and lets it appear only when it is complete.

    Args:
        path: The file to make. Until `finish` only a hidden file beside it exists.
        events: Number of events that will be appended.
        provenance: JSON-able values by name, stored as attributes of the root.

    Raises:
        DataError: On a column the schema does not know, a wrong shape, or a failed write.
    """

    def __init__(self, path: Path, events: int, provenance: Mapping[str, Any]) -> None:
        self.path = path
        self.events = events
        self._written = 0
        self._pending: list[Columns] = []
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = h5py.File(self._temporary, "w")
            self._file.attrs["format"] = FORMAT
            self._file.attrs["format_version"] = FORMAT_VERSION
            for name, value in provenance.items():
                self._file.attrs[name] = json.dumps(value)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def append(self, columns: Columns) -> None:
        """Add a block of events; every block has the same columns and equal numbers of rows."""
        if len({len(array) for array in columns.values()}) != 1:
            raise DataError(f"{self.path}: columns of unequal length: {_lengths(columns)}")
        self._pending.append(columns)
        if sum(_length(block) for block in self._pending) >= _BLOCK:
            self._flush(_BLOCK)

    def finish(self) -> None:
        """Make the complete file visible under its own name."""
        self._flush(1)
        if self._written != self.events:
            raise DataError(f"{self.path}: {self._written} of {self.events} events written")
        with _writing(self.path):
            self._file.close()
            with self._temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            self._temporary.replace(self.path)

    def _flush(self, multiple: int) -> None:
        """Write what is pending, down to a multiple of so many events."""
        if not self._pending:
            return
        pending = {
            name: np.concatenate([block[name] for block in self._pending])
            for name in self._pending[0]
        }
        rows = _length(pending) // multiple * multiple
        stop = self._written + rows
        with _writing(self.path):
            for name, array in pending.items():
                if name not in self._file:
                    self._create(name, array)
                self._file[name][self._written : stop] = array[:rows]
        self._pending = [{name: array[rows:] for name, array in pending.items()}]
        self._written = stop

    def _create(self, name: str, array: npt.NDArray[Any]) -> None:
        column = COLUMNS.get(name)
        if column is None:
            raise DataError(f"{self.path}: unknown column '{name}'{nearest(name, list(COLUMNS))}")
        if wrong := column.shape(array.shape):
            raise DataError(f"{self.path}: column '{name}': {wrong}")
        shape = (self.events, *array.shape[1:])
        row_bytes = np.dtype(column.dtype).itemsize * int(np.prod(shape[1:]))
        dataset = self._file.create_dataset(
            name,
            shape,
            column.dtype,
            chunks=(_chunk_rows(row_bytes, self.events), *shape[1:]),
            compression="gzip",
            compression_opts=4,
            # Shuffling the bytes halves dense columns but doubles the nearly empty images.
            shuffle=name != "calo_images",
        )
        dataset.attrs["axes"] = ["event", *column.axes]
        dataset.attrs["components"] = list(column.components) or h5py.Empty("S1")
        dataset.attrs["units"] = list(column.units)
        dataset.attrs["description"] = column.description


@dataclass(frozen=True)
class EventFile:
    """What an event file says of itself.

    Attributes:
        path: Where it is.
        events: Number of events.
        shapes: Shape of each column, events included.
        provenance: Settings, versions, cross sections, efficiencies: the root's attributes.
    """

    path: Path
    events: int
    shapes: dict[str, tuple[int, ...]]
    provenance: dict[str, Any]


def describe(path: Path) -> EventFile:
    """Check an event file's format and columns without reading its events.

    Raises:
        DataError: If it is missing, truncated, of another format or version, or if a column's
            shape, axes, components or units are not those of the schema.
    """
    with _opened(path) as file:
        shapes = {name: tuple(dataset.shape) for name, dataset in file.items()}
        for name, dataset in file.items():
            if name in COLUMNS:
                _check_column(path, dataset, COLUMNS[name])
        if len({shape[0] for shape in shapes.values()}) != 1:
            lengths = ", ".join(f"{name} {shape[0]}" for name, shape in shapes.items())
            raise DataError(f"{path}: columns of unequal length: {lengths}")
        provenance = {
            name: json.loads(value)
            for name, value in file.attrs.items()
            if name not in ("format", "format_version")
        }
        return EventFile(path, next(iter(shapes.values()))[0], shapes, provenance)


def read(path: Path, columns: Iterable[str] | None = None, events: slice = slice(None)) -> Columns:
    """Read columns into memory.

    Args:
        path: The event file.
        columns: Names of the columns; all where None.
        events: Which events.

    Returns:
        Arrays by column name, `(events, ...)`, in the file's type and order.

    Raises:
        DataError: As `describe`; also for a column that is not there and for NaN or infinity.
    """
    known = list(describe(path).shapes)
    wanted = known if columns is None else list(columns)
    for name in wanted:
        if name not in known:
            raise DataError(f"{path}: no column '{name}'{nearest(name, known)}")
    with _opened(path) as file:
        return {name: _read_column(path, file[name], events) for name in wanted}


def _read_column(path: Path, dataset: h5py.Dataset, events: slice) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = dataset[events]
    except OSError as error:
        raise DataError(f"{path}: column '{dataset.name[1:]}' cannot be read: {error}") from error
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(axis=1)))
        row += events.indices(dataset.shape[0])[0]
        raise DataError(f"{path}: column '{dataset.name[1:]}': NaN or infinity in event {row}")
    return array


def _check_column(path: Path, dataset: h5py.Dataset, column: Column) -> None:
    """Compare a dataset with the schema's description of it."""
    problem = column.shape(dataset.shape)
    for attribute, expected in (
        ("axes", ("event", *column.axes)),
        ("components", column.components),
        ("units", column.units),
    ):
        found = _texts(dataset.attrs.get(attribute))
        if problem is None and found != expected:
            problem = f"{attribute} {list(found)}, expected {list(expected)}"
    if problem is None and dataset.dtype.kind != np.dtype(column.dtype).kind:
        problem = f"type {dataset.dtype}, expected {column.dtype}"
    if problem is not None:
        raise DataError(f"{path}: column '{column.name}': {problem}")


def _texts(attribute: object) -> tuple[str, ...]:
    if attribute is None or isinstance(attribute, h5py.Empty):
        return ()
    return tuple(str(text) for text in np.atleast_1d(np.asarray(attribute, dtype=object)))


def _chunk_rows(row_bytes: int, events: int) -> int:
    """Rows of a chunk: a power of two, about a megabyte, not above a block or the file."""
    rows = min(_BLOCK, max(1, _CHUNK_BYTES // row_bytes))
    return min(events, 1 << (rows.bit_length() - 1))


def _length(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def _lengths(columns: Columns) -> str:
    return ", ".join(f"{name} {len(array)}" for name, array in columns.items())


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """Open an event file for reading, or say in one line why not."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path}: not a complete HDF5 file ({error})") from error
    with file:
        if file.attrs.get("format") != FORMAT:
            raise DataError(f"{path}: HDF5, but not an event file of msml")
        version = int(file.attrs.get("format_version", 0))
        if version != FORMAT_VERSION:
            raise DataError(
                f"{path}: format version {version}, this msml reads version {FORMAT_VERSION};"
                " make the file again with `msml generate` or `msml import`"
            )
        if not file:
            raise DataError(f"{path}: no columns in it")
        yield file


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn a failed write (full disk, no permission) into one line."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path}: cannot be written: {error}") from error
