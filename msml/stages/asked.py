"""What an evaluation adds where a recipe asks for it, and keeps in a file of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msml.runs.directory import read_json, read_json_if_there, write_json

Record = dict[str, Any]
Bootstrap = tuple[int, int]
"""Number of resamplings, and the seed."""


def once(
    path: Path, settings: Record, work: Callable[[], Record], done: Callable[[], None]
) -> Record:
    """Return what was made with some settings; where that was not, make and keep it.

    Args:
        path: The file.
        settings: What it depends on besides what was trained.
        work: Makes it.
        done: Called when it is kept.
    """
    before = read_json_if_there(path, "settings")
    if before is None or before["settings"] != settings:
        write_json(path, {"settings": settings, **work()})
        done()
    return read_json(path, "settings")
