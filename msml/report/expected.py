"""Statements about results, and whether they hold.

One rule for all: a number is above a limit if the lower end of its one-sided 95 % interval is, and
below if the upper end is. A statement holds where that follows, fails where its contrary follows,
and is undecided where neither does. One about a subset of the test split of which there is nothing
cannot be judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from msml.errors import RecipeError
from msml.metrics import on_subset
from msml.recipe import load
from msml.recipe.messages import unknown
from msml.registry import figures as registered
from msml.report.measures import Number, check, measure
from msml.sweep.collect import ABSENT

if TYPE_CHECKING:
    from pandas import DataFrame

HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"
NOT_JUDGED = "cannot be judged"
_WORST = (FAILS, UNDECIDED, HOLDS)
_LIMITS = ("above", "below", "not_above", "not_below", "between")


@dataclass(frozen=True)
class Statement:
    """What is expected.

    Attributes:
        says: The statement in words.
        figure: The figure whose runs it is about.
        measure: `kind` of the measurement and its arguments; see `msml.report.measures`.
        expect: `above`, `below`, `not_above` or `not_below` a number, or `between` two.
        subset: The subset of the test split on which the measured column is taken; all where null.
        where: Which rows: a value, a list of values or `{least: …, most: …}` for some columns.
        confidence: Of the one-sided interval; higher where many numbers are compared.
    """

    says: str
    figure: str
    measure: dict[str, Any]
    expect: dict[str, Any]
    subset: str | None = None
    where: dict[str, Any] = field(default_factory=dict)
    confidence: float = 0.95


@dataclass(frozen=True)
class Expected:
    """The file of statements."""

    statements: dict[str, Statement] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """Whether a statement holds.

    Attributes:
        name: Its name.
        says: The statement.
        expected: Its limit, in words.
        verdict: `holds`, `fails`, `undecided` or `cannot be judged`.
        worst: The number that decides.
        numbers: All numbers.
        reason: Why it cannot be judged.
    """

    name: str
    says: str
    expected: str
    verdict: str
    worst: Number | None
    numbers: tuple[Number, ...]
    reason: str = ""


def read(path: str) -> dict[str, Statement]:
    """Read a file of statements, by its path or the name of a shipped one.

    Raises:
        RecipeError: Holds all problems found.
    """
    loaded = load(path, Expected)
    problems, known = [], registered.names()
    for name, statement in loaded.values.statements.items():
        key = f"statements.{name}"
        if statement.figure not in known:
            problems.append((f"{key}.figure", unknown("figure", statement.figure, known)))
        if message := check(statement.measure):
            problems.append((f"{key}.measure", message))
        elif statement.subset is not None and "column" not in statement.measure:
            message = f"'{statement.measure['kind']}' has no column to take on a subset"
            problems.append((f"{key}.subset", message))
        if message := _check_limit(statement.expect):
            problems.append((f"{key}.expect", message))
    loaded.fail(problems)
    return loaded.values.statements


def verdicts(
    statements: Mapping[str, Statement], figures: Sequence[str], table: "DataFrame"
) -> list[Verdict]:
    """Judge the statements about some figures.

    Args:
        statements: All.
        figures: Names of figures.
        table: All rows, see `msml.report.results.described`.

    Raises:
        RecipeError: One names a column that there is not, or none is about these figures.
    """
    asked = {name: each for name, each in statements.items() if each.figure in figures}
    if not asked:
        raise RecipeError(
            f"no statement is about {', '.join(figures) or 'a recipe without figures'}"
        )
    found = []
    for name, each in asked.items():
        try:
            found.append(_verdict(name, each, *_measured(each, table)))
        except RecipeError as error:
            raise RecipeError(f"statements.{name}: {error}") from error
    return found


def _measured(statement: Statement, table: "DataFrame") -> tuple[list[Number], str]:
    """Carry out a statement's measurement; where nothing of its subset is measured, say why."""
    if statement.subset is None:
        return measure(table, statement.measure, statement.where), ""
    column = on_subset(statement.measure["column"], statement.subset)
    absent = f"{ABSENT}{statement.subset}"
    reasons = list(table[absent].dropna().unique()) if absent in table.columns else []
    if not any("/" in known for known in table.columns):
        reasons = reasons or ["nothing is measured; the same recipe's evaluate does that"]
    if reasons and column not in table.columns:
        return [], "; ".join(reasons)
    numbers = measure(table, {**statement.measure, "column": column}, statement.where)
    return numbers, "" if numbers else "; ".join(reasons)


