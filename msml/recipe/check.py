"""Comparing a tree with a schema of dataclasses, so that every mistake is found at once."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import NoneType
from typing import Any, Union, get_args, get_origin, get_type_hints

from omegaconf import OmegaConf
from omegaconf.errors import GrammarParseError

from msml.errors import nearest
from msml.hints import base, fits, got, is_union, mismatch, spelled, words
from msml.recipe.tree import Node, line

_BAD = object()  # stands for a value that has a problem, and is left out
MISSING = "???"  # OmegaConf's mark of a value that has yet to be given


@dataclass
class Findings:
    """What a check collects.

    Attributes:
        problems: One line each.
        bad: Keys whose values are not those of the recipe, as these have a problem.
        interpolations: Those whose type is not yet known: path, node, and type hint.
    """

    problems: list[str] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)
    interpolations: list[tuple[tuple[str, ...], Node, Any]] = field(default_factory=list)

    def add(self, node: Node, path: tuple[str, ...], message: str) -> object:
        """Record a problem; returns the mark of a value to be left out."""
        self.problems.append(line(node.where, ".".join(path), message))
        self.bad.add(".".join(path))
        return _BAD


def check(
    node: Node, hint: Any, path: tuple[str, ...], findings: Findings, defaulted: bool = False
) -> object:
    """Check a value, and all that lies below it, against a type hint.

    Where the value is merged over a default, nothing of it is missing. A null that took the place
    of a mapping with free names empties it.

    Returns:
        The plain value, without those parts that have a problem.
    """
    value, bare = node.value, strip_optional(hint)
    if value == MISSING:
        return findings.add(node, path, f"missing; expected {words(hint)}")
    if isinstance(value, str) and "${" in value:
        return _interpolation(node, hint, path, findings)
    if value is None and (nothing := _nothing(node, hint)) is not _BAD:
        return nothing
    if isinstance(value, dict):
        if dataclasses.is_dataclass(bare):
            return _fields(value, node, bare, path, findings, defaulted)
        if bare is Any or get_origin(bare) is dict:
            return _entries(value, bare, path, findings)
    elif isinstance(value, list):
        if bare is Any or get_origin(bare) is list:
            return _items(value, bare, path, findings)
    elif (leaf := _leaf(value, bare)) is not _BAD:
        return leaf
    quotes = "; put it in quotes" if bare is str and isinstance(value, int | float) else ""
    kind = f"expected {words(hint)}, got a list" if isinstance(value, list) else None
    found = kind or mismatch(value, hint) or f"expected {words(hint)}, got {got(value)}"
    return findings.add(node, path, found + quotes)


def _nothing(node: Node, hint: Any) -> object:
    """Return what a null stands for, or `_BAD` where there can be none."""
    bare = strip_optional(hint)
    if hint is Any or NoneType in get_args(hint):
        return None
    return {} if node.removes and get_origin(bare) is dict and not entry_schema(bare) else _BAD


def _fields(
    value: dict[str, Node],
    node: Node,
    schema: Any,
    path: tuple[str, ...],
    findings: Findings,
    defaulted: bool,
) -> dict[str, object]:
    """Check a mapping against a dataclass: its keys are the fields."""
    hints = hints_of(schema)
    known = {spelled(f): f for f in dataclasses.fields(schema)}
    optional = {key: _has_default(f) for key, f in known.items()}
    checked = {}
    for key, child in value.items():
        if key in known:
            name = known[key].name
            below = (defaulted or optional[key]) and known[key].default is not None
            checked[name] = check(child, hints[name], (*path, key), findings, below)
        else:
            findings.add(child, (*path, key), "unknown key" + suggest(key, [*known]))
    for key, f in known.items():
        if not (optional[key] or defaulted or key in value):
            findings.add(node, (*path, key), f"missing; expected {words(hints[f.name])}")
        if not (optional[key] or defaulted) and checked.get(f.name, _BAD) is _BAD:
            checked[f.name] = placeholder(hints[f.name])  # what is looked at next needs a value
    return {name: v for name, v in checked.items() if v is not _BAD}


def _has_default(field: "dataclasses.Field[Any]") -> bool:
    return not (field.default is field.default_factory is dataclasses.MISSING)


def _entries(
    value: dict[str, Node], hint: Any, path: tuple[str, ...], findings: Findings
) -> dict[str, object]:
    """Check a mapping with free names; null removes an entry that is a dataclass."""
    item = Any if hint is Any else get_args(hint)[1]
    checked = {}
    for name, child in value.items():
        if child.value is not None or entry_schema(hint) is None:
            found = check(child, item, (*path, name), findings)
            named = found is _BAD and entry_schema(hint) is not None  # others may name it
            checked[name] = placeholder(item) if named else found
        elif not child.removes:
            message = "null removes an entry, but there is none of this name"
            findings.add(child, (*path, name), message + suggest(name, present(value)))
    return {name: v for name, v in checked.items() if v is not _BAD}


def _items(value: list[Node], hint: Any, path: tuple[str, ...], findings: Findings) -> list[object]:
    item = Any if hint is Any else get_args(hint)[0]
    checked = [check(node, item, (*path, str(i)), findings) for i, node in enumerate(value)]
    return [placeholder(item) if v is _BAD else v for v in checked]


def _leaf(value: object, hint: Any) -> object:
    """Return a scalar as the hint wants it (a whole number will do for a number), or `_BAD`."""
    accepted = [base(each) for each in (get_args(hint) if is_union(hint) else (hint,))]
    if value is None or not fits(value, hint):
        return _BAD
    return float(value) if type(value) is int and not {Any, int} & {*accepted} else value


def _interpolation(node: Node, hint: Any, path: tuple[str, ...], findings: Findings) -> object:
    """Keep a `${...}` for later: its type shows when everything else is in place."""
    try:
        OmegaConf.create([node.value])
    except GrammarParseError:
        return findings.add(node, path, f"{node.value!r} is not a valid ${{...}} reference")
    findings.interpolations.append((path, node, hint))
    return node.value


def _hints(schema: Any) -> Mapping[str, Any]:
    return get_type_hints(schema, include_extras=True)


hints_of: Callable[[Any], Mapping[str, Any]] = cache(_hints)
"""Returns the types of the fields of a dataclass, with their domains."""


def placeholder(hint: Any) -> Any:
    """Return a value of a type, for one that has a problem and has no default."""
    bare = strip_optional(hint)
    if dataclasses.is_dataclass(bare):
        hints = hints_of(bare)
        needed = [f for f in dataclasses.fields(bare) if not _has_default(f)]
        return {f.name: placeholder(hints[f.name]) for f in needed}
    accepted = get_args(bare) if is_union(bare) else (bare,)
    first = base(accepted[0])
    kind = get_origin(first) or first
    return {} if kind is Any else kind()


def strip_optional(hint: Any) -> Any:
    """Return `X` for `X | None`, any other hint as it is."""
    if not is_union(hint):
        return hint
    return Union[tuple(arg for arg in get_args(hint) if arg is not NoneType)]  # noqa: UP007


def entry_schema(hint: Any) -> Any:
    """Return `X` for a `dict[str, X]` of dataclasses, None for any other hint."""
    item = get_args(hint)[1] if get_origin(hint) is dict else None
    return item if dataclasses.is_dataclass(item) else None


def present(entries: dict[str, Node]) -> list[str]:
    """Return the names of the entries that null has not removed."""
    return [name for name, node in entries.items() if node.value is not None]


def suggest(name: str, known: list[str]) -> str:
    """Suggest the nearest known names, for the end of a message."""
    return nearest(name, known) if known else "; there are none"
