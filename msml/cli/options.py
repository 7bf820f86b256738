"""Options that several commands share."""

from pathlib import Path

import click

runs_option = click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    help="Folder of all runs.",
    show_default=True,
)
