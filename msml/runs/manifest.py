"""The manifest of a run: what it is made of, and every session of work on it."""

import platform
import resource
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from msml import __version__
from msml.errors import DataError
from msml.runs import layout
from msml.runs.directory import RunDirectory, read_json, write_json

_SECONDS_FOR_GIT = 10.0


def versions(tensorflow: str, keras: str) -> dict[str, str]:
    """Versions of what results depend on, given those that are slow to import."""
    return {
        "msml": __version__,
        "python": platform.python_version(),
        "tensorflow": tensorflow,
        "keras": keras,
        "numpy": np.__version__,
        "h5py": h5py.__version__,
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit of a git checkout, and whether tracked files differ from it.

    Returns:
        None where there is no checkout, no commit or no git.
    """
    command = ["git", "--no-optional-locks", "-C", str(folder), "status"]
    options = ["--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        answer = subprocess.run(
            [*command, *options],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
            timeout=_SECONDS_FOR_GIT,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = answer.stdout.splitlines()
    commit = next((li.split()[2] for li in lines if li.startswith("# branch.oid ")), "(initial)")
    if commit == "(initial)":
        return None
    return {"commit": commit, "dirty": any(not line.startswith("#") for line in lines)}


def earlier(directory: RunDirectory) -> dict[str, Any]:
    """Return the manifest that earlier sessions left; nothing in a new run.

    Raises:
        DataError: If it cannot be read.
    """
    path = layout.manifest(directory.path)
    if not path.exists():
        return {}
    found = read_json(path)
    if "sessions" not in found:
        raise DataError(
            f"{path}: of another version of msml; remove that folder, or give the recipe another "
            "name"
        )
    return found


def total_seconds(manifest: Mapping[str, Any]) -> float:
    """Time of all of a run's sessions; one that was killed left none."""
    return float(sum(session.get("seconds") or 0.0 for session in manifest.get("sessions", [])))


@contextmanager
def recorded(
    directory: RunDirectory, facts: Mapping[str, Any], session: Mapping[str, Any], together: int = 1
) -> Iterator[None]:
    """Keep `manifest.json` while the block runs: facts about the run, and its sessions so far.

    Args:
        directory: The run.
        facts: What the run is made of.
        session: What this session is; times, memory and git state are added. Time and memory are
            null until it ends, and stay so if it is killed.
        together: Runs that the session works on at once, each with its part of the time.
    """
    before = earlier(directory).get("sessions", [])
    began = time.time()
    about = {**session, "began": began}
    if git := git_state(Path.cwd()):
        about["git"] = git

    def write(seconds: float | None, megabytes: float | None) -> None:
        measured = {"seconds": seconds, "peak_memory_mb": megabytes}
        content = {**facts, "sessions": [*before, {**about, **measured}]}
        write_json(layout.manifest(directory.path), content)

    write(None, None)
    try:
        yield
    finally:
        write(
            (time.time() - began) / together,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        )
