"""Progress of training: one line that changes on a terminal, plain lines elsewhere."""

import math
import threading
import time
from collections.abc import Callable, Mapping
from textwrap import wrap
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

_SECONDS_BETWEEN_LINES = 10.0
# An epoch may take less time than drawing a line.
_SECONDS_BETWEEN_FRAMES = 0.1
# Candidates of a task whose α is shown.
_SHOWN = 5
_NO_BREAK = "\u00a0"

OnEpoch = Callable[[str, Mapping[str, Any]], None]


def both(first: OnEpoch, second: OnEpoch) -> OnEpoch:
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
        self._terminal = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, transient=True, auto_refresh=False)
        self._alone = threading.Lock()
        self._began: dict[str, tuple[int, float]] = {}
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        if self._terminal:
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
        """Show an epoch; of what is trained at once, whichever comes when it is time."""
        with self._alone:
            self._epoch(key, facts, time.monotonic())

    def done(self, line: str) -> None:
        """Say that something is finished."""
        with self._alone:
            if self._terminal:  # or the last epoch would stand below it until the next
                self._live.update(Group(), refresh=True)
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _epoch(self, key: str, facts: Mapping[str, Any], now: float) -> None:
        if key not in self._began:
            self._began[key] = facts["epoch"], now
            self._last = -math.inf if self._terminal else now
        pause = _SECONDS_BETWEEN_FRAMES if self._terminal else _SECONDS_BETWEEN_LINES
        if now - self._last < pause:
            return
        self._last = now
        line = self._line(key, facts, now)
        if self._terminal:
            self._live.update(Text(broken(line, self._console.width)), refresh=True)
        else:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _line(self, key: str, facts: Mapping[str, Any], now: float) -> str:
        line = f"{key}: epoch {facts['epoch']}/{facts['epochs']}, "
        if facts["valid"]:
            best = f"{facts['best']:.5f} in {facts['best_epoch']}"
            line += (
                f"valid {_losses(facts['valid'])}, best "
                f"{best if facts['best_epoch'] else 'none yet'}, "
                f"patience left {facts['patience_left']}"
            )
        else:  # trained for all its epochs
            line += f"train {_losses(facts['train'])}"
        for task, alpha in facts.get("alpha", {}).items():
            line += f", α {task}: " + ", ".join(f"{n} {a:+.3f}" for n, a in _first(alpha))
        if "learning" in facts:
            line += f", learning: {facts['learning']}"
        first, began = self._began[key]
        if done := facts["epoch"] - first:
            left = (facts["epochs"] - facts["epoch"]) * (now - began) / done
            line += f", at most {left:.0f} s left"
        return line


def _losses(values: Mapping[str, float]) -> str:
    """Write losses, without those of each candidate's own output."""
    return ", ".join(f"{name} {value:.5f}" for name, value in values.items() if "/" not in name)


def _first(alpha: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the largest α, largest first."""
    return sorted(alpha.items(), key=lambda item: -item[1])[:_SHOWN]


def broken(line: str, width: int) -> str:
    """Break a line after commas, so that names stay beside their numbers."""
    glued = line.replace(" ", _NO_BREAK).replace(f",{_NO_BREAK}", ", ")
    return "\n".join(wrap(glued, width, break_on_hyphens=False)).replace(_NO_BREAK, " ")
