"""What a type hint accepts, and how people say it: for recipes' schemas and builders' arguments."""

import dataclasses
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
_PLURALS = {str: "texts", int: "whole numbers", float: "numbers", bool: "true or false"}
_LISTS = (list, tuple, Sequence)
_LONGEST = 60


def fits(value: object, hint: Any) -> bool:
    """Say whether a value is of a type; a whole number is a number, a list a tuple."""
    origin, inner = get_origin(hint), get_args(hint)
    if is_union(hint):
        return any(fits(value, arg) for arg in inner)
    if origin is Literal:
        return any(type(value) is type(arg) and value == arg for arg in inner)
    if origin in _LISTS:
        if not isinstance(value, list | tuple):
            return False
        if origin is tuple and inner[-1] is not Ellipsis:
            return len(value) == len(inner) and all(map(fits, value, inner))
        return all(fits(item, inner[0]) for item in value)
    if origin is dict or dataclasses.is_dataclass(hint):
        return isinstance(value, dict)
    if hint in (*_WORDS, NoneType):
        return type(value) is hint or (hint is float and type(value) is int)
    return True


def words(hint: Any) -> str:
    """Say in people's words which values a type accepts."""
    origin, inner = get_origin(hint), get_args(hint)
    if is_union(hint):
        return " or ".join("null" if arg is NoneType else words(arg) for arg in inner)
    if origin is Literal:
        return "one of " + ", ".join(map(str, inner))
    if origin is tuple and inner[-1] is not Ellipsis:
        return f"a list of {len(inner)}: {', '.join(map(words, inner))}"
    if origin in _LISTS:
        return f"a list of {_plural(inner[0])}"
    if origin is dict:
        return f"a mapping of names to {_plural(inner[1])}"
    if dataclasses.is_dataclass(hint):
        return f"a mapping with the keys {', '.join(map(spelled, dataclasses.fields(hint)))}"
    return _WORDS.get(hint, "any value")


def got(value: object) -> str:
    """Say in people's words what a value is."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "a mapping"
    kinds = {str: f"the text {value!r}", int: f"the number {value}", float: f"the number {value}"}
    shown = kinds.get(type(value), f"{value}")
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 3] + "..."


def is_union(hint: Any) -> bool:
    """Whether a hint is `X | Y`, written either way."""
    return get_origin(hint) in (Union, UnionType)


def spelled(field: "dataclasses.Field[Any]") -> str:
    """Return a field's key in a recipe: `from` for `from_`."""
    return field.name.removesuffix("_")


def _plural(hint: Any) -> str:
    if get_origin(hint) in (*_LISTS, dict):
        return words(hint).replace("a list", "lists", 1).replace("a mapping", "mappings", 1)
    if is_union(hint):
        return " or ".join("nulls" if a is NoneType else _plural(a) for a in get_args(hint))
    default = "mappings" if dataclasses.is_dataclass(hint) else "values"
    return _PLURALS.get(hint, words(hint) if get_origin(hint) is Literal else default)
