"""Commands that make and show event files."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from msml.errors import RecipeError
from msml.recipe import load
from msml.signals import stop_on_signals
from msml.simulation.settings import EventRecipe


@click.command()
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--workers", type=click.IntRange(1), help="Processes; all processors by default.")
def generate(recipe: str, overrides: tuple[str, ...], workers: int | None) -> None:
    """Simulate collision events and write them to an event file.

    \b
    Example:
      msml generate recipes/events/htautau.yaml events=10000 output=data/mine.h5
    """
    loaded = load(recipe, EventRecipe, overrides)
    try:
        from msml.simulation.job import generate as generate_events
    except ModuleNotFoundError as error:
        raise RecipeError(
            f"generating events needs the package {error.name}: pip install 'msml[simulate]'"
        ) from error
    with stop_on_signals("stopped; the same command continues"):
        made = generate_events(loaded, workers or len(os.sched_getaffinity(0)))
    click.echo(f"{made.path}: {made.events} events; look at them with: msml inspect {made.path}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--page", type=click.Path(path_type=Path), help="Where to draw; FILE.png by default.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, draw nothing.")
def inspect(file: Path, page: Path | None, as_json: bool) -> None:
    """Show what is in an event file, and draw a page of plots.

    \b
    Example:
      msml inspect data/htautau_sample.h5
    """
    from msml.registry import event_pages

    entry = event_pages.get("htautau")
    summary = entry.function(file)
    if as_json:
        click.echo(json.dumps(asdict(summary), indent=2, default=str))
        return
    entry.facts["show"](summary, Console())
    page = page or file.with_suffix(".png")
    entry.facts["draw"](file, page)
    click.echo(f"plots: {page}")
