"""Commands that train and measure."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from msml.stages.session import Session


def _stage(function: Callable[..., None]) -> click.Command:
    """Add what all stages take."""
    for decorator in (
        click.option("--json", "as_json", is_flag=True, help="Print results as JSON."),
        click.option(
            "--runs",
            type=click.Path(path_type=Path),
            default=Path("runs"),
            help="Folder of all runs.",
            show_default=True,
        ),
        click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]..."),
        click.argument("recipe"),
    ):
        function = decorator(function)
    return click.command()(function)


def _carry_out(
    recipe: str,
    overrides: tuple[str, ...],
    runs: Path,
    as_json: bool,
    work: "Callable[[Session], Any]",
    show: Callable[[Any], None],
) -> None:
    """Open the run, do the work in it, and print the result."""
    from msml.stages.opening import opened

    with opened(recipe, overrides, runs) as session:
        result = work(session)
        if as_json:
            click.echo(json.dumps(result, indent=2))
        else:
            show(result)
            click.echo(f"run: {session.directory.path}")


@_stage
def pretrain(recipe: str, overrides: tuple[str, ...], runs: Path, as_json: bool) -> None:
    """Train every candidate of every task alone, on simulation truth."""
    from msml.stages.pretrain import pretrain as work
    from msml.stages.tables import show_pretrained

    _carry_out(recipe, overrides, runs, as_json, work, show_pretrained)


@_stage
def posttrain(recipe: str, overrides: tuple[str, ...], runs: Path, as_json: bool) -> None:
    """Connect the chosen candidates and train the chain; pre-trains what is missing."""
    from msml.stages.posttrain import posttrain as work
    from msml.stages.tables import show_posttrained

    _carry_out(recipe, overrides, runs, as_json, work, show_posttrained)


@_stage
def evaluate(recipe: str, overrides: tuple[str, ...], runs: Path, as_json: bool) -> None:
    """Measure the trained chains on the test split; trains what is missing."""
    from msml.stages.evaluate import evaluate as work
    from msml.stages.tables import show_evaluated

    _carry_out(recipe, overrides, runs, as_json, work, show_evaluated)


@_stage
def run(recipe: str, overrides: tuple[str, ...], runs: Path, as_json: bool) -> None:
    """Do all stages of a recipe."""
    from msml.stages.run import run as work
    from msml.stages.tables import show_evaluated

    _carry_out(recipe, overrides, runs, as_json, work, show_evaluated)
