"""Events of any kind of file, for what was trained on others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msml.data.importers.files import kind_of
from msml.data.importers.recipe import READERS
from msml.data.importers.rows import of_recipe, of_settings, table_stream
from msml.data.schema import Column
from msml.data.stream import Stream, hdf5_stream
from msml.errors import RecipeError


def event_stream(
    files: Sequence[Path],
    wanted: Mapping[str, Column],
    keep: Sequence[str],
    table: Mapping[str, Any] | None,
    columns: str | None = None,
    tree: str | None = None,
) -> Stream:
    """Open events, and compare them with those of the training.

    Args:
        files: HDF5 files of events, or tables, which are read as one.
        wanted: The columns that are needed, as they must be.
        keep: Names of further columns.
        table: The import that made the events of the training: tables are read as it did, unless
            `columns` says something else.
        columns: Recipe of an import that says how a table becomes columns.
        tree: ROOT: name of the tree.

    Raises:
        RecipeError: Files of both kinds, or an option that these files have no use for.
        DataError: As `hdf5_stream` and `table_stream`.
    """
    tables = [kind_of(path) is not None for path in files]
    if all(tables):
        made = None if table is None else of_settings(table)
        mapped = made if columns is None else of_recipe(columns)
        return table_stream(files, wanted, keep, mapped, tree)
    if any(tables):
        kinds = ", ".join(READERS)
        raise RecipeError(f"EVENTS: expected all of them in HDF5, or all in tables: {kinds}")
    if columns is not None or tree is not None:
        option = "columns" if columns is not None else "tree"
        raise RecipeError(f"--{option}: {files[0]} is no table")
    return hdf5_stream(files, wanted, keep)
