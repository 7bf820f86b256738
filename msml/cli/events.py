"""Commands that make and show event files."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from msml.cli.command import command
from msml.errors import DataError, IncompleteError, RecipeError, StoppedError
from msml.files import user_path
from msml.signals import stop_on_signals

if TYPE_CHECKING:
    from msml.registry import Entry


@command(DataError, IncompleteError, StoppedError)
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--workers", type=click.IntRange(1), help="Processes; all processors by default.")
def generate(recipe: str, overrides: tuple[str, ...], workers: int | None) -> None:
    """Simulate collision events and write them to an event file.

    \b
    Example:
      msml generate recipes/events/htautau.yaml events=10000 output=data/mine.h5
    """
    from msml.recipe import load
    from msml.simulation.settings import EventRecipe

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


@command(DataError)
@click.argument("file", type=user_path)
@click.option("--page", type=user_path, metavar="PATH", help="Where to draw; FILE.png by default.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, draw nothing.")
def inspect(file: Path, page: Path | None, as_json: bool) -> None:
    """Show what is in a file of events, any HDF5, and draw a page of plots.

    \b
    Examples:
      msml inspect data/htautau_sample.h5
      msml inspect mine.h5 --page mine.pdf
    """
    from msml.plotting import check_free

    entry = _page_for(file)
    page = page or file.with_suffix(".png")
    if not as_json:
        check_free(page)
    summary = entry.function(file)
    if as_json:
        click.echo(json.dumps(asdict(summary), indent=2, default=str))
        return
    entry.facts["show"](summary)
    entry.facts["draw"](file, page)
    click.echo(f"plots: {page}")


def _page_for(file: Path) -> "Entry":
    """Choose the page that is made for most of a file's registered columns."""
    from msml.data.events import describe
    from msml.data.schema import COLUMNS
    from msml.registry import event_pages

    columns = describe(file).columns
    known = {name for name in columns if name in COLUMNS and columns[name].axes}
    fitting = [entry for entry in event_pages.entries() if known.issuperset(entry.facts["columns"])]
    return max(fitting, key=lambda entry: len(entry.facts["columns"]))
