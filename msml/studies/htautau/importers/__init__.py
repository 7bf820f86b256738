"""Importers of events that were made elsewhere."""

from collections.abc import Sequence

from msml.data.described import EventFile
from msml.recipe import load
from msml.registry import importers
from msml.studies.htautau.importers.recipe import SOURCES, ImportRecipe, run_import


@importers.register("htautau", sources=SOURCES)
def htautau(recipe: str, overrides: Sequence[str]) -> EventFile:
    """The published code's NumPy arrays, or Delphes' ROOT files."""
    return run_import(load(recipe, ImportRecipe, overrides))
