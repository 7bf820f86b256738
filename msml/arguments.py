"""Checking a recipe's arguments against the signature of a registered function, without calling it.

The positional parameters are what msml passes (inputs of a model, target and prediction of a loss);
the keyword-only parameters are what a recipe may set, but for those that msml fills (`FILLED`).
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from msml.errors import nearest
from msml.registry import Entry

# The shape of the task's prediction; what is no padding; which inputs are boolean.
FILLED = ("output", "mask", "masks")

_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
_PLURALS = {str: "texts", int: "whole numbers", float: "numbers", bool: "true or false"}


def bind(
    entry: Entry, positional_count: int, arguments: Mapping[str, object]
) -> list[tuple[str, str]]:
    """Find what is wrong with the arguments of a recipe.

    Args:
        entry: The registered function.
        positional_count: Number of positional arguments msml will pass.
        arguments: The recipe's arguments, as plain values.

    Returns:
        Pairs of argument and problem; the argument is "" where the positional ones do not fit.
    """
    parameters = _signature(entry.function).parameters.values()
    keywords = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}
    known = [name for name in keywords if name not in FILLED]
    problems = _positional(entry, list(parameters), positional_count)
    for name, value in arguments.items():
        if name in FILLED and name in keywords:
            problems.append((name, "is set by msml, not by a recipe"))
        elif name in keywords:
            hint = _hint(entry, keywords[name])
            if not fits(value, hint):
                problems.append((name, f"expected {words(hint)}, got {_got(value)}"))
        elif not any(p.kind is p.VAR_KEYWORD for p in parameters):
            ending = nearest(name, known) if known else "; it has none"
            problems.append((name, f"unknown argument of {entry.kind} '{entry.name}'{ending}"))
    for name in known:
        if keywords[name].default is inspect.Parameter.empty and name not in arguments:
            hint = _hint(entry, keywords[name])
            problems.append((name, f"missing; {entry.kind} '{entry.name}' needs {words(hint)}"))
    return problems


@cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


def wants(entry: Entry, name: str) -> bool:
    """Say whether the function declares the keyword argument `name`."""
    parameters = _signature(entry.function).parameters
    return name in parameters and parameters[name].kind is inspect.Parameter.KEYWORD_ONLY


def _positional(
    entry: Entry, parameters: list[inspect.Parameter], count: int
) -> list[tuple[str, str]]:
    """Say whether the function takes this many positional arguments."""
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p.name for p in parameters if p.name in names and p.default is p.empty]
    more = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if len(needed) <= count and (more or count <= len(names)):
        return []
    number = f"{len(needed if more else names)}{' or more' if more else ''}"
    takes = f"takes {number} input{'s'[: number != '1']} ({', '.join(names)})"
    return [("", f"{entry.kind} '{entry.name}' {takes}, got {count}")]


def _hint(entry: Entry, parameter: inspect.Parameter) -> Any:
    """Return the type of a parameter; Any where it cannot be resolved without more imports."""
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return Any
    names = getattr(inspect.unwrap(entry.function), "__globals__", {})
    try:
        return get_type_hints(SimpleNamespace(__annotations__={"x": annotation}), names)["x"]
    except (NameError, AttributeError, TypeError, SyntaxError):
        return Any


def fits(value: object, hint: Any) -> bool:
    """Say whether a value is of a type; a whole number is a number, a list a tuple."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(fits(value, arg) for arg in inner)
    if origin is Literal:
        return any(type(value) is type(arg) and value == arg for arg in inner)
    if origin in (list, tuple, Sequence):
        if not isinstance(value, list | tuple):
            return False
        if origin is tuple and inner[-1] is not Ellipsis:
            return len(value) == len(inner) and all(map(fits, value, inner))
        return all(fits(item, inner[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict)
    if hint in (int, float, bool, str, NoneType):
        return type(value) is hint or (hint is float and type(value) is int)
    return True


def words(hint: Any) -> str:
    """Say in people's words which values a type accepts."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join("null" if arg is NoneType else words(arg) for arg in inner)
    if origin is Literal:
        return "one of " + ", ".join(map(str, inner))
    if origin in (list, Sequence) or (origin is tuple and inner[-1] is Ellipsis):
        return f"a list of {_plural(inner[0])}"
    if origin is tuple:
        return f"a list of {len(inner)}: {', '.join(map(words, inner))}"
    return "a mapping" if origin is dict else _WORDS.get(hint, "any value")


def _plural(hint: Any) -> str:
    if get_origin(hint) in (list, tuple, Sequence):
        return words(hint).replace("a list", "lists", 1)
    return _PLURALS.get(hint, words(hint))


def _got(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "a mapping"
    kinds = {str: "the text ", int: "the number ", float: "the number "}
    shown = kinds.get(type(value), "") + repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
