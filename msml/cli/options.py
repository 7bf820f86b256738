"""Arguments and options that several commands share, and their types."""

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from msml.cli.completing import complete_override, complete_recipe
from msml.files import user_path


class _PathType(click.ParamType[Path]):
    """A path as users write it; shells complete files."""

    name = "path"

    def convert(
        self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Read the path."""
        return user_path(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Leave it to the shell."""
        return [CompletionItem(incomplete, type="file")]


PATH = _PathType()

recipe_argument = click.argument("recipe", shell_complete=complete_recipe)
overrides_argument = click.argument(
    "overrides", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_override
)

runs_option = click.option(
    "--runs",
    type=PATH,
    metavar="PATH",
    default=Path("runs"),
    help="Folder of all runs.",
    show_default=True,
)
