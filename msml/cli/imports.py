"""The command that brings events made elsewhere into an event file."""

from dataclasses import dataclass, field
from typing import Any

import click

from msml.cli.command import command
from msml.errors import DataError

_MOST = 20  # names of what is not imported


@command(DataError, name="import")
@click.argument("arguments", nargs=-1, required=True, metavar="[KIND] RECIPE [KEY=VALUE]...")
def import_(arguments: tuple[str, ...]) -> None:
    """Bring events made elsewhere into an event file. See `msml ls importers` for the kinds.

    The kind may be left out where the recipe's source tells it.

    \b
    Examples:
      msml import table recipes/events/import_table.yaml 'source.files=[a.csv.gz, b.csv.gz]'
      msml import table mine.yaml output=data/tight.h5 'cuts=[[pt, ">", 50]]'
      msml import htautau recipes/events/import_npy.yaml source.prefix=/my/arrays/
      msml import htautau recipes/events/import_delphes.yaml 'processes.z.files=[z_*.root]'
    """
    from msml.registry import importers

    if arguments[0] in importers.names() or _is_plain(arguments[1:]):
        entry, rest = importers.get(arguments[0]), arguments[1:]
    else:
        entry, rest = importers.get(_kind(arguments[0], arguments[1:])), arguments
    if not rest:
        raise click.UsageError(f"which recipe? msml import {entry.name} RECIPE")
    made = entry.function(rest[0], rest[1:])
    if left_out := made.provenance.get("left_out"):
        more = len(left_out) - _MOST
        shown = [*left_out[:_MOST], *([f"and {more} more"] if more > 0 else [])]
        click.echo(f"{made.path}: not imported: {', '.join(shown)}", err=True)
    click.echo(f"{made.path}: {made.events} events; look at them with: msml inspect {made.path}")


@dataclass(frozen=True)
class _Told:
    """What a recipe of any kind says of its source."""

    source: dict[str, Any] = field(default_factory=dict)


def _is_plain(rest: tuple[str, ...]) -> bool:
    """Say whether a second argument is a recipe, so that the first one must be a kind."""
    return bool(rest) and "=" not in rest[0]


def _kind(recipe: str, overrides: tuple[str, ...]) -> str:
    """Find the importer that registers the name of a recipe's source; else it is a table."""
    from msml.recipe import load
    from msml.registry import importers

    own = [override for override in overrides if override.startswith("source")]
    name = load(recipe, _Told, own, partial=True).values.source.get("name")
    return next(
        (e.name for e in importers.entries() if name in e.facts.get("sources", ())), "table"
    )
