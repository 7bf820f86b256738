"""The directory of one run: a recipe at one seed."""

import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msml import digests
from msml.errors import DataError, ends
from msml.files import atomic, fingerprint, locked, remove_temporaries
from msml.recipe import Recipe, load
from msml.recipe.schema import TrainRecipe
from msml.runs import layout, log

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
            remove_temporaries(self.path)  # what a killed process left half written
            log.cut_torn(self.path)
            yield

    def log(self, record: Mapping[str, Any]) -> None:
        """Add a line to `metrics.jsonl`.

        Raises:
            DataError: It cannot be written.
        """
        log.add(self.path, finite({**record, "time": round(time.time(), 3)}))

    def forget(self, unit: str, epochs: int) -> None:
        """Drop the logged epochs of a unit after these: they will be done again."""
        log.forget(self.path, unit, epochs)


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


def kept_recipe(run: Path) -> Recipe[TrainRecipe]:
    """Load the recipe that a run keeps.

    Raises:
        DataError: It is damaged.
        RecipeError: It is missing, or of another version of msml.
    """
    check_intact(layout.recipe(run))
    return load(layout.recipe(run), TrainRecipe)


def check_intact(path: Path) -> None:
    """Refuse a file that is there but not as it was written.

    Raises:
        DataError: That is so.
    """
    if os.path.lexists(path) and not digests.is_intact(path):
        raise DataError(f"{path}: {digests.DAMAGED}; run the same command again")


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


def read_json_if_there(path: Path, *keys: str) -> dict[str, Any] | None:
    """Read a JSON object as `read_json` does; None where that cannot be."""
    try:
        return read_json(path, *keys)
    except DataError:
        return None


def read_json(path: Path, *keys: str, checked: bool = True) -> dict[str, Any]:
    """Read a JSON object that has some keys.

    Args:
        path: The file.
        keys: What it has at least.
        checked: Whether it must be as it was written.

    Raises:
        DataError: If it is missing, broken, not as it was written, or something else.
    """
    if checked:
        check_intact(path)
    return _with_keys(_parsed(path), keys, path)


def read_records(path: Path, *keys: str) -> list[dict[str, Any]]:
    """Read a JSON list of objects that have some keys.

    Raises:
        DataError: As `read_json`.
    """
    check_intact(path)
    found = _parsed(path)
    if not isinstance(found, list):
        raise DataError(f"{path}: expected a list, got {ends(str(found))}")
    return [_with_keys(each, keys, path) for each in found]


def _with_keys(found: Any, keys: Sequence[str], path: Path) -> dict[str, Any]:
    if not isinstance(found, dict) or not set(keys) <= found.keys():
        expected = f" with {', '.join(map(repr, keys))}" if keys else ""
        raise DataError(f"{path}: expected an object{expected}, got {ends(str(found))}")
    return found


def _parsed(path: Path) -> Any:
    try:
        if not path.is_file():
            raise FileNotFoundError("no such file")
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
