"""NumPy's `.npz` archives: arrays with the same first axis."""

import contextlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from msml.data.importers.branches import (
    BLOCK_BYTES,
    Block,
    Branch,
    Contents,
    Kind,
    Options,
    broken,
    words,
)
from msml.data.kinematics import Array
from msml.errors import DataError

PACKAGE = "numpy"


def look(path: Path, wanted: Sequence[str], _options: Options) -> Contents:
    """Say what is in an archive."""
    with _opened(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        kinds, lengths = {}, {}
        for name in wanted:
            if name in names:
                with _member(archive, name) as stream:
                    shape, _, dtype = _header(stream)
                kinds[name] = _kind(path, name, shape, dtype)
                lengths[name] = shape[0]
        if len(set(lengths.values())) > 1:
            text = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise DataError(f"{path}: arrays of unequal length: {text}")
        return Contents(next(iter(lengths.values()), 0), names, kinds)


def blocks(
    path: Path, kinds: Mapping[str, Kind], _options: Options, rows: int | None
) -> Iterator[Block]:
    """Yield all rows of the branches; only arrays in Fortran order are in memory as a whole."""
    with _opened(path) as archive, contextlib.ExitStack() as stack:
        streams = {name: stack.enter_context(_member(archive, name)) for name in kinds}
        arrays = {name: _Rows(stream) for name, stream in streams.items()}
        row_bytes = sum(array.row_bytes for array in arrays.values())
        rows = rows or max(1, BLOCK_BYTES // max(1, row_bytes))
        for start in range(0, min(array.shape[0] for array in arrays.values()), rows):
            yield {
                name: _branch(arrays[name].read(start, rows), kind) for name, kind in kinds.items()
            }


class _Rows:
    """Reads an array row by row from the stream that holds it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.shape, fortran, self.dtype = _header(stream)
        self.row_bytes = self.dtype.itemsize * prod(self.shape[1:])
        self._stream = stream
        self._whole: Array | None = None
        if fortran and len(self.shape) > 1:
            flat = self._take(prod(self.shape))
            self._whole = flat.reshape(self.shape, order="F")

    def read(self, start: int, rows: int) -> Array:
        """Return the next rows, in the machine's byte order."""
        rows = min(rows, self.shape[0] - start)
        if self._whole is not None:
            return self._whole[start : start + rows]
        return self._take(rows * prod(self.shape[1:])).reshape(rows, *self.shape[1:])

    def _take(self, items: int) -> Array:
        data = self._stream.read(items * self.dtype.itemsize)
        if len(data) < items * self.dtype.itemsize:
            raise EOFError("an array is shorter than its header says")
        array: Array = np.frombuffer(data, self.dtype, items)
        return array.astype(self.dtype.newbyteorder("="), copy=False)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive, or say in one line why not."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (
        zipfile.BadZipFile,
        OSError,
        EOFError,
        ValueError,
        KeyError,
        RuntimeError,
        zlib.error,
    ) as error:
        raise broken(path, ".npz", error) from error


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    return archive.open(f"{name}.npy" if f"{name}.npy" in archive.namelist() else name)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, whether in Fortran order, and type of an array; the data come next."""
    formats: Any = np.lib.format
    readers = {(1, 0): formats.read_array_header_1_0, (2, 0): formats.read_array_header_2_0}
    version = formats.read_magic(stream)
    if version not in readers:
        raise ValueError(f"an array of format {version}")
    header: tuple[tuple[int, ...], bool, np.dtype[Any]] = readers[version](stream)
    return header


def _kind(path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Kind:
    if not shape or dtype.kind not in "biufUS" or (dtype.kind in "US" and len(shape) > 1):
        raise DataError(
            f"{path}: branch '{name}' is an array of type {dtype} and shape {shape},"
            " expected numbers or texts for each event"
        )
    return Kind(None if dtype.kind in "US" else dtype.newbyteorder("="), shape[1:])


def _branch(values: Array, kind: Kind) -> Branch:
    if kind.dtype is not None:
        return Branch(values)
    return words(np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values)
