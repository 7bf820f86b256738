"""The recipe of a table's import."""

from dataclasses import dataclass, field
from typing import Any

from msml.domains import Number, Whole

READERS = {
    "root": (".root",),
    "parquet": (".parquet", ".pq"),
    "csv": (".csv", ".tsv", ".txt"),
    "npz": (".npz",),
}
"""Kinds of files, each a module beside this one, and their suffixes."""

DTYPES = (
    *("float32", "float64", "bool"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
)
TABLE = "table"
"""Name of the importer, in the event files that it makes."""
ROW, FILE, PROCESS, LABEL = "source_row", "source_file", "process", "label"
"""Columns that say where an event comes from."""


@dataclass(frozen=True)
class Source:
    """The files of a table.

    Attributes:
        files: Paths or patterns such as `run_*.root`, in order.
        kind: `root`, `parquet`, `csv` or `npz`; by each file's suffix where null.
        tree: ROOT: name of the tree; may be left out where a file holds only one.
        delimiter: CSV: what stands between values; a tabulator for `.tsv`, else a comma.
    """

    files: list[str] = field(default_factory=list)
    kind: str | None = None
    tree: str | None = None
    delimiter: str | None = None


@dataclass(frozen=True)
class Process:
    """The files of one process.

    Attributes:
        files: Paths or patterns, in order.
        label: Class of its events, for a column `label`; none where null.
    """

    files: list[str]
    label: Whole | None = None


@dataclass(frozen=True)
class ColumnRecipe:
    """How a column is made of branches.

    Attributes:
        branch: The one branch that becomes the column.
        branches: Or several, stacked along a last axis.
        size: Jagged branches are padded with 0, or cut, to so many objects; a column of the same
            name and `_mask` says which are real.
        components: Names along the last axis; the branches' names where empty.
        units: Unit of each component, or one for all.
        axes: Meaning of the axes after the event's, without that of the components.
        description: What the numbers are.
        dtype: Type in the event file; where null, float32 for fractions, else the file's.
        map: Number to write for each text or number of the branch.
        missing: Numbers that stand for a missing value; the recipe's `missing` where null.
    """

    branch: str | None = None
    branches: list[str] = field(default_factory=list)
    size: Whole | None = None
    components: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    axes: list[str] = field(default_factory=list)
    description: str = ""
    dtype: str | None = None
    map: dict[str, Any] = field(default_factory=dict)
    missing: list[Number] | None = None

    @property
    def names(self) -> list[str]:
        """The branches, one or several."""
        return self.branches if self.branch is None else [self.branch]


@dataclass(frozen=True)
class TableRecipe:
    """The schema of a table's import.

    Attributes:
        output: The event file to make, relative to the working directory.
        columns: How each column is made: a branch, a list of branches, or a mapping with the keys
            of `ColumnRecipe`.
        source: The files, and how to read them.
        processes: Files by process instead of `source.files`, in the order of the event file.
        missing: Numbers or texts that stand for a missing value.
        cuts: `[BRANCH, OPERATOR, VALUE]`, all of which an event must pass.
    """

    output: str
    columns: dict[str, Any]
    source: Source = field(default_factory=Source)
    processes: dict[str, Process] = field(default_factory=dict)
    missing: list[Any] = field(default_factory=list)
    cuts: list[Any] = field(default_factory=list)
