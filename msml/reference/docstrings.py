"""What Google-style docstrings say of attributes and arguments."""

import inspect
import re
from typing import Any

_ENTRY = re.compile(r"    (\w+): (.*)")
_DEEPER = " " * 8
_SECTION = re.compile(r"\n\n(?:Args|Attributes|Raises|Returns|Source):")


def descriptions(documented: Any) -> dict[str, str]:
    """Return the text of each attribute or argument of a class or a function.

    Those that a class has from others are among them.
    """
    several = reversed(inspect.getmro(documented)) if inspect.isclass(documented) else [documented]
    return {name: text for each in several for name, text in _entries(each.__doc__).items()}


def summary(documented: Any) -> str:
    """Return all that a docstring says before its first section, as one line."""
    return " ".join(_SECTION.split(inspect.getdoc(documented) or "")[0].split())


def _entries(docstring: str | None) -> dict[str, str]:
    found: dict[str, str] = {}
    name, inside = "", False
    for line in inspect.cleandoc(docstring or "").splitlines():
        if entry := _ENTRY.fullmatch(line) if inside else None:
            name = entry[1]
            found[name] = entry[2]
        elif name and line.startswith(_DEEPER):
            found[name] += f" {line.strip()}"
        elif line:
            name, inside = "", line in ("Attributes:", "Args:")
    return found
