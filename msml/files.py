"""Writing files so that a reader never sees half of one, and locks that die with their holder."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msml import digests
from msml.errors import DataError, RecipeError, ends

_SECONDS_BETWEEN_TRIES = 0.1
_LARGEST = 10**7  # bytes that a person may have written
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
_LONGEST_PATH = 3800  # 4095 with what we append
_LONGEST_PART = 255
_OWN = 220  # bytes of its final name in that of a temporary file


def user_path(text: str | Path) -> Path:
    """Read a path as users write it, wherever they do: `~` is a home.

    Raises:
        RecipeError: Nobody knows whose home, or no file can have such a name.
    """
    expanded = os.path.expanduser(text)
    path, shown = Path(expanded), ends(repr(str(text)))
    if isinstance(text, str) and expanded.startswith("~"):
        raise RecipeError(f"{shown}: no home folder of that user is known; expected ./~... or /...")
    if _CONTROL.search(str(path)):
        raise RecipeError(f"{shown}: expected no control characters in a path")
    if len(os.fsencode(path)) > _LONGEST_PATH or any(
        len(os.fsencode(part)) > _LONGEST_PART for part in path.parts
    ):
        expected = f"expected {_LONGEST_PART} bytes at most for a name, {_LONGEST_PATH} for a path"
        raise RecipeError(f"{shown}: too long; {expected}")
    return path


@contextlib.contextmanager
def atomic(path: Path, *, listed: bool = True) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when the block ends well.

    Args:
        path: The file.
        listed: Whether it has a line in the list of digests of the folder that it lies in, if that
            has one; not where it will be added to.

    Raises:
        DataError: If it cannot be written (no permission, full disk).
    """
    name = os.fsdecode(os.fsencode(path.name)[:_OWN])
    temporary = path.with_name(f".{name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)  # never write through a link
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        if listed:
            digests.add(path, temporary)
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):  # such as a file where a folder should be
            temporary.unlink()


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path` that takes its place when the block ends well.

    Raises:
        DataError: There is something at `path` already, or it cannot be written.
    """
    if os.path.lexists(path):
        raise DataError(f"{path}: exists; remove it or name another folder")
    name = os.fsdecode(os.fsencode(path.name)[:_OWN])
    temporary = path.with_name(f".{name}.{os.getpid()}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        temporary.rename(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def locked(
    path: Path, busy: str | None = None, waiting: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Hold a kernel lock on a file, made if need be; it is free again when its holder dies.

    Args:
        path: The lock file; it stays.
        busy: Message of the error when another process holds it; None to wait instead.
        waiting: Called now and then while waiting; what it raises ends that.

    Raises:
        DataError: If the lock is taken, its file cannot be made or is a link, or the file system
            has no locks.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What is there stays as it is, and no link is followed.
        descriptor = digests.no_link(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "rb"):
        while not _taken(descriptor, path):
            if busy is not None:
                raise DataError(busy)
            waiting()
            time.sleep(_SECONDS_BETWEEN_TRIES)
        yield


def _taken(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        reason = f"the file system has no locks ({error.strerror}); expected one that has"
        raise DataError(f"{path}: {reason}") from error
    return True


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of this file; False where nobody can tell."""
    try:
        with path.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no such file, one of somebody else, a file system without locks
        return False
    return False


def remove_temporaries(folder: Path) -> None:
    """Remove what killed processes left half written in a folder that no other works in.

    Raises:
        DataError: If it cannot be removed.
    """
    try:
        for leftover in folder.rglob(".*.tmp"):
            leftover.unlink()
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error.strerror}") from error


def fingerprint(content: Any) -> str:
    """Hash JSON-able content; the order of keys in mappings does not count."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def small_file(path: Path) -> bytes:
    """Read a file that a person has written; what is no file is not waited for.

    Raises:
        RecipeError: It is a directory, a pipe, a device, or larger than 10 MB.
        OSError: It cannot be read.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise RecipeError("is a directory, expected a file")
    if not stat.S_ISREG(mode):
        raise RecipeError("is a pipe or a device, expected a file")
    with path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise RecipeError(f"is larger than {_LARGEST // 10**6} MB, the most that is read")
    return content
