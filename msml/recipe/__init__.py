"""Recipes: YAML files read, extended, overridden, checked and turned into dataclasses."""

from msml.recipe.files import shipped
from msml.recipe.load import Recipe, load

__all__ = ["Recipe", "load", "shipped"]
