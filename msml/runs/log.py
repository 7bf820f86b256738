"""The log of a run: a line of JSON for every epoch, each with its checksum."""

import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msml.runs import layout

_CHECKSUM = ', "crc32": '


def line(record: Mapping[str, Any]) -> str:
    """Write a record, in which all numbers are finite, as a line."""
    text = json.dumps(record).removesuffix("}")
    return f"{text}{_CHECKSUM}{zlib.crc32(text.encode())}}}\n"


def record(line: str) -> dict[str, Any] | None:
    """Read a line; None where it is torn or damaged. One without checksum is taken as it is."""
    text, mark, checksum = line.rstrip("\n").rpartition(_CHECKSUM)
    if mark and checksum != f"{zlib.crc32(text.encode())}}}":
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not {"unit", "time"} <= found.keys():
        return None
    found.pop("crc32", None)
    return found


def lines(run: Path) -> list[str]:
    """Read the lines of a run, with their ends; none where there is no log that can be read."""
    try:
        return layout.log(run).read_text(errors="replace").splitlines(keepends=True)
    except OSError:  # no such file, or one of somebody else
        return []


def records(run: Path) -> Iterator[dict[str, Any]]:
    """Yield the logged epochs of a run; a line that is torn or damaged does not count."""
    yield from filter(None, map(record, lines(run)))


def damaged(run: Path) -> list[int]:
    """Numbers, from 1, of the lines that are torn or damaged."""
    known = enumerate(lines(run), 1)
    return [n for n, each in known if _CHECKSUM not in each or record(each) is None]
