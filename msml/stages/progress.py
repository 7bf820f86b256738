"""Progress of training: one line that changes on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

_SECONDS_BETWEEN_LINES = 10.0

Report = Callable[[str, Mapping[str, Any]], None]


def both(first: Report, second: Report) -> Report:
    """Report each epoch to two."""

    def report(key: str, facts: Mapping[str, Any]) -> None:
        first(key, facts)
        second(key, facts)

    return report


class EpochDisplay:
    """Shows what is trained, and how well, on standard error.

    Args:
        console: Where to write.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, transient=True, auto_refresh=False)
        self._key = ""
        self._began = self._last = time.monotonic()
        self._first_epoch = 0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def epoch(self, key: str, facts: Mapping[str, Any]) -> None:
        """Show an epoch."""
        now = time.monotonic()
        if key != self._key:
            self._key, self._began, self._last = key, now, now
            self._first_epoch = facts["epoch"]
        line = self._line(key, facts, now)
        if self._console.is_terminal:
            self._live.update(Text(line), refresh=True)
        elif now - self._last > _SECONDS_BETWEEN_LINES:
            self._last = now
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def done(self, line: str) -> None:
        """Say that something is finished."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _line(self, key: str, facts: Mapping[str, Any], now: float) -> str:
        losses = ", ".join(f"{name} {value:.5f}" for name, value in facts["valid"].items())
        line = (
            f"{key}: epoch {facts['epoch']}/{facts['epochs']}, valid {losses}, best "
            f"{facts['best']:.5f} in {facts['best_epoch']}, patience left {facts['patience_left']}"
        )
        done = facts["epoch"] - self._first_epoch
        if done:
            left = (facts["epochs"] - facts["epoch"]) * (now - self._began) / done
            line += f", at most {left:.0f} s left"
        return line
