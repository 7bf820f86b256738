"""Cuts on branches: an operator and a value each, nothing that could be code."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from msml.data.importers.branches import Branch, Kind
from msml.data.kinematics import Array
from msml.errors import nearest

OPERATORS: dict[str, Callable[[Array, Any], Array]] = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "in": np.isin,
    "not in": lambda values, known: ~np.isin(values, known),
}
_ORDER = (">", ">=", "<", "<=")


@dataclass(frozen=True)
class Cut:
    """What an event must pass.

    Attributes:
        branch: A branch with one number or text for each event.
        operator: One of `OPERATORS`.
        value: A number or a text; a list of them for `in` and `not in`.
    """

    branch: str
    operator: str
    value: Any

    def __str__(self) -> str:
        return f"{self.branch} {self.operator} {self.value}"


def cut_problem(given: object) -> str | None:
    """Say what is wrong with a cut as a recipe has it, or None."""
    if not isinstance(given, list) or len(given) != 3 or not isinstance(given[0], str):
        return f"expected [BRANCH, OPERATOR, VALUE], got {given!r}"
    _, operator, value = given
    if operator not in OPERATORS:
        return f"unknown operator '{operator}'{nearest(str(operator), [*OPERATORS])}"
    several = operator in ("in", "not in")
    if several != isinstance(value, list):
        return f"'{operator}' needs {'a list' if several else 'one value'}, got {value!r}"
    kinds = {type(item) for item in (value if several else [value])}
    if kinds <= {int, float, bool} or (kinds == {str} and operator not in _ORDER):
        return None
    allowed = "numbers" if operator in _ORDER else "numbers or texts"
    return f"'{operator}' compares with {allowed}, got {value!r}"


def kind_problem(cut: Cut, kind: Kind) -> str | None:
    """Say why a cut does not fit its branch, or None."""
    if kind.jagged or kind.sizes:
        return f"branch '{cut.branch}' is {kind}, expected one value for each event"
    value = cut.value[0] if isinstance(cut.value, list) and cut.value else cut.value
    if isinstance(value, str) != (kind.dtype is None) and value != []:
        return f"branch '{cut.branch}' holds {kind}, compared with {cut.value!r}"
    return None


def passing(cut: Cut, branch: Branch, missing: Array) -> Array:
    """Return `(rows,) bool`; an event whose value is missing passes no cut."""
    test = OPERATORS[cut.operator]
    if branch.words is not None:
        passed = test(branch.words.astype(str), cut.value)[branch.values]
    else:
        passed = test(branch.values, like(branch.values, cut.value))
    return passed & ~missing


def like(values: Array, numbers: float | Sequence[float]) -> Array:
    """Return numbers of a recipe in the type of fractions: 0.1 equals a float32 of 0.1."""
    return np.asarray(numbers, values.dtype if values.dtype.kind == "f" else None)
