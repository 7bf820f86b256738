"""Commands that train and measure."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from msml.cli.options import runs_option
from msml.signals import BATCH_SIGNALS, stop_on_signals

if TYPE_CHECKING:
    from msml.stages.session import Session


def _stage(function: Callable[..., None]) -> click.Command:
    """Add what all stages take; a signal before they hold the run, too, ends them with 85."""

    @wraps(function)
    def stoppable(**options: Any) -> None:
        with stop_on_signals("nothing was begun; run the same command again", BATCH_SIGNALS):
            function(**options)

    command: Callable[..., None] = stoppable
    for decorator in (
        click.option("--json", "as_json", is_flag=True, help="Print results as JSON."),
        click.option("--tensorboard", is_flag=True, help="Write logs for TensorBoard too."),
        runs_option,
        click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]..."),
        click.argument("recipe"),
    ):
        command = decorator(command)
    return click.command()(command)


def _carry_out(
    work: "Callable[[Session], Any]",
    show: Callable[[Any], None],
    *,
    recipe: str,
    overrides: tuple[str, ...],
    runs: Path,
    as_json: bool,
    tensorboard: bool,
) -> None:
    """Open the run, do the work in it, and print the result."""
    from msml.runs.directory import finite
    from msml.stages.opening import opened

    with opened(recipe, overrides, runs, tensorboard) as session:
        result = work(session)
    # Progress is off the terminal only now.
    if as_json:
        click.echo(json.dumps(finite(result), indent=2))
    else:
        show(result)
        click.echo(f"run: {session.directory.path}")


@_stage
def pretrain(**options: Any) -> None:
    """Train every candidate of every task alone, on simulation truth."""
    from msml.report.run import show_pretrained
    from msml.stages.pretrain import pretrain as work

    _carry_out(work, show_pretrained, **options)


@_stage
def search(**options: Any) -> None:
    """Let the strategy choose a candidate of each task. Pre-trains what is missing."""
    from msml.report.selection import show_selection
    from msml.stages.search import search as work

    _carry_out(lambda session: asdict(work(session)), show_selection, **options)


@_stage
def grid(**options: Any) -> None:
    """Train every combination of candidates, and rank them on valid."""
    from msml.report.selection import show_selection
    from msml.strategies.grid import every_combination as work

    _carry_out(lambda session: asdict(work(session)), show_selection, **options)


@_stage
def posttrain(**options: Any) -> None:
    """Connect the chosen candidates and train the chain. Searches and pre-trains if need be."""
    from msml.report.run import show_posttrained
    from msml.stages.posttrain import posttrain as work

    _carry_out(work, show_posttrained, **options)


@_stage
def evaluate(**options: Any) -> None:
    """Measure the trained chains on the test split. Trains what is missing."""
    from msml.report.run import show_evaluated
    from msml.stages.evaluate import evaluate as work

    _carry_out(work, show_evaluated, **options)


@_stage
def run(**options: Any) -> None:
    """Do all stages of a recipe."""
    from msml.report.run import show_evaluated
    from msml.stages.run import run as work

    _carry_out(work, show_evaluated, **options)
