"""Importers of tables that were made elsewhere."""

from collections.abc import Sequence

from msml.data.described import EventFile
from msml.recipe import load
from msml.registry import importers


@importers.register("table")
def table(recipe: str, overrides: Sequence[str]) -> EventFile:
    """Any table of events: ROOT trees, Parquet, CSV or NumPy's `.npz`."""
    from msml.data.importers.recipe import TableRecipe
    from msml.data.importers.table import import_table

    return import_table(load(recipe, TableRecipe, overrides))
