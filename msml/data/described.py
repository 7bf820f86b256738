"""What event files say of their columns, and whether that can be so."""

import contextlib
import errno
import json
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from msml.data.hdf5 import Stored, attribute, find, texts
from msml.data.schema import COLUMNS, Column
from msml.errors import DataError, nearest

FORMAT = "msml events"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Files:
    """Event files that are read as one, in order."""

    paths: tuple[Path, ...]

    def __str__(self) -> str:
        more = len(self.paths) - 1
        return str(self.paths[0]) + (f" and {more} more" if more else "")


Source = Path | Files
"""Where events lie."""


@dataclass(frozen=True)
class EventFile:
    """What an event file, or several with equal columns, say of themselves.

    Attributes:
        path: Where it is.
        events: Number of events.
        shapes: Shape of each column, events included.
        provenance: Settings, versions, cross sections, efficiencies: the root's attributes. Of
            several files, those of the first.
        columns: Description of each column, by the file itself.
        ignored: Why anything else in the file is no column, by name.
    """

    path: Source
    events: int
    shapes: dict[str, tuple[int, ...]]
    provenance: dict[str, Any]
    columns: dict[str, Column]
    ignored: dict[str, str]

    def require(self, name: str) -> None:
        """Refuse what is no column.

        Raises:
            DataError: There is no column of this name.
        """
        if name in self.ignored:
            raise DataError(f"{self.path}: '{name}' is no column: {self.ignored[name]}")
        if name not in self.shapes:
            raise DataError(f"{self.path}: no column '{name}'{nearest(name, list(self.shapes))}")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open an event file for reading, or say in one line why not.

    Raises:
        DataError: It is missing, no complete HDF5 file, or of another version of msml's format.
    """
    if not os.path.isfile(path):
        raise DataError(f"{path}: no such file")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES) and "lock" in str(error):
            reason = "another program holds a lock on it, perhaps one that writes it"
        elif error.errno is not None:
            reason = f"cannot be read: {os.strerror(error.errno)}"
        else:
            reason = f"not a complete HDF5 file ({error})"
        raise DataError(f"{path}: {reason}") from error
    with file:
        try:
            _check_version(path, file)
            yield file
        except (KeyError, OSError, RuntimeError) as error:  # what h5py raises on damaged blocks
            raise DataError(f"{path}: damaged HDF5 ({error})") from error


def _check_version(path: Path, file: h5py.File) -> None:
    """Refuse a file that another msml has written in another way."""
    found = attribute(file, "format_version")
    version = "".join(texts(found)) or str(found)
    if texts(attribute(file, "format")) == (FORMAT,) and version != str(FORMAT_VERSION):
        raise DataError(
            f"{path}: format version {version}, this msml reads version {FORMAT_VERSION};"
            " make the file again with `msml generate` or `msml import`"
        )


def paths(source: Source) -> tuple[Path, ...]:
    """List the files."""
    return source.paths if isinstance(source, Files) else (source,)


def joined(files: Sequence[EventFile], path: Source) -> EventFile:
    """Describe files that are read as one.

    Raises:
        DataError: Their columns are not equal.
    """
    first = files[0]
    for other in files[1:]:
        _check_equal(first, other)
    events = sum(each.events for each in files)
    shapes = {name: (events, *shape[1:]) for name, shape in first.shapes.items()}
    return replace(first, path=path, events=events, shapes=shapes)


def described(
    path: Path, file: h5py.File, wanted: frozenset[str]
) -> tuple[dict[str, Stored], EventFile]:
    """Find the columns of an open file and check them.

    Args:
        path: Where it is.
        file: The file.
        wanted: Names of columns that will be read.

    Returns:
        Where the columns lie, and the file's description.

    Raises:
        DataError: As `msml.data.events.describe`.
    """
    found, ignored = find(file)
    own = texts(attribute(file, "format")) == (FORMAT,)
    for name in ignored:
        if own and name in COLUMNS:
            raise DataError(f"{path}: column '{name}': {ignored[name]}, expected a dataset")
    written = {name for name in found if found[name].told["axes"] or (own and name in COLUMNS)}
    for name in written & set(COLUMNS):
        _check_registered(path, found[name], COLUMNS[name])
    if not found:
        raise DataError(f"{path}: no columns in it")
    events = _events(path, found, wanted, written if own else set())
    for name, stored in found.items():
        if stored.shape[0] != events:
            ignored[name] = f"it has {stored.shape[0]} rows, but columns have {events}"
    columns = {name: stored.column(name) for name, stored in found.items() if name not in ignored}
    shapes = {name: found[name].shape for name in columns}
    for column in columns.values():
        _check_mask(path, column, columns)
    return found, EventFile(path, events, shapes, dict(_provenance(file)), columns, ignored)


def _events(
    path: Path, found: Mapping[str, Stored], wanted: Collection[str], written: Collection[str]
) -> int:
    """Count the events: as `describe` says."""
    for names in (wanted, written):
        lengths = {name: stored.shape[0] for name, stored in found.items() if name in names}
        if len(set(lengths.values())) > 1:
            text = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise DataError(f"{path}: columns of unequal length: {text}")
        if lengths:
            return next(iter(lengths.values()))
    datasets = {stored.dataset: stored.shape[0] for stored in found.values()}
    counts = Counter(datasets.values())
    return max(counts, key=lambda length: (counts[length], length))


def _provenance(file: h5py.File) -> Iterator[tuple[str, Any]]:
    """Yield the root's attributes that are JSON, as all of msml's are."""
    for name in file.attrs:
        if name not in ("format", "format_version"):
            with contextlib.suppress(TypeError, ValueError):
                yield name, json.loads("".join(texts(attribute(file, name))))


def _check_registered(path: Path, stored: Stored, column: Column) -> None:
    """Compare a column with what it is registered as."""
    problem = column.shape(stored.shape)
    for name, expected in (
        ("axes", ("event", *column.axes)),
        ("components", column.components),
        ("units", column.units),
    ):
        given = stored.told[name]
        if problem is None and given != expected:
            problem = f"{name} {list(given)}, expected {list(expected)}"
    if problem is None and stored.dtype.kind != np.dtype(column.dtype).kind:
        problem = f"type {stored.dtype}, expected {column.dtype}"
    if problem is not None:
        raise DataError(f"{path}: column '{column.name}': {problem}")


def _check_mask(path: Path, column: Column, columns: Mapping[str, Column]) -> None:
    """Check that the mask of a column is one of its leading axes."""
    if not column.mask:
        return
    where = f"{path}: column '{column.name}': its mask '{column.mask}'"
    if column.mask not in columns:
        raise DataError(f"{where} is no column{nearest(column.mask, list(columns))}")
    mask = columns[column.mask]
    if np.dtype(mask.dtype).kind not in "bui":
        raise DataError(f"{where} is of type {mask.dtype}, expected bool")
    if column.sizes[: len(mask.sizes)] != mask.sizes:
        raise DataError(f"{where} has axes of length {mask.sizes}, expected {column.sizes}")


def _check_equal(first: EventFile, other: EventFile) -> None:
    """Check that a file has the same columns as the first one."""
    for one, two in ((first, other), (other, first)):
        for name in one.columns:
            if name not in two.columns:
                why = f" ({two.ignored[name]})" if name in two.ignored else ""
                raise DataError(f"{two.path}: no column '{name}', which {one.path} has{why}")
    for name, column in first.columns.items():
        theirs = other.columns[name]
        kinds = [np.dtype(each.dtype).kind for each in (column, theirs)]
        for what, expected, found in (
            ("shape", column.sizes, theirs.sizes),
            ("components", column.components, theirs.components),
            ("units", column.units, theirs.units),
            ("type", column.dtype, theirs.dtype if kinds[0] != kinds[1] else column.dtype),
        ):
            if found != expected:
                raise DataError(
                    f"{other.path}: column '{name}': {what} {found}, but {expected} in {first.path}"
                )
