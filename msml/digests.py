"""Digests of files, by which damage that comes after writing is noticed.

A folder of results, a run's or one of the shared cache, has a list of the SHA-256 of its files,
`msml.sha256`, as `sha256sum` writes and checks it. A file's line is added before the file takes its
place, so that whatever is complete is in the list, also after a kill; of several lines of one file
any may hold.
"""

import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path

from msml.errors import DataError

LIST = "msml.sha256"
DAMAGED = "damaged, not as it was written"
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")

Digests = dict[str, set[str]]


def no_link(path: str | Path, flags: int) -> int:
    """Open a file that is ours alone, for `open`; a link in its place is an error."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def start(folder: Path) -> None:
    """Begin the list of a folder, unless it has one.

    Raises:
        DataError: It cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.close(no_link(folder / LIST, os.O_RDWR | os.O_CREAT))
    except OSError as error:
        raise DataError(f"{folder / LIST}: cannot be written: {error.strerror}") from error


def has_list(folder: Path) -> bool:
    """Whether a folder has a list."""
    return (folder / LIST).is_file()


def add(path: Path, content: Path) -> None:
    """Add a file to the list of the folder that it will lie in; where there is none, do nothing.

    Args:
        path: Where the file will be.
        content: Where it is now.

    Raises:
        OSError: It cannot be read, or the list not be written.
    """
    home = _home(path)
    if home is None:
        return
    line = f"{digest(content)}  {path.relative_to(home).as_posix()}\n"
    with open(home / LIST, "ab+", opener=no_link) as file:
        if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
            line = f"\n{line}"  # a full disk, or a crash of the machine, left half a line
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def digest(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_intact(path: Path) -> bool:
    """Whether a file is as it was written; that of a folder without a list is taken to be."""
    home = _home(path)
    return home is None or _held(home, path.relative_to(home).as_posix()) is not None


def damaged(folder: Path, endings: tuple[str, ...] = ("",)) -> list[Path]:
    """Files of a folder's list that are not as they were written, or are not there any more.

    Args:
        folder: The folder.
        endings: Only files whose names end so are looked at.
    """
    names = [name for name in _read(folder) if name.endswith(endings)]
    return [folder / name for name in names if _held(folder, name) is None]


def count(folder: Path) -> int:
    """How many files are in a folder's list."""
    return len(_read(folder))


def holding(folder: Path) -> list[str]:
    """Lines of a folder's list that hold, one for each file that is as it was written."""
    return [f"{found}  {name}\n" for name in _read(folder) if (found := _held(folder, name))]


def _home(path: Path) -> Path | None:
    """Find the folder in whose list a file is."""
    return next((folder for folder in path.parents if has_list(folder)), None)


def _held(home: Path, name: str) -> str | None:
    """Return the digest of a file that is as it was written; None of any other."""
    for _ in range(2):  # between our looks at both, another process may have written it anew
        try:
            found = digest(home / name) if (home / name).is_file() else ""  # a pipe would never end
        except OSError:
            return None
        if found in _read(home).get(name, ()):
            return found
    return None


def _read(home: Path) -> Digests:
    path = home / LIST
    about = path.stat()
    return _parsed(path, about.st_mtime_ns, about.st_size, about.st_ino)


@lru_cache(maxsize=8)
def _parsed(path: Path, _time: int, _size: int, _number: int) -> Digests:
    found: Digests = {}
    for line in path.read_text(errors="replace").split("\n"):
        if match := _LINE.fullmatch(line):
            found.setdefault(match[2], set()).add(match[1])
    return found
