"""CSV files, compressed or not.

A file is read twice: first to see what its columns hold, since the first whole number can be
followed by a fraction a million rows later, then for its values. Parsing does not take long.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np

from msml.data.importers.arrow import branch, pyarrow
from msml.data.importers.branches import Block, Contents, Kind, Options, broken
from msml.errors import DataError

PACKAGE = "pyarrow"
_BLOCK_BYTES = 2**20  # of text; larger ones leave the processor's cache and take twice as long
_INTEGERS = (np.int8, np.int16, np.int32, np.int64)


@dataclass(frozen=True)
class _Seen:
    """What was seen of a column so far.

    Attributes:
        some: Whether there was any value.
        whole: Whether all values were whole numbers.
        low: The lowest of them, 0 or below.
        high: The highest, 0 or above.
        text: Where the first value stood that is no number, and what it was.
    """

    some: bool = False
    whole: bool = True
    low: int = 0
    high: int = 0
    text: str = ""

    def kind(self) -> Kind:
        """Return the narrowest kind that takes all of it."""
        if self.text:
            return Kind(None, text=self.text)
        if not (self.some and self.whole):
            return Kind(np.dtype(np.float64))
        fitting = (
            kind
            for kind in _INTEGERS
            if np.iinfo(kind).min <= self.low and self.high <= np.iinfo(kind).max
        )
        return Kind(np.dtype(next(fitting)))


def look(path: Path, wanted: Sequence[str], options: Options) -> Contents:
    """Say what is in a file; every value of the wanted columns is looked at.

    Raises:
        DataError: A row has more or fewer values than the header, or two columns have one name.
    """
    package = pyarrow("CSV files")
    names = header(path, options)
    found = [name for name in wanted if name in names]
    if twice := [name for name in found if names.count(name) > 1]:
        raise DataError(f"{path}: two columns are called '{twice[0]}'")
    seen, rows = dict.fromkeys(found, _Seen()), 0
    if found:
        for batch in _batches(path, dict.fromkeys(found, package.string()), options):
            seen = {
                name: _widened(before, batch.column(name), rows) for name, before in seen.items()
            }
            rows += batch.num_rows
    return Contents(rows, names, {name: one.kind() for name, one in seen.items()})


def blocks(
    path: Path, kinds: Mapping[str, Kind], options: Options, rows: int | None
) -> Iterator[Block]:
    """Yield all rows of the columns."""
    package = pyarrow("CSV files")
    types = {
        name: package.string() if kind.dtype is None else package.from_numpy_dtype(kind.dtype)
        for name, kind in kinds.items()
    }
    for batch in _batches(path, types, options):
        for start in range(0, batch.num_rows, rows or batch.num_rows or 1):
            part = batch.slice(start, rows)
            yield {name: branch(part.column(name), kind) for name, kind in kinds.items()}


def _widened(seen: _Seen, texts: Any, start: int) -> _Seen:
    """Take in the values of a block, the first of which stands in row `start`."""
    import pyarrow
    from pyarrow import compute

    if seen.text or texts.null_count == len(texts):
        return seen
    if seen.whole and (numbers := _cast(texts, pyarrow.int64())) is not None:
        limits = compute.min_max(numbers).as_py()
        low, high = min(seen.low, limits["min"]), max(seen.high, limits["max"])
        return replace(seen, some=True, low=low, high=high)
    if _cast(texts, pyarrow.float64()) is not None:
        return replace(seen, some=True, whole=False)
    row = next(
        row for row in range(len(texts)) if _cast(texts.slice(row, 1), pyarrow.float64()) is None
    )
    return replace(seen, text=f"'{texts[row].as_py()}' in row {start + row} (from 0)")


def _cast(texts: Any, kind: Any) -> Any:
    """Turn texts into numbers; None where one is none."""
    import pyarrow
    from pyarrow import compute

    for trimmed in (False, True):  # most files have no spaces, and need not pay for them
        with contextlib.suppress(pyarrow.ArrowInvalid):
            return (compute.utf8_trim_whitespace(texts) if trimmed else texts).cast(kind)
    return None


def header(path: Path, options: Options) -> list[str]:
    """Read the names of all columns."""
    with _opened(path, {}, options) as reader:
        names: list[str] = reader.schema.names
        return names


def _batches(path: Path, types: Mapping[str, Any], options: Options) -> Iterator[Any]:
    """Yield the columns of these types, batch by batch."""
    with _opened(path, types, options) as reader:
        yield from reader


@contextlib.contextmanager
def _opened(path: Path, types: Mapping[str, Any], options: Options) -> Iterator[Any]:
    """Open a file at its header; all columns where there are no types."""
    package = pyarrow("CSV files")
    from pyarrow import csv

    ragged = []

    def note(row: Any) -> str:
        ragged.append(row)
        return "error"

    usual = csv.ConvertOptions().null_values
    convert = csv.ConvertOptions(
        column_types=types,
        include_columns=list(types),
        null_values=[*usual, *options.missing],
        strings_can_be_null=True,
    )
    parse = csv.ParseOptions(delimiter=_delimiter(path, options), invalid_row_handler=note)
    # With threads pyarrow does not count rows; it reads as fast without.
    read = csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False)
    try:
        with (
            package.input_stream(str(path), compression=_compression(path)) as stream,
            csv.open_csv(stream, read, parse, convert) as reader,
        ):
            yield reader
    except (package.ArrowException, OSError, ValueError, KeyError) as error:
        if not ragged:
            raise broken(path, "CSV", error) from error
        row = ragged[0]
        raise DataError(
            f"{path}: line {_line(path, row.number)} has {row.actual_columns} values,"
            f" expected {row.expected_columns} as in the header"
        ) from error


def _delimiter(path: Path, options: Options) -> str:
    tabs = ".tsv" in path.suffixes
    return options.delimiter or ("\t" if tabs else ",")


def _compression(path: Path) -> str | None:
    return {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}.get(path.suffix)


def _line(path: Path, number: int) -> int:
    """Return the line of a row; blank lines are no rows."""
    import pyarrow

    rows = 0
    with pyarrow.input_stream(str(path), compression=_compression(path)) as stream:
        for line, text in enumerate(TextIOWrapper(stream, errors="replace"), 1):
            rows += bool(text.strip("\r\n"))
            if rows == number:
                return line
    return number
