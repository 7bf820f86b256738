"""A report's table of all results, kept, so that its figures can be drawn without the runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msml.errors import DataError, RecipeError
from msml.files import atomic
from msml.report.results import COLUMNS, NUMBERS, Results, named_figures

if TYPE_CHECKING:
    from pandas import DataFrame

NAME = "results.csv"

_PLACE = "directory"
"""Where a run lies: of no meaning elsewhere, so that it is not kept."""


def keep(table: "DataFrame", folder: Path) -> Path:
    """Write the table of some results, `Results.table`, into a folder."""
    path = folder / NAME
    with atomic(path) as temporary:
        table.drop(columns=_PLACE).to_csv(temporary, index=False)
    return path


def of_table(recipe: str, overrides: Sequence[str], path: Path) -> Results:
    """Take the results for a recipe's figures from a table that was kept.

    Raises:
        DataError: There is no such table.
        RecipeError: The recipe is wrong, or there are overrides, which choose runs.
    """
    from pandas import errors, read_csv, to_numeric

    if overrides:
        raise RecipeError(f"{overrides[0]}: the results of {path} cannot be overridden")
    figures = named_figures(recipe)
    try:
        table = read_csv(path, float_precision="round_trip")
    except (OSError, UnicodeDecodeError, errors.EmptyDataError, errors.ParserError) as error:
        reason = getattr(error, "strerror", None) or "is no table"
        raise DataError(f"{path}: {reason}; expected the {NAME} of a report") from error
    if absent := [name for name in COLUMNS if name not in (_PLACE, *table.columns)]:
        raise DataError(f"{path}: has no column '{absent[0]}'; expected the {NAME} of a report")
    for name in NUMBERS:
        try:
            to_numeric(table[name])
        except ValueError as error:
            raise DataError(f"{path}: column '{name}': {error}; expected numbers") from error
    table["strategy"] = table["strategy"].fillna("")  # of pairs that a recipe gives
    # It says which rows are one run's.
    table = table.assign(directory=table["run"], identity=table["run"])
    return Results(
        name=f"{recipe}, from {path}",
        figures=figures,
        table=table[list(COLUMNS)],
        runs=(),
        points=0,
        missing=(),
        every=table,
    )