def judge(number: Number, expect: Mapping[str, Any], confidence: float = 0.95) -> str:
    """Compare one number with its limit."""
    half = number.error * _quantile(confidence, number.freedom) if number.error else 0.0
    low, high = number.value - half, number.value + half
    if not (isfinite(low) and isfinite(high)):
        return UNDECIDED
    ((kind, limit),) = expect.items()
    if kind == "between":
        inside, outside = low >= limit[0] and high <= limit[1], high < limit[0] or low > limit[1]
    elif kind in ("above", "not_below"):
        inside, outside = low > limit, high < limit
    else:
        inside, outside = high < limit, low > limit
    if kind.startswith("not_"):
        inside |= low >= limit if kind == "not_below" else high <= limit
    return HOLDS if inside else FAILS if outside else UNDECIDED


def show(found: Sequence[Verdict], title: str) -> None:
    """Print a table of statements and verdicts."""
    from msml.tables import NONE, say, with_error
    from msml.tables import show as show_table

    rows = []
    for each in found:
        measured, group = NONE, "no results"
        if each.worst:
            error = each.worst.error if isfinite(each.worst.error) else None
            measured = with_error({"value": each.worst.value, "error": error}, sign=True)
            group = each.worst.group
        elif each.reason:
            group = each.reason
        rows.append((each.says, group, measured, each.expected, each.verdict))
    headings = ("statement", "of", "measured", "expected", "verdict")
    show_table(f"Results of {title}", headings, rows, numbers=())
    say(
        "of: where several numbers are compared, the one that decides; ±: standard error over "
        "seeds, for the mean of one run from resampling the test events"
    )


def _verdict(name: str, statement: Statement, numbers: Sequence[Number], reason: str) -> Verdict:
    """The worst verdict of all numbers; undecided where there are none and no reason for that."""
    judged = [(judge(n, statement.expect, statement.confidence), n) for n in numbers]
    judged.sort(key=lambda pair: (_WORST.index(pair[0]), -_excess(pair[1], statement.expect)))
    verdict, worst = judged[0] if judged else (NOT_JUDGED if reason else UNDECIDED, None)
    expected = " ".join(_words(*item) for item in statement.expect.items())
    return Verdict(name, statement.says, expected, verdict, worst, tuple(numbers), reason)


def _excess(number: Number, expect: Mapping[str, Any]) -> float:
    """How far a number is on the wrong side, in standard errors; orders equal verdicts."""
    ((kind, limit),) = expect.items()
    if kind == "between":
        distance = max(limit[0] - number.value, number.value - limit[1])
    else:
        distance = (limit - number.value) * (1 if kind in ("above", "not_below") else -1)
    scaled = distance / number.error if number.error and isfinite(number.error) else distance
    return float(scaled) if isfinite(scaled) else float("-inf")


def _quantile(confidence: float, freedom: float) -> float:
    """Standard errors to the end of a one-sided interval: of Student's t; NaN without freedom."""
    from scipy.stats import t

    return float(t.ppf(confidence, freedom)) if freedom >= 1 else float("nan")


def _check_limit(expect: Mapping[str, Any]) -> str:
    if len(expect) != 1 or next(iter(expect)) not in _LIMITS:
        return f"expected one of {', '.join(_LIMITS)}"
    ((kind, limit),) = expect.items()
    several = limit if isinstance(limit, list) else [limit]
    right = len(several) == (2 if kind == "between" else 1)
    if not right or not all(isinstance(number, int | float) for number in several):
        return f"{kind}: expected {'two numbers' if kind == 'between' else 'a number'}"
    return ""


def _words(kind: str, limit: Any) -> str:
    words = kind.replace("_", " ")
    return f"{words} {limit[0]:g} and {limit[1]:g}" if kind == "between" else f"{words} {limit:g}"
