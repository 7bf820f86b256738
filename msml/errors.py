"""The errors msml raises for mistakes that are not its own, each with its exit code."""

import re
from difflib import get_close_matches
from typing import ClassVar

_LONGEST = 200  # letters of a value or a path in a message
_LONGEST_MESSAGE = 1000
_VALUES = re.compile(rf"'[^']{{{_LONGEST},}}'|\S{{{_LONGEST},}}")


class MsmlError(Exception):
    """A failure with a message for the user instead of a traceback."""

    exit_code: ClassVar[int] = 1


class RecipeError(MsmlError):
    """A recipe, an option or a name is wrong. Holds every problem found, one line each."""

    exit_code: ClassVar[int] = 2

    def __init__(self, problems: str | list[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class DataError(MsmlError):
    """A file is missing, broken, of another format, in use, or cannot be written."""

    exit_code: ClassVar[int] = 3


class DisagreementError(MsmlError):
    """A crash, or an exported file does not compute what it should."""


class DivergedError(MsmlError):
    """A loss is not finite any more."""

    exit_code: ClassVar[int] = 4


class IncompleteError(MsmlError):
    """Part of the work is missing; the same command does what is left."""

    exit_code: ClassVar[int] = 5


class StoppedError(MsmlError):
    """Stopped on request after saving; the same command continues."""

    exit_code: ClassVar[int] = 85


def ends(text: str, most: int = _LONGEST // 2) -> str:
    """Shorten a long text to its ends."""
    half = most // 2 - 2
    return text if len(text) <= most else f"{text[:half]}...{text[-half:]}"


def shortened(message: str) -> str:
    """Shorten the long values and paths in a message to their ends, then the message."""
    return ends(_VALUES.sub(lambda found: ends(found[0]), message), _LONGEST_MESSAGE)


def nearest(name: str, known: list[str]) -> str:
    """Say which known names are closest to `name`, for the end of a message.

    Returns:
        `"; did you mean 'x'?"`, or the list of known names where none is close.
    """
    close = get_close_matches(name, known, n=3, cutoff=0.6)
    if close:
        return "; did you mean " + " or ".join(f"'{c}'" for c in close) + "?"
    return "; known: " + ", ".join(sorted(known))
