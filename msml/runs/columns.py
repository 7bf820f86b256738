"""What a run keeps of the description of its events, so that it can be used without them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from msml.data.described import EventFile
from msml.data.importers.recipe import TABLE
from msml.data.schema import Column
from msml.errors import DataError
from msml.runs.directory import read_json, write_json

_TUPLES = ("axes", "sizes", "components", "units")


@dataclass(frozen=True)
class RunColumns:
    """The columns that a run's recipe names, and the masks of these.

    Attributes:
        columns: Description of each, as the event file has it: before the transforms.
        classes: Number of classes of each task's target; 0 where it has none.
        table: Values of the recipe of `msml import table` that made the event file, such as
            `columns` and `missing`; None where nothing of that kind made it.
    """

    columns: Mapping[str, Column]
    classes: Mapping[str, int]
    table: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, file: EventFile, names: Iterable[str], classes: Mapping[str, int]) -> "RunColumns":
        """Take the named columns of a file, and their masks."""
        used = [file.columns[name] for name in names]
        masks = [file.columns[column.mask] for column in used if column.mask]
        made = file.provenance
        table = made.get("settings") if made.get("source") == TABLE else None
        return cls({column.name: column for column in [*used, *masks]}, dict(classes), table)

    def write(self, path: Path) -> None:
        """Keep it as JSON."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> "RunColumns":
        """Read what `write` wrote.

        Raises:
            DataError: It is missing, damaged or of another version.
        """
        found = read_json(path, "columns", "classes", "table")
        try:
            columns = {name: column_of(given) for name, given in found["columns"].items()}
        except (AttributeError, TypeError) as error:
            raise DataError(f"{path}: not of this version of msml: {error}") from error
        return cls(columns, found["classes"], found["table"])


def column_of(given: Mapping[str, Any]) -> Column:
    """Read a column's description as JSON has it.

    Raises:
        TypeError: It is of another version.
    """
    return Column(**{**given, **{name: tuple(given[name]) for name in _TUPLES}})
