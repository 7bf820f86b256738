"""Commands that train and measure."""

import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from msml.cli.command import TRAINING, command
from msml.cli.options import overrides_argument, recipe_argument, runs_option
from msml.errors import RecipeError
from msml.signals import BATCH_SIGNALS, stop_on_signals

if TYPE_CHECKING:
    from msml.stages.session import Session


_tensorboard = click.option("--tensorboard", is_flag=True, help="Write logs for TensorBoard too.")


def _stage(function: Callable[..., None]) -> click.Command:
    """Add what all stages take."""
    return _in_run(_tensorboard(function))


def _in_run(function: Callable[..., None]) -> click.Command:
    """Add what all work in a run takes; a signal before it is held, too, ends it with 85."""

    @wraps(function)
    def stoppable(**options: Any) -> None:
        with stop_on_signals("nothing was begun; run the same command again", BATCH_SIGNALS):
            function(**options)

    taking: Callable[..., None] = stoppable
    for decorator in (
        click.option("--json", "as_json", is_flag=True, help="Print results as JSON."),
        runs_option,
        overrides_argument,
        recipe_argument,
    ):
        taking = decorator(taking)
    return command(*TRAINING)(taking)


def _carry_out(
    work: "Callable[[Session], Any]",
    show: Callable[[Any], None],
    *,
    recipe: str,
    overrides: tuple[str, ...],
    runs: Path,
    as_json: bool,
    tensorboard: bool = False,
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


def _choose(work: "Callable[[Session], Any]", **options: Any) -> None:
    """Choose among candidates, and print the choice beside what each of them costs."""
    from msml.report.selection import show_selection, with_costs

    def choose(session: "Session") -> dict[str, Any]:
        return with_costs(work(session), session.directory.path)

    _carry_out(choose, show_selection, **options)


@_stage
def pretrain(**options: Any) -> None:
    """Train every candidate of every task alone, on simulation truth.

    \b
    Example:
      msml pretrain recipes/quick.yaml pretrain.epochs=20
    """
    from msml.report.run import show_pretrained
    from msml.stages.pretrain import pretrain as work

    _carry_out(work, show_pretrained, **options)


@_stage
def search(**options: Any) -> None:
    """Let the strategy choose a candidate of each task. Pre-trains what is missing.

    \b
    Example:
      msml search recipes/quick.yaml strategy.order=first
    """
    from msml.stages.search import search as work

    _choose(work, **options)


@_stage
def grid(**options: Any) -> None:
    """Train every combination of candidates, and rank them on valid.

    \b
    Example:
      msml grid recipes/quick.yaml select.metric=auc
    """
    from msml.strategies.grid import every_combination as work

    _choose(work, **options)


@_stage
def posttrain(**options: Any) -> None:
    """Connect the chosen candidates and train the chain. Searches and pre-trains if need be.

    \b
    Example:
      msml posttrain recipes/quick.yaml 'posttrain.modes=[sequential, joint]'
    """
    from msml.report.run import show_posttrained
    from msml.stages.posttrain import posttrain as work

    _carry_out(work, show_posttrained, **options)


@_stage
def evaluate(**options: Any) -> None:
    """Measure the trained chains on the test split. Trains what is missing.

    \b
    Example:
      msml evaluate recipes/quick.yaml --json
    """
    from msml.report.run import show_evaluated
    from msml.stages.evaluate import evaluate as work

    _carry_out(work, show_evaluated, **options)


@_stage
def run(**options: Any) -> None:
    """Do all stages of a recipe.

    \b
    Example:
      msml run recipes/quick.yaml seed=3 tasks.tau_momentum.weight=0.9
    """
    from msml.report.run import show_evaluated
    from msml.stages.run import run as work

    _carry_out(work, show_evaluated, **options)


@command(*TRAINING)
@click.option("--seeds", required=True, metavar="A,B,C", help="Seeds of the runs; also FIRST:END.")
@click.option("--stage", default="run", help="What is made ready.", show_default=True)
@runs_option
@recipe_argument
@overrides_argument
def replicas(recipe: str, overrides: tuple[str, ...], seeds: str, stage: str, runs: Path) -> None:
    """Train runs of several seeds at once, in one graph, as far as no search is needed for it.

    Candidates alone, combinations of a grid, or the chains that the recipe chooses. `msml run` of
    each seed then goes on from there. A sweep does this by itself where it has `sweep.replicas`.

    \b
    Example:
      msml replicas recipes/quick.yaml --seeds 0:20
    """
    from msml.recipe.messages import unknown
    from msml.recipe.schema import STAGES
    from msml.stages.opening import opened_together
    from msml.strategies.together import train_together

    if stage not in STAGES:
        raise RecipeError(f"--stage: {unknown('stage', stage, STAGES)}")
    several = [(*overrides, f"seed={seed}") for seed in _numbers("--seeds", seeds)]
    with (
        stop_on_signals("nothing was begun; run the same command again", BATCH_SIGNALS),
        opened_together(recipe, several, runs) as sessions,
    ):
        train_together(sessions, stage)
    for session in sessions:
        click.echo(f"run: {session.directory.path}")


def _numbers(option: str, text: str) -> list[int]:
    """Read whole numbers, `A,B,C` or `FIRST:END`."""
    from msml.sweep.axes import integers

    found = integers(text)
    parts = text.split(",") if found is None else list(map(str, found))
    if not parts or not all(part.strip().isdecimal() for part in parts):
        raise RecipeError(f"{option}: expected numbers like 0,1,2 or 0:3, got '{text}'")
    return list(dict.fromkeys(map(int, parts)))


@_in_run
@click.option("--from", "low", default=1e-7, help="First learning rate.", show_default=True)
@click.option("--to", "high", default=10.0, help="Last learning rate.", show_default=True)
@click.option("--epochs", default=1, help="Passes; 100 steps at least.", show_default=True)
@click.option("--repeats", default=3, help="Tests from other initial weights.", show_default=True)
@click.option("--chain", is_flag=True, help="Test the joint training, not each candidate alone.")
def lr_range(
    low: float, high: float, epochs: int, repeats: int, chain: bool, **options: Any
) -> None:
    """Try learning rates: raise the rate with each step, and see how the loss falls.

    The joint training is tested with --chain, or where nothing is pre-trained. What a training
    starts from is made first, as it would be by `pretrain` or `search`; no weights of the tests are
    kept. Figures go into the run's folder lr_range.

    \b
    Example:
      msml lr-range recipes/quick.yaml --from 1e-5 --repeats 5
    """
    from msml.report.run import show_lr_range
    from msml.stages.lr_range import Settings
    from msml.stages.lr_range import lr_range as work

    settings = Settings(low, high, epochs, repeats, chain)
    settings.check()
    _carry_out(lambda session: work(session, settings), show_lr_range, **options)
