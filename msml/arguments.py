"""Checking a recipe's arguments against the signature of a registered function, without calling it.

The positional parameters are what msml passes (inputs of a model, target and prediction of a loss);
the keyword-only parameters are what a recipe may set, but for those that msml fills (`FILLED`).
"""

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any, get_type_hints

from msml.errors import nearest
from msml.hints import mismatch, words
from msml.registry import Entry

# The shape of the task's prediction; what is no padding; which inputs are boolean.
FILLED = ("output", "mask", "masks")


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
    known = [parameter.name for parameter in settable(entry)]
    problems = _positional(entry, list(parameters), positional_count)
    for name, value in arguments.items():
        if name in FILLED and name in keywords:
            problems.append((name, "is set by msml, not by a recipe"))
        elif name in keywords:
            problem = mismatch(value, hint_of(entry, keywords[name]))
            problems += [(name, problem)] if problem else []
        elif not any(p.kind is p.VAR_KEYWORD for p in parameters):
            ending = nearest(name, known) if known else "; it has none"
            problems.append((name, f"unknown argument of {entry.kind} '{entry.name}'{ending}"))
    for name in known:
        if keywords[name].default is inspect.Parameter.empty and name not in arguments:
            hint = hint_of(entry, keywords[name])
            problems.append((name, f"missing; {entry.kind} '{entry.name}' needs {words(hint)}"))
    return problems


def settable(entry: Entry) -> list[inspect.Parameter]:
    """Return the arguments of a registered function that a recipe may set."""
    parameters = _signature(entry.function).parameters.values()
    return [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in FILLED]


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


def hint_of(entry: Entry, parameter: inspect.Parameter) -> Any:
    """Return the type of a parameter; Any where it cannot be resolved without more imports."""
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return Any
    names = getattr(inspect.unwrap(entry.function), "__globals__", {})
    try:
        holder = SimpleNamespace(__annotations__={"x": annotation})
        return get_type_hints(holder, names, include_extras=True)["x"]
    except (NameError, AttributeError, TypeError, SyntaxError):
        return Any
