"""The log of a run: a line of JSON for every epoch, whose checksums lie beside it."""

import json
import os
import threading
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msml.digests import no_link
from msml.errors import DataError
from msml.files import atomic
from msml.runs import layout

# Of the threads that train side by side.
_ALONE = threading.Lock()


def add(run: Path, record: Mapping[str, Any]) -> None:
    """Add a record, in which all numbers are finite: its checksum first, then its line.

    So no complete line is ever without, wherever a process is killed.

    Raises:
        DataError: It cannot be written.
    """
    line = json.dumps(record) + "\n"
    texts = {layout.checksums(run): f"{_checksum(line)}\n", layout.log(run): line}
    with _ALONE:
        for path, text in texts.items():
            try:
                with open(path, "a", opener=no_link) as file:
                    file.write(text)
            except OSError as error:
                raise DataError(f"{path}: cannot be written: {error.strerror}") from error


def cut_torn(run: Path) -> None:
    """Remove half a line at the end, which a killed process left.

    Raises:
        DataError: It cannot be written.
    """
    for path in (layout.checksums(run), layout.log(run)):
        try:
            if path.is_file() and not (lines := path.read_bytes()).endswith(b"\n"):
                os.truncate(path, lines.rfind(b"\n") + 1)
        except OSError as error:
            raise DataError(f"{path}: cannot be written: {error.strerror}") from error


def forget(run: Path, unit: str, epochs: int) -> None:
    """Drop the epochs of a unit after these, which will be done again, and what is damaged."""
    with _ALONE:
        known = list(_lines(run))
        kept = [
            line
            for line, record in known
            if record and (record["unit"] != unit or record.get("epoch", 0) <= epochs)
        ]
        if len(kept) < len(known):
            with atomic(layout.log(run), listed=False) as temporary:
                temporary.write_text("".join(kept))


def records(run: Path) -> Iterator[dict[str, Any]]:
    """Yield the logged epochs of a run; a line that is torn or damaged does not count."""
    yield from (record for _, record in _lines(run) if record)


def damaged(run: Path) -> list[int]:
    """Numbers, from 1, of the lines that are torn or damaged."""
    return [number for number, (_, record) in enumerate(_lines(run), 1) if not record]


def _lines(run: Path) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Yield each line with its record, None where it is torn or damaged."""
    lines, checksums = _read(layout.log(run)), _read(layout.checksums(run))
    known = {text.rstrip("\n") for text in checksums}
    for line in lines:
        intact = not known or _checksum(line) in known
        yield line, _record(line) if intact else None


def _read(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines(keepends=True) if path.is_file() else []
    except OSError:  # one of somebody else
        return []


def _checksum(line: str) -> str:
    return f"{zlib.crc32(line.encode()):08x}"


def _record(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = isinstance(found, dict) and {"unit", "time"} <= found.keys()
    return found if known else None
