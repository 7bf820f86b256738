"""What statements about results are made of: numbers with errors, from the table of all runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from itertools import pairwise
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any

from msml.errors import RecipeError, nearest
from msml.report.looks import first_of_each_run, mean_and_error
from msml.report.power import fit
from msml.report.results import once

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_BY_SEED = "seed"


@dataclass(frozen=True)
class Number:
    """One measured number.

    Attributes:
        group: What it is of.
        value: NaN where there is nothing.
        error: Its standard error; NaN where that is unknown.
        freedom: Degrees of freedom of the error.
    """

    group: str
    value: float
    error: float
    freedom: float


def difference(
    table: "DataFrame", *, column: str, along: str, against: Any, by: Sequence[str] = ()
) -> Iterator[Number]:
    """Difference of a column to its value at one place along another, paired by seed."""
    for group, wide in _wide(table, column, along, by):
        for other in wide.columns:
            if against in wide.columns and other != against:
                name = _name([*group, f"{along} {_text(other)} - {_text(against)}"])
                yield _paired(name, wide[other] - wide[against])


def steps(
    table: "DataFrame", *, column: str, along: str, by: Sequence[str] = ()
) -> Iterator[Number]:
    """Differences of a column between neighbours along another, paired by seed."""
    for group, wide in _wide(table, column, along, by):
        for before, after in pairwise(wide.columns):
            name = _name([*group, f"{along} {_text(after)} - {_text(before)}"])
            yield _paired(name, wide[after] - wide[before])


def share(
    table: "DataFrame", *, candidates: Sequence[str], by: Sequence[str] = ("strategy",)
) -> Iterator[Number]:
    """Fraction of runs that select one of some candidates; it is exact, for these runs."""
    rows = first_of_each_run(table[table["selected"].notna()])
    for key, here in _groups(rows, by):
        chosen = here["selected"].map(lambda pair: bool(set(candidates) & set(pair.split("+"))))
        yield Number(_name(key), float(chosen.mean()), 0.0, inf)


def exponent(
    table: "DataFrame", *, column: str, by: Sequence[str] = ("strategy", "events")
) -> Iterator[Number]:
    """Power with which a column grows with the number of models of a task."""
    for key, here in _groups(first_of_each_run(table[table[column].notna()]), by):
        law = fit(here["models"].to_numpy(float), here[column].to_numpy(float))
        if law:
            yield Number(_name(key), law.exponent, law.exponent_error, law.points - 2)


def mean(
    table: "DataFrame", *, column: str, by: Sequence[str] = (), spread: float | None = None
) -> Iterator[Number]:
    """Mean of a column over runs with its standard error.

    That is the `spread` of single runs over √n where it is given, else from the runs themselves;
    of one run, the error from resampling the test events.
    """
    for key, here in _groups(table[table[column].notna()], by):
        about = mean_and_error(here[column], here.get(f"{column} error"))
        runs = int(about["runs"])
        if spread is None:
            yield Number(_name(key), about["mean"], about["error"], runs - 1 if runs > 1 else inf)
        else:
            yield Number(_name(key), about["mean"], spread / runs**0.5, inf)


KINDS: dict[str, Callable[..., Iterator[Number]]] = {
    function.__name__: function for function in (difference, steps, mean, share, exponent)
}


def check(settings: Mapping[str, Any]) -> str:
    """Say what is wrong with the settings of a measurement; empty where nothing is."""
    kind = str(settings.get("kind"))
    if kind not in KINDS:
        return f"unknown kind '{kind}'{nearest(kind, list(KINDS))}"
    try:
        signature(KINDS[kind]).bind(None, **_arguments(settings))
    except TypeError as error:
        return f"{kind}: {error}"
    return ""


def measure(
    table: "DataFrame", settings: Mapping[str, Any], where: Mapping[str, Any]
) -> list[Number]:
    """Carry out a measurement on the rows that fit.

    Args:
        table: All rows, see `msml.report.results.described`.
        settings: `kind` and its arguments.
        where: A value, a list of values, or `{least: …, most: …}` for some columns.

    Raises:
        RecipeError: It names a column that there is not.
    """
    arguments = _arguments(settings)
    named = [*where, *arguments.get("by", ())]
    named += [arguments[name] for name in ("column", "along") if name in arguments]
    if wrong := [name for name in named if name not in table.columns]:
        raise RecipeError(f"unknown column '{wrong[0]}'{nearest(wrong[0], list(table.columns))}")
    for column, wanted in where.items():
        table = table[_fits(table[column], wanted)]
    table = once(table, named)  # recipes of a report may share runs
    return list(KINDS[settings["kind"]](table, **arguments))


def _arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "kind"}


def _fits(values: "Series[Any]", wanted: Any) -> "Series[bool]":
    if isinstance(wanted, Mapping):
        return (values >= wanted.get("least", -inf)) & (values <= wanted.get("most", inf))
    return values.isin(wanted if isinstance(wanted, list) else [wanted])


def _wide(
    table: "DataFrame", column: str, along: str, by: Sequence[str]
) -> Iterator[tuple[list[str], "DataFrame"]]:
    """Yield a table for each group: a row for each seed, a column for each place."""
    rows = table[table[column].notna()]
    for key, here in _groups(rows, by):
        yield (
            [str(part) for part in key],
            here.pivot_table(index=_BY_SEED, columns=along, values=column),
        )


def _groups(rows: "DataFrame", by: Sequence[str]) -> "Iterator[tuple[tuple[Any, ...], DataFrame]]":
    if not len(rows):
        return
    if not by:
        yield (), rows
        return
    for key, here in rows.groupby(list(by), dropna=False):
        yield key if isinstance(key, tuple) else (key,), here


def _paired(name: str, differences: "Series[Any]") -> Number:
    found = mean_and_error(differences)
    error = found["error"] if isfinite(found["error"]) else nan
    return Number(name, found["mean"], error, found["runs"] - 1)


def _name(parts: Sequence[Any]) -> str:
    return ", ".join(_text(part) for part in parts if part == part and part != "")


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
