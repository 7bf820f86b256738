"""Commands that show the results of many runs, and hold them to what is expected."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from msml.cli.command import command
from msml.cli.completing import complete_override
from msml.cli.options import PATH, overrides_argument, recipe_argument, runs_option
from msml.errors import DataError, IncompleteError

if TYPE_CHECKING:
    from msml.report.results import Results


_kept = click.option(
    "--results",
    "kept",
    type=PATH,
    metavar="FILE",
    help="Take numbers from the results.csv of an earlier report, not from runs.",
)


@command(DataError)
@recipe_argument
@click.argument(
    "overrides", nargs=-1, metavar="[KEY=VALUE | RUN]...", shell_complete=complete_override
)
@runs_option
@click.option("--output", type=PATH, metavar="PATH", help="Folder of the report.")
@_kept
@click.option("--json", "as_json", is_flag=True, help="Print the files written as JSON.")
def report(
    recipe: str,
    overrides: tuple[str, ...],
    runs: Path,
    output: Path | None,
    kept: Path | None,
    as_json: bool,
) -> None:
    """Draw the figures of a sweep, or of runs, on an HTML page.

    Shows what is there and says what is missing. Figures go beside the page as PNG and PDF, their
    numbers as CSV, Markdown and LaTeX; by default into RUNS/NAME/report/RECIPE.

    \b
    Example:
      msml report recipes/paper/small/fig2.yaml
      msml report runs/quick/seed=0-1a2b3c4d
    """
    from msml.report.gather import gather
    from msml.report.write import check_folder, write

    if output:
        check_folder(output)
    results, folder = gather(recipe, overrides, runs, kept)
    written = write(results, output or folder)
    if as_json:
        found = {"files": list(map(str, written.files)), "undrawn": written.undrawn}
        click.echo(json.dumps({**found, "missing": results.missing}, indent=2))
        return
    for name, reason in written.undrawn.items():
        click.echo(f"{name}: {reason}", err=True)
    _say_missing(results, "the page names them")
    beside = len(written.files) - 1
    files = "1 file" if beside == 1 else f"{beside} files"
    click.echo(f"written: {written.page} and {files} beside it")


@command(DataError, IncompleteError)
@recipe_argument
@overrides_argument
@runs_option
@click.option("--expected", metavar="FILE", help="File of the statements; else the recipe's.")
@_kept
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts as JSON.")
def check(
    recipe: str,
    overrides: tuple[str, ...],
    runs: Path,
    expected: str | None,
    kept: Path | None,
    as_json: bool,
) -> None:
    """Compare a sweep's results with what is expected of its figures.

    Leaves with exit code 5 if a statement fails or no run is done; a statement that the runs cannot
    decide is no failure.

    \b
    Example:
      msml check recipes/paper/small/fig2.yaml
      msml check recipes/paper/small/fig2.yaml --results results.csv
    """
    from msml.report.expected import read, show, verdicts
    from msml.report.kept import of_table
    from msml.report.results import of_recipe, statements_of
    from msml.runs.directory import finite

    statements = read(expected or statements_of(recipe))
    results = of_table(recipe, overrides, kept) if kept else of_recipe(recipe, overrides, runs)
    found = verdicts(statements, results.figures, results.every)
    if results.table.empty:
        raise IncompleteError(f"no run has a result to check; do them with: msml sweep {recipe}")
    if as_json:
        click.echo(json.dumps(finite([asdict(each) for each in found]), indent=2))
    else:
        show(found, recipe)
    _say_missing(results, "msml collect names them")
    _fail([each.name for each in found if each.verdict == "fails"], len(found))


def _say_missing(results: "Results", where: str) -> None:
    if results.missing:
        units = sum(not line.startswith(" ") for line in results.missing)
        what = "unit has" if units == 1 else "units have"
        click.echo(f"{units} {what} no result; {where}", err=True)


def _fail(failed: Sequence[str], number: int) -> None:
    if failed:
        raise IncompleteError(f"{len(failed)} of {number} statements fail: {', '.join(failed)}")
