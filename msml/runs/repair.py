"""Finding what is damaged in runs and in what they share, and making room for making it again."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from msml import digests
from msml.errors import DataError
from msml.files import atomic, remove_temporaries
from msml.runs import layout, log
from msml.runs.directory import read_json_if_there

# msml itself removes these.
_PASSING = ("together-", layout.CHECKPOINT, layout.UNFINISHED, layout.TRANSFORMS, layout.COLUMNS)


def damaged(folder: Path, endings: tuple[str, ...] = ("",)) -> list[Path]:
    """Files of a run, or of a folder of the cache, that are not as they were written, or gone.

    Args:
        folder: The folder.
        endings: Only files whose names end so are looked at.
    """
    if not digests.has_list(folder):
        return []
    found = digests.damaged(folder, endings)
    return [path for path in found if path.exists() or not path.name.startswith(_PASSING)]


def verify(folder: Path) -> tuple[int, list[str]]:
    """Compare all files below a folder that are in a list of digests, and the lines of logs.

    Returns:
        How many files there are, and a line about each damaged one.
    """
    files, wrong = 0, []
    for path in sorted(folder.rglob(digests.LIST)):
        files += digests.count(path.parent)
        wrong += [f"{each}: {_state(each)}" for each in damaged(path.parent)]
        if lines := log.damaged(path.parent):
            wrong.append(f"{layout.log(path.parent)}: {_lines(lines)}")
    return files, wrong


def repair(run: Path) -> Iterator[str]:
    """Remove what is damaged in a run, and what says that it is done: so it is made again.

    Nobody else may be at work in the run.

    Yields:
        A line about each file.

    Raises:
        DataError: The manifest cannot be read, or nothing can be removed.
    """
    found, manifest = damaged(run), layout.manifest(run)
    if manifest in found:
        if not _is_readable(manifest):
            raise DataError(
                f"{manifest}: {digests.DAMAGED}, and what it says is known from nowhere else; "
                "remove that folder, or give the recipe another name"
            )
        found.remove(manifest)
        digests.add(manifest, manifest)
        yield f"{manifest}: {digests.DAMAGED}; it can still be read, and is kept"
    for path in found:
        yield f"{path}: {_state(path)}; it is made again"
    if lines := log.damaged(run):
        yield f"{layout.log(run)}: {_lines(lines)}"
    try:
        for path in found:
            for record in _records_of(run, path):
                record.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        if digests.has_list(run):
            shorten(run)
    except OSError as error:
        raise DataError(f"{run}: cannot be written: {error.strerror}") from error


def shorten(folder: Path) -> None:
    """Keep of a folder's list the lines that hold; nobody else may be at work in it.

    Raises:
        DataError: It cannot be written.
    """
    lines = digests.holding(folder)
    with atomic(folder / digests.LIST, listed=False) as temporary:
        temporary.write_text("".join(lines))


def _state(path: Path) -> str:
    return digests.DAMAGED if os.path.lexists(path) else "gone"


def _is_readable(manifest: Path) -> bool:
    """Whether a manifest has what is needed of it; events and plugins are compared with it."""
    try:
        content = json.loads(manifest.read_bytes())
        sessions = content["sessions"]
        known = [[s["versions"]["tensorflow"], s["versions"]["keras"]] for s in sessions]
        times = [float(s["began"]) + float(s["seconds"] or 0) for s in sessions]
        marks = [*content["plugins"], *content["files"].values(), content["data"]["sha256"]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False
    return bool(known and times and marks)


def _lines(numbers: list[int]) -> str:
    return f"damaged lines, which count no more: {', '.join(map(str, numbers))}"


def _records_of(run: Path, path: Path) -> Iterator[Path]:
    """Yield the files that say that a file's work is done: in its folder and in those above."""
    for folder in path.relative_to(run).parents[:-1]:
        yield from (run / folder).glob("*.json")
    selection = read_json_if_there(layout.selection(run), "trained")
    if layout.grid(run) in path.parents and selection and selection["trained"]:
        yield layout.selection(run)  # it goes on from the combinations


def clean_cache(folder: Path) -> list[str]:
    """Empty a folder of the shared cache in which anything is damaged; its holder calls it.

    Returns:
        A line about each damaged file.

    Raises:
        DataError: It cannot be written.
    """
    remove_temporaries(folder)
    lines = [f"{path}: {_state(path)}; it is made again" for path in damaged(folder)]
    try:
        if lines or not digests.has_list(folder):
            for path in folder.iterdir():
                if path.name != "lock":
                    path.unlink()
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error.strerror}") from error
    digests.start(folder)
    return lines
