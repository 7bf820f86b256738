"""Command that describes the installation."""

import json
from dataclasses import asdict

import click

from msml.cli.command import command


@command()
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def doctor(as_json: bool) -> None:
    """Print versions, devices, settings and speed, for a bug report.

    \b
    Example:
      msml doctor --json
    """
    from msml.doctor import examine, lines

    found = examine()
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
        return
    for line in lines(found):
        click.echo(line)
