"""Commands that check, show, copy and list recipes and what they can name."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from msml.catalogue import KINDS, Item, copy, items
from msml.cli.command import command
from msml.errors import DataError, shortened
from msml.files import user_path


@command(DataError)
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--fast", is_flag=True, help="Build no models, so that TensorFlow is not needed.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def validate(recipe: str, overrides: tuple[str, ...], fast: bool, as_json: bool) -> None:
    """Check a training recipe, without training. Names every mistake, with file and line.

    \b
    Example:
      msml validate recipes/quick.yaml tasks.tau_momentum.weight=0.9
    """
    from msml.checks.report import report

    found = report(recipe, overrides, fast)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
    elif found.exit_code == 0:
        click.echo(f"{recipe}: {found.summary()}")
    else:
        for problem in found.problems:
            click.echo(f"msml: {shortened(problem)}", err=True)
    raise click.exceptions.Exit(found.exit_code)


@command()
@click.argument("recipe", required=False)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--defaults",
    "key",
    is_flag=False,
    flag_value="",
    metavar="[KEY]",
    help="Explain a key of recipes instead, and those below it; all where none is named.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON.")
def show(recipe: str | None, overrides: tuple[str, ...], key: str | None, as_json: bool) -> None:
    """Print a training recipe in full. What it extends, defaults and overrides are merged.

    \b
    Examples:
      msml show recipes/quick.yaml seed=3
      msml show --defaults posttrain.patience
      msml show --defaults tasks.NAME.weight
    """
    from msml.recipe import load
    from msml.recipe.schema import TrainRecipe

    if key is not None:
        _explain(key, as_json)
    elif recipe is None:
        raise click.UsageError("which recipe? msml show RECIPE, or msml show --defaults KEY")
    elif as_json:
        click.echo(json.dumps(load(recipe, TrainRecipe, overrides).plain(), indent=2))
    else:
        click.echo(load(recipe, TrainRecipe, overrides).resolved(), nl=False)


def _explain(name: str, as_json: bool) -> None:
    """Print what a key is and what is below it, or all keys of the schema."""
    from msml.reference.find import find, inside
    from msml.reference.keys import schema_keys

    found = find(name) if name else list(schema_keys())
    shown = [*found, *(inside(found[0]) if name else ())]
    if as_json:
        click.echo(json.dumps([{**asdict(key), "names": key.values} for key in shown], indent=2))
        return
    for key in shown:
        click.echo(f"{click.style(key.name, bold=True)}: {key.facts}")
        click.echo(click.wrap_text(key.text, shutil.get_terminal_size().columns, "    ", "    "))


@command(DataError)
@click.argument("name")
@click.argument("destination", type=user_path)
def cp(name: str, destination: Path) -> None:
    """Copy a shipped recipe to edit it. Nothing is overwritten.

    \b
    Example:
      msml cp quick.yaml mine.yaml
    """
    click.echo(copy(name, destination))


@command(DataError)
@click.argument("events", type=user_path)
@click.option("-o", "--output", type=user_path, help="The recipe; EVENTS.yaml here if left out.")
def init(events: Path, output: Path | None) -> None:
    """Write a first recipe for an event file, with comments. Nothing is overwritten.

    What to learn, from what, and with which loss is guessed from names and values, and marked so.

    \b
    Example:
      msml init data/higgsml.h5 -o mine.yaml
    """
    from msml.checks.starter import write_starter

    path = write_starter(events, output or Path(f"{events.stem}.yaml"))
    click.echo(f"{path}: look at its guesses, then: msml run {path}")


@command()
@click.argument("kind", type=click.Choice(KINDS), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects as JSON.")
def ls(kind: str | None, as_json: bool) -> None:
    """List what recipes can name, and the shipped recipes. Models have their numbers of weights.

    \b
    Example:
      msml ls models
    """
    found = {each: list(items(each)) for each in (KINDS if kind is None else (kind,))}
    if as_json:
        listed = [asdict(item) for group in found.values() for item in group]
        click.echo(json.dumps(listed, indent=2))
        return
    for each, group in found.items():
        if kind is None:
            click.secho(each if group else f"{each}: none", bold=True)
        for line in _table(group):
            click.echo(line if kind else f"  {line}")


def _table(group: list[Item]) -> Iterator[str]:
    """Align names and numbers of weights, where there are any."""
    width = max((len(item.name) for item in group), default=0)
    counted = any(item.parameters is not None for item in group)
    for item in group:
        weights = "" if item.parameters is None else f"{item.parameters:,}"
        column = f"{weights:>7}  " if counted else ""
        yield f"{item.name:<{width}}  {column}{item.summary}".rstrip()
