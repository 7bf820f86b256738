"""Recipes: YAML files read, extended, overridden, checked and turned into dataclasses."""

from msml.recipe.files import shipped
from msml.recipe.load import Recipe, Source, load, read_source

__all__ = ["Recipe", "Source", "load", "read_source", "shipped"]
