"""The wording of problems in recipes, and the rule for names."""

import re
from collections.abc import Iterable

from msml.errors import nearest

Problem = tuple[str, str]
"""A dotted key and a message."""

_NAME = re.compile(r"\w[\w.+-]*$")


def name_problem(name: str) -> str | None:
    """Say why a name cannot be part of a path, or None."""
    if _NAME.match(name):
        return None
    return f"'{name}' cannot name a file; expected letters, digits and _ . + - only"


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """Say that a name is not known, with the nearest known ones."""
    names = list(known)
    return f"unknown {what} '{name}'" + (nearest(str(name), names) if names else "; there are none")


def too_many(number: int, what: str, most: int, key: str = "") -> str:
    """Say that a total is too large, and which key raises its limit."""
    key = key or f"limits.{what}"
    return f"{number} {what}; expected {most} at most, or also a larger `{key}`"
