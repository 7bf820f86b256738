"""Commands for many runs of one recipe."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from msml.cli.command import TRAINING, command
from msml.cli.options import runs_option
from msml.errors import DataError, IncompleteError, MsmlError, StoppedError
from msml.files import user_path

_TAIL = 20  # lines of a failed unit's log
_json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def _command(*ends: type[MsmlError]) -> Callable[[Callable[..., None]], click.Command]:
    """Make a command that can end with some errors and takes what all of sweeps do."""

    def make(function: Callable[..., None]) -> click.Command:
        for decorator in (
            _json_option,
            runs_option,
            click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]..."),
            click.argument("recipe"),
        ):
            function = decorator(function)
        return command(*ends)(function)

    return make


@_command(DataError, IncompleteError, StoppedError)
def sweep(recipe: str, overrides: tuple[str, ...], runs: Path, as_json: bool) -> None:
    """Run a recipe at every point of its sweep. Does only what is left.

    KEY=A,B,C and KEY=FIRST:END scan a key, besides what the recipe's `sweep` says; a list [A,B] is
    one value.

    \b
    Example:
      msml sweep recipes/quick.yaml seed=0:5 tasks.tau_momentum.weight=0,0.5,0.9
    """
    from msml.sweep.display import word

    plan, outcomes = _execute(recipe, overrides, runs)
    if as_json:
        ended = [{**asdict(plan.units[o.number]), **asdict(o), "state": word(o)} for o in outcomes]
        click.echo(json.dumps(ended, indent=2))
    if bad := [o for o in outcomes if o.exit_code]:
        raise IncompleteError(
            f"{len(bad)} of {len(plan.units)} units were not done; msml collect says which, and "
            "the same command tries them again"
        )


@_command(DataError, IncompleteError, StoppedError)
@click.option(
    "--against",
    metavar="VARIANT",
    help="What to compare with; the first grid search, or the first of all if none searches.",
)
def compare(
    recipe: str, overrides: tuple[str, ...], runs: Path, as_json: bool, against: str | None
) -> None:
    """Run a sweep's variants at the same seeds, and compare choices.

    Does only what is left.

    \b
    Examples:
      msml compare recipes/compare_strategies.yaml seed=0:3
      msml compare recipes/compare_strategies.yaml seed=0:3 --against darts
    """
    from msml.runs.directory import finite
    from msml.sweep.compare import check_variant, compared_with, results, variants_axis
    from msml.sweep.compare import compare as work
    from msml.sweep.plan import make
    from msml.sweep.tables import show_comparison

    planned = make(recipe, overrides, runs)
    axis = variants_axis(planned)
    if against is not None:
        check_variant(planned, axis, against)
    plan, outcomes = _execute(recipe, overrides, runs)
    found = list(results(plan, axis))
    reference = against or compared_with(found)
    lines = work(found, reference)
    if as_json:
        click.echo(json.dumps(finite([asdict(line) for line in lines]), indent=2))
    elif lines:
        show_comparison(lines, reference)
    if bad := [o for o in outcomes if o.exit_code]:
        raise IncompleteError(f"{len(bad)} of {len(plan.units)} units were not done")


@_command(DataError)
@click.option(
    "--estimate", is_flag=True, help="Say how long it may take, from a step of each model."
)
def plan(
    recipe: str, overrides: tuple[str, ...], runs: Path, as_json: bool, estimate: bool
) -> None:
    """List the units of a sweep, what each needs and what is done. Writes plan.json.

    Beside it go slurm.sh and htcondor.sub, which carry out the plan without Dask.

    \b
    Example:
      msml plan recipes/quick.yaml seed=0:5 --estimate
    """
    from msml.sweep.plan import make
    from msml.sweep.tables import show_estimate, show_plan

    made = make(recipe, overrides, runs)
    written, timed = _write(made), None
    if estimate:
        from msml.sweep.estimate import estimate as work

        click.echo("timing a step of each model", err=True)
        timed = work(made)
    if as_json:
        units = [{**asdict(unit), "state": made.state(unit)} for unit in made.units]
        found = {"plan": str(written[0]), "points": made.points, "units": units}
        if timed is not None:
            found["estimate"] = [asdict(part) for part in timed.parts]
            found["uncounted"] = timed.uncounted
        click.echo(json.dumps(found, indent=2))
        return
    show_plan(made)
    if timed is not None:
        show_estimate(made, timed)
    click.echo(f"written: {', '.join(str(path) for path in written)}")


@command(*TRAINING, name="run-unit")
@click.argument("plan", type=user_path)
@click.argument("number", type=click.IntRange(0))
@click.option("--requeue", is_flag=True, help="If stopped, have Slurm queue this job again.")
def run_unit(plan: Path, number: int, requeue: bool) -> None:
    """Do one unit of a plan; its exit code is that of the unit.

    \b
    Example:
      msml run-unit runs/quick/sweep-1a2b3c4d/plan.json 3
    """
    from msml.sweep.plan import LOG
    from msml.sweep.single import run_one
    from msml.sweep.unit import tail

    made, unit, outcome = run_one(plan, number, requeue)
    for line in tail(made, unit, _TAIL) if outcome.exit_code else ():
        click.echo(line, err=True)
    log = made.directory(unit) / LOG
    click.echo(f"unit {number}, {unit.stage}: exit code {outcome.exit_code}; {log}", err=True)
    raise click.exceptions.Exit(outcome.exit_code)


@_command(DataError, IncompleteError)
def collect(recipe: str, overrides: tuple[str, ...], runs: Path, as_json: bool) -> None:
    """Gather all results of a sweep in one table. Writes CSV, JSON and Parquet.

    Names what is missing or failed, and then leaves with exit code 5.

    \b
    Example:
      msml collect recipes/quick.yaml seed=0:5
    """
    from msml.runs.directory import finite
    from msml.sweep.collect import collect as gather
    from msml.sweep.collect import write
    from msml.sweep.plan import make
    from msml.sweep.tables import missing_lines, show_rows

    made = make(recipe, overrides, runs)
    rows, missing = gather(made)
    written = list(write(rows, made.file("")))
    if as_json:
        found = {"rows": finite(rows), "missing": [asdict(each) for each in missing]}
        click.echo(json.dumps(found, indent=2))
    else:
        if rows:
            show_rows(rows, f"Sweep of {recipe}")
        click.echo(f"written: {', '.join(str(path) for path in written)}")
    for line in missing_lines(missing):
        click.echo(line, err=True)
    if missing:
        raise IncompleteError(f"{len(missing)} of {len(made.units)} units have no result")


def _execute(recipe: str, overrides: tuple[str, ...], runs: Path) -> tuple[Any, Any]:
    """Carry out what is left of a sweep; its plan and how its units ended."""
    from rich.console import Console

    from msml.sweep.display import SweepDisplay
    from msml.sweep.execute import Follower, execute
    from msml.sweep.plan import make
    from msml.sweep.points import settings

    plan = make(recipe, overrides, runs)
    _write(plan)
    with SweepDisplay(plan, Console(stderr=True)) as display:
        follower = Follower(display.say, display.look, display.ended)
        return plan, execute(plan, settings(recipe, overrides)[0], follower)


def _write(plan: Any) -> list[Path]:
    """Write a plan and the files for batch systems beside it."""
    from msml.sweep import batch
    from msml.sweep.plan import write

    path = write(plan)
    return [path, *batch.write(plan, path)]
