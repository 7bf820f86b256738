"""Command that shows how far runs have come."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from msml.cli.command import command
from msml.cli.options import runs_option
from msml.errors import DataError


@command(DataError)
@click.argument("recipe", required=False)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@runs_option
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--verify", is_flag=True, help="Compare all files with their digests, too.")
def status(
    recipe: str | None, overrides: tuple[str, ...], runs: Path, as_json: bool, verify: bool
) -> None:
    """Show what is done, running, failed or interrupted. Of a recipe's run, or of all runs.

    With --verify, files that are not as they were written are named, and the exit code is 3. Of all
    runs, what they share is verified too. The command that made a damaged file makes it again.

    \b
    Example:
      msml status recipes/quick.yaml seed=3
      msml status --verify
    """
    from msml.report.status import show_run, show_runs
    from msml.runs.repair import verify as verified
    from msml.runs.status import find_runs, run_of
    from msml.runs.status import status as status_of

    paths = [run_of(recipe, overrides, runs)] if recipe else find_runs(runs)
    found = [status_of(path) for path in paths]
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], indent=2))
    elif recipe:
        show_run(found[0])
    else:
        show_runs(found, runs)
    if verify:
        files, wrong = verified(paths[0] if recipe else runs)
        if wrong:
            raise DataError("\n".join(wrong))
        click.echo(f"{files} files are as they were written", err=as_json)
