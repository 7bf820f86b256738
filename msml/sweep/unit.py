"""Carrying out one unit in a process of its own."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from msml.errors import DataError, StoppedError
from msml.files import is_locked
from msml.runs.directory import IN_USE
from msml.sweep.environment import environment
from msml.sweep.plan import LOG, Plan
from msml.sweep.units import Unit

_SECONDS_BETWEEN_LOOKS = 0.5
_STARTS = 3  # of a unit whose process is killed
_TAIL_BYTES = 20_000
_IN_USE_CODE = -(10**6)  # no process ends with it


@dataclass(frozen=True)
class Outcome:
    """How a unit ended.

    Attributes:
        number: The unit.
        exit_code: That of its process; 0 also where it was done before.
        seconds: Time that took.
        message: What went wrong, one line.
    """

    number: int
    exit_code: int
    seconds: float
    message: str = ""


class Children:
    """The processes of units in this process, by the sweep that they are for."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # `stop` may be called by a signal's handler
        self._running: dict[str, set[subprocess.Popen[bytes]]] = {}
        self._stopped: set[str] = set()

    def start(
        self,
        sweep: str,
        arguments: list[str],
        folder: str,
        log: IO[bytes],
        added: Mapping[str, str],
    ) -> "subprocess.Popen[bytes]":
        """Start a process.

        Raises:
            StoppedError: The sweep was stopped.
        """
        with self._lock:
            self.check(sweep)
            process = subprocess.Popen(
                [sys.executable, "-m", "msml.sweep.child", str(os.getpid()), *arguments],
                cwd=folder,
                env={**os.environ, **added},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C at the terminal is for the sweep
            )
            self._running.setdefault(sweep, set()).add(process)
            if sweep in self._stopped:  # meanwhile
                process.send_signal(signal.SIGTERM)
        return process

    def check(self, sweep: str) -> None:
        """Go on only if the sweep was not stopped.

        Raises:
            StoppedError: It was.
        """
        if sweep in self._stopped:
            raise StoppedError("the sweep was stopped")

    def ended(self, sweep: str, process: "subprocess.Popen[bytes]") -> None:
        """Forget a process that has ended."""
        with self._lock:
            self._running[sweep].discard(process)

    def stop(self, sweep: str) -> None:
        """Have the processes of a sweep save and leave; no more are started."""
        with self._lock:
            self._stopped.add(sweep)
            for process in self._running.get(sweep, ()):
                process.send_signal(signal.SIGTERM)

    def busy(self, sweep: str) -> bool:
        """Whether processes of a sweep are still there."""
        return bool(self._running.get(sweep))


CHILDREN = Children()


def carry_out(plan: Plan, unit: Unit, sweep: str, gpu: str | None = None) -> Outcome:
    """Do a unit unless it is done; where another process works in its run, wait for that.

    Args:
        plan: The plan.
        unit: The unit.
        sweep: Mark of the sweep, by which `CHILDREN` stop it.
        gpu: The only GPU to use.

    Returns:
        How it ended: 85 where it was stopped.
    """
    began = time.monotonic()
    code, starts = _IN_USE_CODE, 0

    def outcome(code: int, message: str = "") -> Outcome:
        return Outcome(unit.number, code, round(time.monotonic() - began, 1), message)

    try:
        while code == _IN_USE_CODE or (code < 0 and starts < _STARTS):
            _wait_for_others(plan, unit, sweep)
            if plan.is_done(unit):
                return outcome(0)
            code = _run(plan, unit, sweep, gpu)
            starts += code < 0 and code != _IN_USE_CODE
    except StoppedError as error:
        return outcome(error.exit_code, str(error))
    except DataError as error:
        return outcome(error.exit_code, str(error))
    if code == 0 and not plan.is_done(unit):
        place = f"its results are not in {plan.directory(unit)}"
        return outcome(1, f"ended well, but {place}: was the recipe changed after planning?")
    return outcome(code, _reason(plan, unit, code) if code else "")


def tail(plan: Plan, unit: Unit, lines: int) -> list[str]:
    """Return the last lines of a unit's log."""
    try:
        with (plan.directory(unit) / LOG).open("rb") as handle:
            handle.seek(max(0, handle.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return handle.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def _run(plan: Plan, unit: Unit, sweep: str, gpu: str | None) -> int:
    """Run a unit's command, its output going to the log of the run directory."""
    arguments = plan.command(unit)
    directory = plan.directory(unit)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        log = (directory / LOG).open("ab")
    except OSError as error:
        raise DataError(f"{directory}: cannot be written: {error.strerror}") from error
    with log:
        now, host = time.strftime("%Y-%m-%d %H:%M:%S"), os.uname().nodename
        log.write(f"# {now} {host}: msml {' '.join(arguments)}\n".encode())
        log.flush()
        added = environment(plan.threads, gpu)
        process = CHILDREN.start(sweep, arguments, plan.folder, log, added)
        try:
            code = process.wait()
        finally:
            CHILDREN.ended(sweep, process)
    if code == DataError.exit_code and any(IN_USE in text for text in tail(plan, unit, 1)):
        return _IN_USE_CODE
    return code


def _wait_for_others(plan: Plan, unit: Unit, sweep: str) -> None:
    lock = plan.directory(unit) / "lock"
    CHILDREN.check(sweep)
    while is_locked(lock):
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        CHILDREN.check(sweep)


def _reason(plan: Plan, unit: Unit, code: int) -> str:
    """Say in one line why a process failed: its own message, else the last it said."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    lines = [text for text in tail(plan, unit, 50) if text.strip()]
    own = [text.removeprefix("msml: ") for text in lines if text.startswith("msml: ")]
    return (own or lines or [""])[-1]
