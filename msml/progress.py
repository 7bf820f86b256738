"""Progress of long work: a bar on a terminal, plain lines elsewhere. Both go to standard error."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from msml.tables import duration

_SECONDS_BETWEEN_LINES = 10.0


class Meter:
    """Counts what is done of several named totals.

    Args:
        unit: What is counted, in the plural.
        console: Where to write; standard error where None.
    """

    def __init__(self, unit: str, console: Console | None = None) -> None:
        self._unit = unit
        self._console = console or Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description:<20}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            speed_estimate_period=120,
        )
        self._tasks: dict[str, TaskID] = {}
        self._done: dict[str, int] = {}
        self._before: dict[str, int] = {}
        self._total: dict[str, int] = {}
        self._start = self._last = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
        if error is None and not self._console.is_terminal:
            self._print_line()

    def add(self, name: str, total: int, done: int = 0) -> None:
        """Start counting under a name; `done` were done in an earlier attempt."""
        self._done[name] = self._before[name] = done
        self._total[name] = total
        self._tasks[name] = self._bar.add_task(name, total=total, completed=done, rate="")

    def advance(self, name: str, count: int) -> None:
        """Count some more."""
        self._done[name] += count
        rate = f"{self._rate(name):.1f} {self._unit}/s"
        self._bar.update(self._tasks[name], completed=self._done[name], rate=rate)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._last > _SECONDS_BETWEEN_LINES:
            self._last = now
            self._print_line()

    def _rate(self, name: str) -> float:
        elapsed = max(time.monotonic() - self._start, 1e-9)
        return (self._done[name] - self._before[name]) / elapsed

    def _print_line(self) -> None:
        parts = [
            f"{name} {done}/{self._total[name]} ({self._rate(name):.1f} {self._unit}/s)"
            for name, done in self._done.items()
        ]
        fresh = sum(self._done.values()) - sum(self._before.values())
        left = sum(self._total.values()) - sum(self._done.values())
        if fresh and left:
            seconds = left * (time.monotonic() - self._start) / fresh
            parts.append(f"about {duration(seconds)} left")
        self._console.print(", ".join(parts), highlight=False, soft_wrap=True)
