"""The trace that work on a run leaves until it has ended well: when it began, how it failed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msml.errors import MsmlError
from msml.runs.directory import RunDirectory, read_json_if_there, write_json
from msml.runs.layout import UNFINISHED

_INTERRUPTED = 130


@contextmanager
def attempt(directory: RunDirectory, command: list[str]) -> Iterator[None]:
    """Keep `unfinished.json` in the run while the block runs, and an error that ends it there.

    A process that is killed leaves the file without an error.
    """
    path = directory.file(UNFINISHED)
    record: dict[str, Any] = {"command": command, "began": time.time(), "error": None}
    write_json(path, record)
    try:
        yield
    except BaseException as error:
        write_json(path, record | {"error": _described(error)})
        raise
    path.unlink(missing_ok=True)


def last_attempt(run: Path) -> dict[str, Any] | None:
    """Return what `attempt` keeps in a run; None where the last one has ended well."""
    return read_json_if_there(run / UNFINISHED, "command", "error")


def _described(error: BaseException) -> dict[str, Any]:
    code = _INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    return {
        "kind": type(error).__name__,
        "message": str(error),
        "exit_code": error.exit_code if isinstance(error, MsmlError) else code,
        "time": time.time(),
    }
