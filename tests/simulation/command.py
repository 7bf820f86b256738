"""Running `msml generate` as a user does, and watching its processes."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

RECIPE = "events/htautau.yaml"
# Eight shards of a second each.
QUICK = ("pileup.mean=0", "pythia.PartonLevel:MPI=off", "events=8", "shard_size=2")
_PROGRESS = re.compile(r"\((\d|\.)+ (events|interactions)/s\)")
_PATIENCE = 120.0


def start(output: Path, *arguments: str, workers: int = 2, **options: object) -> subprocess.Popen:
    """Start the command in a process group of its own."""
    command = [sys.executable, "-m", "msml", "generate", RECIPE, f"output={output}", *arguments]
    return subprocess.Popen(
        [*command, "--workers", str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def finish(process: subprocess.Popen) -> tuple[int, str, list[str]]:
    """Exit code, output, and the lines on standard error that are no progress."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out, [s for s in err.splitlines() if not _PROGRESS.search(s)]


def generate(output: Path, *arguments: str, workers: int = 2, **options: object) -> list[str]:
    """Run the command, which must succeed; the lines on standard error that are no progress."""
    code, _, errors = finish(start(output, *arguments, workers=workers, **options))
    assert code == 0, errors
    return errors


def fails(code: int, output: Path, *arguments: str, **options: object) -> list[str]:
    """Run the command, which must fail with this exit code and nothing but `msml: ` lines."""
    found, _, errors = finish(start(output, *arguments, **options))
    assert found == code, errors
    assert errors
    assert all(line.startswith("msml: ") for line in errors), errors
    return [line.removeprefix("msml: ") for line in errors]


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that must come."""
    give_up = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.02)


def shards(output: Path) -> list[Path]:
    """Finished shards of an output, wherever they are kept beside it."""
    return sorted(output.parent.glob(f".{output.name}.*/**/*.npz"))


def children(pid: int) -> dict[int, str]:
    """Child processes with their command lines."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
        if parent == pid:
            found[int(folder.name)] = command
    return found


def workers_of(pid: int) -> list[int]:
    """Worker processes of a running command."""
    return [child for child, command in children(pid).items() if "spawn_main" in command]


def alive(pid: int) -> bool:
    """Say whether a process runs; one that only waits to be collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def stop_all(process: subprocess.Popen) -> None:
    """Leave nothing running behind a failed test."""
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        return
    process.communicate()
