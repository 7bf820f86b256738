"""What all commands are made by, so that the help of each says how it can end."""

import inspect
from collections.abc import Callable
from typing import Any

import click

from msml.errors import DataError, DivergedError, IncompleteError, MsmlError, StoppedError

TRAINING = (DataError, DivergedError, IncompleteError, StoppedError)
"""Errors of commands that train."""

_ALWAYS = ((0, "Done."), (1, "A crash: a mistake of msml, with its traceback."))
_USAGE = (2, "The command line, a recipe or a name is wrong.")
_INTERRUPTED = (130, "Ctrl-C, where nothing had to be saved.")


class Command(click.Command):
    """A command whose help ends with its exit codes.

    Attributes:
        ends: Errors that it can end with, beside those of every command.
    """

    def __init__(
        self, *arguments: Any, ends: tuple[type[MsmlError], ...] = (), **keywords: Any
    ) -> None:
        super().__init__(*arguments, **keywords)
        self.ends = ends

    @property
    def exit_codes(self) -> dict[int, str]:
        """What each exit code says, by the first sentence of the error."""
        own = ((each.exit_code, _first_sentence(each)) for each in self.ends)
        return dict([*_ALWAYS, _USAGE, *own, _INTERRUPTED])

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes below the options."""
        super().format_epilog(context, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), text) for code, text in self.exit_codes.items()])


def command(
    *ends: type[MsmlError], name: str | None = None
) -> Callable[[Callable[..., None]], Command]:
    """Make a command that can end with some errors, beside those of every command."""
    return click.command(name, cls=Command, ends=ends)


def _first_sentence(error: type[MsmlError]) -> str:
    return f"{(inspect.getdoc(error) or '').partition('.')[0]}."
