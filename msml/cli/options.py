"""Options that several commands share."""

from pathlib import Path

import click

from msml.files import user_path

runs_option = click.option(
    "--runs",
    type=user_path,
    metavar="PATH",
    default=Path("runs"),
    help="Folder of all runs.",
    show_default=True,
)
