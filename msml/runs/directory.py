"""The directory of one run: a recipe at one seed."""

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msml.errors import DataError
from msml.files import atomic, fingerprint, locked, remove_temporaries
from msml.runs import layout

IN_USE = "another process is working in it"


@dataclass(frozen=True)
class RunDirectory:
    """The directory of a run; `msml.runs.layout` says what lies where.

    Attributes:
        path: `RUNS/NAME/KEY`.
    """

    path: Path

    @property
    def cache(self) -> Path:
        """Where runs share what they pre-trained."""
        return self.path.parents[1] / ".cache"

    def file(self, *parts: str) -> Path:
        """A file or folder of the run."""
        return self.path.joinpath(*parts)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out of the run while the block runs.

        Raises:
            DataError: If another process is in it, or it cannot be written.
        """
        with locked(self.file("lock"), f"{self.path}: {IN_USE}"):
            self._clear()
            yield

    def _clear(self) -> None:
        """Remove what a killed process left half written: temporary files, a torn last line."""
        remove_temporaries(self.path)
        try:
            log = layout.log(self.path)
            if log.exists() and not (lines := log.read_bytes()).endswith(b"\n"):
                os.truncate(log, lines.rfind(b"\n") + 1)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written: {error.strerror}") from error

    def log(self, record: Mapping[str, Any]) -> None:
        """Add a line to `metrics.jsonl`."""
        line = json.dumps(finite({**record, "time": round(time.time(), 3)}))
        try:
            with layout.log(self.path).open("a") as handle:
                handle.write(line + "\n")
        except OSError as error:
            raise DataError(
                f"{layout.log(self.path)}: cannot be written: {error.strerror}"
            ) from error

    def forget(self, unit: str, epochs: int) -> None:
        """Drop the logged epochs of a unit after these: they will be done again."""
        log = layout.log(self.path)
        lines = log.read_text().splitlines(keepends=True) if log.exists() else []
        records = [json.loads(line) for line in lines]
        kept = [
            line
            for line, record in zip(lines, records, strict=True)
            if record.get("unit") != unit or record.get("epoch", 0) <= epochs
        ]
        if len(kept) < len(lines):
            with atomic(log) as temporary:
                temporary.write_text("".join(kept))


def run_directory(
    runs: Path, name: str, resolved: Mapping[str, Any], overrides: list[str]
) -> RunDirectory:
    """Find the directory of a recipe: an edited recipe has another one.

    A run is its resolved recipe: overrides that come to the same one find the run that is there.

    Args:
        runs: Folder of all runs.
        name: The recipe's name.
        resolved: The resolved recipe.
        overrides: What the command line changed; it makes the key readable.
    """
    readable = ",".join(sorted(overrides)) or f"seed={resolved.get('seed', 0)}"
    kept = (c if c.isascii() and (c.isalnum() or c in "=.,_-+") else "_" for c in readable)
    readable, mark = "".join(kept)[:80], fingerprint(resolved)[:8]
    made = sorted(p for p in (runs / name).glob(f"*-{mark}") if layout.recipe(p).exists())
    return RunDirectory(made[0] if made else runs / name / f"{readable}-{mark}")


def write_json(path: Path, content: Any) -> None:
    """Write JSON so that a reader never sees half of it; see `finite`.

    Raises:
        DataError: If it cannot be written.
    """
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(finite(content), indent=2) + "\n")


def finite(content: Any) -> Any:
    """Replace numbers that are not finite by None: JSON has none."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return content


def read_json_if_there(path: Path) -> Any:
    """Read JSON; None where it is missing or broken."""
    try:
        return read_json(path)
    except DataError:
        return None


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        DataError: If it is missing or broken.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
