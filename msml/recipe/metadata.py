"""What the schema says of a key besides its type and its text."""

from collections.abc import Sequence
from typing import Any

UNRESOLVED = {"resolved": False}
"""Metadata of a field that a run does not depend on: it is left out of the resolved recipe."""


def named(names: str | Sequence[str]) -> dict[str, Any]:
    """Metadata of a field of a text, or texts, or of a mapping to them.

    Args:
        names: All that there are, or the plural of what is registered under them.
    """
    return {"names": names}


def call(plural: str) -> dict[str, Any]:
    """Metadata of a mapping with the `name` of something registered, and its arguments."""
    return {"call": plural}


def arguments(plural: str) -> dict[str, Any]:
    """Metadata of a mapping with arguments of something registered."""
    return {"arguments": plural}
