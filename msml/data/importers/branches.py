"""What the files of every kind are read into: branches, the named columns of a table.

A reader is a module with two functions: `look` says what is in a file, `blocks` yields its rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from msml.data.kinematics import Array
from msml.errors import DataError, nearest

BLOCK_BYTES = 2**24
"""About how much of a file is in memory at once."""

_LONGEST = 400  # of a list of names in a message; a tree can have thousands


@dataclass(frozen=True)
class Options:
    """How files are read.

    Attributes:
        tree: ROOT: name of the tree; the only one where None.
        delimiter: CSV: what stands between values; by the file's suffix where None.
        missing: CSV: texts that stand for a missing value, besides the usual ones.
    """

    tree: str | None = None
    delimiter: str | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """What a branch holds.

    Attributes:
        dtype: NumPy type of its numbers, None where it holds texts.
        sizes: Lengths of the axes of one entry, of each object where `jagged`.
        jagged: Whether each row has a number of objects of its own.
        text: Of a text, where the first one stands and what it is; "" where nobody looked.
    """

    dtype: np.dtype[Any] | None
    sizes: tuple[int, ...] = ()
    jagged: bool = False
    text: str = field(default="", compare=False)

    @property
    def row_bytes(self) -> int:
        """Size of a row in memory, of one object where jagged."""
        return (8 if self.dtype is None else self.dtype.itemsize) * prod(self.sizes)

    def __str__(self) -> str:
        name = "texts" if self.dtype is None else str(self.dtype)
        sizes = "".join(f" x {size}" for size in self.sizes)
        return ("jagged " if self.jagged else "") + name + sizes


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    Attributes:
        rows: Number of rows.
        names: Names of all branches.
        kinds: Kinds of the wanted branches that are there.
        others: Names of other tables in the file.
    """

    rows: int
    names: list[str]
    kinds: dict[str, Kind]
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Branch:
    """The values of a branch in a block of rows.

    Attributes:
        values: `(rows, *sizes)`, or `(objects, *sizes)` where jagged; indices of words for texts.
        missing: True where there is no value, shaped as `values`; None where none is missing.
        counts: `(rows,) int64` number of objects of a jagged branch, else None.
        words: The texts that `values` count through, None for numbers.
    """

    values: Array
    missing: Array | None = None
    counts: Array | None = None
    words: Array | None = None

    def __len__(self) -> int:
        return len(self.values if self.counts is None else self.counts)

    def take(self, rows: Array) -> "Branch":
        """Keep the rows where `(rows,) bool` is True."""
        entries = rows if self.counts is None else np.repeat(rows, self.counts)
        return replace(
            self,
            values=self.values[entries],
            missing=None if self.missing is None else self.missing[entries],
            counts=None if self.counts is None else self.counts[rows],
        )

    def row(self, entry: int) -> int:
        """Return the row of an index along the first axis of `values`."""
        if self.counts is None:
            return entry
        return int(np.searchsorted(np.cumsum(self.counts), entry, side="right"))


Block = dict[str, Branch]


class Reader(Protocol):
    """What a module for one kind of file has.

    Attributes:
        PACKAGE: The package that does the reading.
    """

    PACKAGE: str

    def look(self, path: Path, wanted: Sequence[str], options: Options) -> Contents:
        """Say what is in a file; kinds only of the branches wanted."""

    def blocks(
        self, path: Path, kinds: Mapping[str, Kind], options: Options, rows: int | None
    ) -> Iterator[Block]:
        """Yield all rows of the branches in `kinds`; so many at once, by their size where None."""


def words(texts: Array) -> Branch:
    """Turn an array of texts into indices of words."""
    known, index = np.unique(texts, return_inverse=True)
    return Branch(index.reshape(texts.shape), words=known)


def broken(path: Path, what: str, error: BaseException) -> DataError:
    """Say in one line that a file cannot be read to its end."""
    reason = (str(error).strip() or type(error).__name__).partition("\n")[0]
    return DataError(f"{path}: not a complete {what} file: {reason}")


def near(name: str, known: Sequence[str]) -> str:
    """Say which names are nearest, however many there are."""
    ending = nearest(name, list(known)) if known else "; there are none"
    return ending if len(ending) <= _LONGEST else ending[:_LONGEST].rpartition(",")[0] + ", ..."
