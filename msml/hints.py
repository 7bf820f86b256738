"""What a type hint accepts, and how people say it: for recipes' schemas and builders' arguments."""

import dataclasses
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from msml.domains import Domain

_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
_PLURALS = {str: "texts", int: "whole numbers", float: "numbers", bool: "true or false"}
_LISTS = (list, tuple, Sequence)
_MAPPINGS = (dict, Mapping)
_LONGEST = 60


def mismatch(value: object, hint: Any) -> str | None:
    """Say what is wrong with a value where a type, or the domain of its numbers, is expected."""
    if fits(value, hint):
        return None
    if not fits(value, hint, domains=False):
        return f"expected {words(hint)}, got {got(value)}"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"expected {words(hint, value)}, got {_digits(value) if number else got(value)}"


def fits(value: object, hint: Any, domains: bool = True) -> bool:
    """Say whether a value is of a type; a whole number is a number, a list a tuple.

    Args:
        value: A plain value.
        hint: The type.
        domains: Whether numbers must lie in their domains too: where none is said, be finite.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        inside = not domains or all(_contains(domain, value) for domain in inner[1:])
        return fits(value, inner[0], False) and inside
    if is_union(hint):
        return any(fits(value, arg, domains) for arg in inner)
    if origin is Literal:
        return any(type(value) is type(arg) and value == arg for arg in inner)
    if origin in _LISTS:
        if not isinstance(value, list | tuple):
            return False
        if origin is tuple and inner[-1] is not Ellipsis:
            pairs = zip(value, inner, strict=False)
            return len(value) == len(inner) and all(fits(v, arg, domains) for v, arg in pairs)
        return all(fits(item, inner[0], domains) for item in value)
    if origin in _MAPPINGS:
        return isinstance(value, dict) and all(
            fits(_key(name, inner[0]), inner[0], domains) and fits(item, inner[1], domains)
            for name, item in value.items()
        )
    if dataclasses.is_dataclass(hint):
        return isinstance(value, dict)
    if hint is float and type(value) in (int, float):
        return not domains or _contains(Domain(), value)
    return type(value) is hint if hint in (*_WORDS, NoneType) else True


def words(hint: Any, value: object = None) -> str:
    """Say in people's words which values a type accepts; of numbers, the domain that `value` left.

    Without a value the domains are left out.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated or (hint is float and value is not None):
        return _domain(hint, value, words(base(hint)))
    if is_union(hint):
        return " or ".join("null" if arg is NoneType else words(arg, value) for arg in inner)
    if origin is Literal:
        return "one of " + ", ".join(map(str, inner)) if len(inner) > 1 else repr(inner[0])
    if origin is tuple and inner[-1] is not Ellipsis:
        return f"a list of {len(inner)}: {', '.join(words(arg, value) for arg in inner)}"
    if origin in _LISTS:
        return f"a list of {_plural(inner[0], value)}"
    if origin in _MAPPINGS:
        names = "numbers" if base(inner[0]) is int else "names"
        return f"a mapping of {names} to {_plural(inner[1], value)}"
    if dataclasses.is_dataclass(hint):
        return f"a mapping with the keys {', '.join(map(spelled, dataclasses.fields(hint)))}"
    return _WORDS.get(hint, "any value")


def base(hint: Any) -> Any:
    """Return the type of a hint without its domain."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def got(value: object) -> str:
    """Say in people's words what a value is."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "a mapping"
    kinds = {str: "the text ", int: "the number ", float: "the number "}
    shown = repr(value) if isinstance(value, str) else str(value)
    return _short(kinds.get(type(value), "") + shown)


def is_union(hint: Any) -> bool:
    """Whether a hint is `X | Y`, written either way."""
    return get_origin(hint) in (Union, UnionType)


def spelled(field: "dataclasses.Field[Any]") -> str:
    """Return a field's key in a recipe: `from` for `from_`."""
    return field.name.removesuffix("_")


def _plural(hint: Any, value: object = None) -> str:
    if get_origin(hint) in (*_LISTS, *_MAPPINGS):
        text = words(hint, value)
        return text.replace("a list", "lists", 1).replace("a mapping", "mappings", 1)
    if is_union(hint):
        args = get_args(hint)
        return " or ".join("nulls" if a is NoneType else _plural(a, value) for a in args)
    bare = base(hint)
    default = "mappings" if dataclasses.is_dataclass(bare) else "values"
    many = _PLURALS.get(bare, words(bare) if get_origin(bare) is Literal else default)
    if bare is hint and (hint is not float or value is None):
        return many
    return _domain(hint, value, words(bare), many)


def _domain(hint: Any, value: object, one: str, many: str = "") -> str:
    """Say which numbers a hint accepts; without a value, of which type they are."""
    domains = [each for each in get_args(hint)[1:] if isinstance(each, Domain)] or [Domain()]
    if value is None:
        return many or one
    domain = domains[0]
    if isinstance(value, int | float) and not many:
        domain = domain.near(value)
    return domain.words("a number", many)


def _contains(domain: object, value: object) -> bool:
    if not isinstance(domain, Domain) or not isinstance(value, int | float):
        return True
    return domain.contains(value)


def _key(name: object, hint: Any) -> object:
    """Read a key as what it stands for: in YAML a number may be one."""
    numeric = base(hint) is int and isinstance(name, str) and name.isdecimal()
    return int(str(name)) if numeric else name


def _digits(value: object) -> str:
    return _short(f"{value:g}" if isinstance(value, float) else str(value))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
