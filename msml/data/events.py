"""Writing and reading event files.

An event file is HDF5: one dataset a column (`msml.data.schema`), its axes, components and units as
attributes, and in the root's attributes how it was made. Nothing in it depends on when, where or
with how many workers it was made, so that the same recipe gives the same bytes.
"""

import contextlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import h5py
import numpy as np
import numpy.typing as npt

from msml.data.disk import Disk
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
        events: Number of events that will be appended; None where nobody knows yet.
        provenance: JSON-able values by name, stored as attributes of the root.
        columns: Descriptions of columns that are not registered.
        missing: Names of columns that may hold NaN, for a value that is missing.

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
    ) -> None:
        self.path = path
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
        if self._pending_rows:
            self._flush(self._pending_rows)
        if self._written == 0 or self.events not in (None, self._written):
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
        _check_finite(self.path, name, present, first)
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
            # Shuffling the bytes halves dense columns but doubles the nearly empty images.
            shuffle=name != "calo_images",
        )
        dataset.attrs["axes"] = ["event", *column.axes]
        dataset.attrs["components"] = list(column.components) or h5py.Empty("S1")
        dataset.attrs["units"] = list(column.units) or h5py.Empty("S1")
        dataset.attrs["description"] = column.description
        if column.mask:
            dataset.attrs["mask"] = column.mask


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

    Groups, datasets and attributes that msml did not write are left alone.

    Raises:
        DataError: If it is missing, truncated, of another format or version, or if a column's
            shape, axes, components or units are not those of the schema.
    """
    with _opened(path) as file:
        datasets = {
            name: file[name] for name in file if name in COLUMNS or "axes" in file[name].attrs
        }
        if not datasets:
            raise DataError(f"{path}: no columns in it")
        for name, dataset in datasets.items():
            if name in COLUMNS:
                _check_column(path, dataset, COLUMNS[name])
        shapes = {name: tuple(dataset.shape) for name, dataset in datasets.items()}
        if len({shape[0] for shape in shapes.values()}) != 1:
            lengths = ", ".join(f"{name} {shape[0]}" for name, shape in shapes.items())
            raise DataError(f"{path}: columns of unequal length: {lengths}")
        provenance = dict(_provenance(file))
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


def read_blocks(
    path: Path, column: str, rows: int = _BLOCK
) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Read a column block by block: the number of each block's first event, and the block.

    Raises:
        DataError: As `read`.
    """
    known = describe(path).shapes
    if column not in known:
        raise DataError(f"{path}: no column '{column}'{nearest(column, list(known))}")
    with _opened(path) as file:
        for start in range(0, known[column][0], rows):
            yield start, _read_column(path, file[column], slice(start, start + rows))


def _read_column(path: Path, dataset: h5py.Dataset, events: slice) -> npt.NDArray[Any]:
    name = dataset.name[1:]
    try:
        array: npt.NDArray[Any] = dataset[events]
    except OSError as error:
        raise DataError(f"{path}: column '{name}' cannot be read: {error}") from error
    start, _, step = events.indices(len(dataset))
    _check_finite(path, name, array, start, step)
    return array


def _check_finite(
    path: Path, name: str, array: npt.NDArray[Any], start: int, step: int = 1
) -> None:
    """Refuse NaN and infinity; `start` and `step` number the events of the array's rows."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(axis=1)))
        raise DataError(f"{path}: column '{name}': NaN or infinity in event {start + row * step}")


def _provenance(file: h5py.File) -> Iterator[tuple[str, Any]]:
    """Yield the root's attributes that are JSON, as all of msml's are."""
    for name, value in file.attrs.items():
        if name not in ("format", "format_version"):
            with contextlib.suppress(TypeError, ValueError):
                yield name, json.loads(value)


def _check_column(path: Path, dataset: h5py.Dataset, column: Column) -> None:
    """Compare a dataset with the schema's description of it."""
    if not isinstance(dataset, h5py.Dataset):
        raise DataError(f"{path}: column '{column.name}': a group, expected a dataset")
    problem = column.shape(dataset.shape or ())
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
        _check_format(path, file)
        try:
            yield file
        except (KeyError, OSError, RuntimeError) as error:  # what h5py raises on damaged blocks
            raise DataError(f"{path}: damaged HDF5 ({error})") from error


def _check_format(path: Path, file: h5py.File) -> None:
    if str(file.attrs.get("format")) != FORMAT:
        raise DataError(f"{path}: HDF5, but not an event file of msml")
    version = str(file.attrs.get("format_version"))
    if version != str(FORMAT_VERSION):
        raise DataError(
            f"{path}: format version {version}, this msml reads version {FORMAT_VERSION};"
            " make the file again with `msml generate` or `msml import`"
        )


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn a failed write (full disk, no permission) into one line."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error
