"""Running stages of `msml` in processes of their own, which can be killed.

They are forked from a server that has imported TensorFlow, which saves seconds for each.
"""

import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_PATIENCE = 600.0  # the machine may be busy


@dataclass(frozen=True)
class Limits:
    """How a command is made to differ from one at a user's prompt.

    Attributes:
        seconds_between_checkpoints: As in `msml.training.fit`.
        file_bytes: No file may become larger, as if the disk were full.
        epoch_seconds: Every epoch takes so much longer.
    """

    seconds_between_checkpoints: float = 0.0
    file_bytes: int | None = None
    epoch_seconds: float = 0.0


def _start_server() -> None:
    """Start it with a path on which it finds what to import beforehand."""
    before = os.environ.get("PYTHONPATH")
    here = str(Path(__file__).parent)
    os.environ["PYTHONPATH"] = here if before is None else here + os.pathsep + before
    try:
        _CONTEXT.set_forkserver_preload(["preloaded"])
        forkserver.ensure_running()
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before


class Command:
    """A running `msml` command; its streams go to files in `folder`."""

    def __init__(self, folder: Path, *arguments: object, limits: Limits | None = None) -> None:
        self.folder = folder
        _start_server()
        texts = [str(argument) for argument in arguments]
        self.process = _CONTEXT.Process(
            target=_command, args=(folder, texts, limits or Limits(), list(sys.path))
        )
        self.process.start()

    def wait(self) -> int:
        self.process.join(_PATIENCE)
        assert self.process.exitcode is not None, "still running"
        return self.process.exitcode

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    @property
    def output(self) -> str:
        return (self.folder / f"{self.process.pid}.out").read_text()

    @property
    def errors(self) -> list[str]:
        return (self.folder / f"{self.process.pid}.err").read_text().splitlines()


def msml(folder: Path, *arguments: object, limits: Limits | None = None) -> Command:
    """Run a command, which must succeed."""
    command = Command(folder, *arguments, limits=limits)
    assert command.wait() == 0, command.errors
    return command


def fails(code: int, folder: Path, *arguments: object, limits: Limits | None = None) -> str:
    """Run a command, which must fail with this exit code and one line."""
    command = Command(folder, *arguments, limits=limits)
    assert command.wait() == code, command.errors
    lines = [line for line in command.errors if line.startswith("msml: ")]
    assert len(lines) == 1, command.errors
    assert not any("Traceback" in line for line in command.errors), command.errors
    return lines[0].removeprefix("msml: ")


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.005)


def _command(folder: Path, arguments: list[str], limits: Limits, path: list[str]) -> None:
    sys.path[:] = path
    os.chdir(folder)
    for number, name in ((1, "out"), (2, "err")):
        handle = os.open(f"{os.getpid()}.{name}", os.O_WRONLY | os.O_CREAT)
        os.dup2(handle, number)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    sys.argv = ["msml", *arguments]
    # As at a prompt: a shell has what it starts in the background ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from msml.training import epoch, fit

    fit._SECONDS_BETWEEN_CHECKPOINTS = limits.seconds_between_checkpoints
    if limits.epoch_seconds:
        order = epoch.epoch_order

        def slow(*about: object) -> object:
            time.sleep(limits.epoch_seconds)
            return order(*about)

        epoch.epoch_order = slow
    if limits.file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))
    from msml.cli import main

    main()
