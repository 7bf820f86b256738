"""The wording of problems in recipes, and the rule for names."""

import re
from collections.abc import Iterable

from msml.errors import ends, nearest

Problem = tuple[str, str]
"""A dotted key and a message."""

_LONGEST = 64
_NAME = re.compile(rf"\w[\w.-]{{0,{_LONGEST - 1}}}", re.ASCII)
# `+` joins the names of a chain's candidates; files of runs have these endings.
_ENDINGS = (".h5", ".json", ".jsonl", ".pdf", ".png", ".tmp", ".yaml")
_TASKS = ("event", "total", "weight")  # stand beside the tasks' names in what a run leaves


def name_problem(name: str, task: bool = False) -> str | None:
    """Say why a name cannot be that of a run, a candidate or a task, or None."""
    if not _NAME.fullmatch(name):
        allowed = f"expected at most {_LONGEST} letters, digits, _ . -"
        return f"{ends(name)!r} cannot be a name; {allowed}"
    if name.endswith(_ENDINGS):
        return f"'{name}' cannot be a name; it ends as files do"
    if task and name in _TASKS:
        return f"'{name}' cannot name a task; it is taken, as {' and '.join(_TASKS)} are"
    return None


def any_below(keys: Iterable[str], *parents: str) -> bool:
    """Say whether any of some dotted keys is one of the parents, or below one."""
    return any(f"{key}.".startswith(f"{parent}.") for key in keys for parent in parents)


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """Say that a name is not known, with the nearest known ones."""
    names = list(known)
    return f"unknown {what} '{name}'" + (nearest(str(name), names) if names else "; there are none")


def too_many(number: int, what: str, most: int, key: str = "") -> str:
    """Say that a total is too large, and which key raises its limit."""
    key = key or f"limits.{what}"
    return f"{number} {what}; expected {most} at most, or also a larger `{key}`"
