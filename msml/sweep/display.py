"""How a sweep is shown while it is carried out: a table on a terminal, plain lines elsewhere."""

import time
from collections import Counter
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from msml.errors import StoppedError
from msml.files import is_locked
from msml.sweep.execute import SKIPPED, left
from msml.sweep.plan import Plan
from msml.sweep.unit import Outcome, tail
from msml.sweep.units import Unit

_KINDS = ("done", "failed", "skipped", "running", "waiting")
_MOST_SHOWN = 12
_SECONDS_BETWEEN_LOOKS = 2.0


def word(outcome: Outcome) -> str:
    """Say in a word how a unit ended."""
    known = {0: "done", SKIPPED: "skipped", StoppedError.exit_code: "stopped"}
    return known.get(outcome.exit_code, "failed")


class SweepDisplay:
    """Shows which units are done, failed and at work, on standard error.

    Args:
        plan: The plan.
        console: Where to write.
    """

    def __init__(self, plan: Plan, console: Console) -> None:
        self._plan = plan
        self._console = console
        self._live = Live(console=console, auto_refresh=False)
        self._todo = {unit.number for unit in left(plan)}
        self._ended: dict[int, str] = {}
        self._began = time.monotonic()
        self._looked = 0.0

    def __enter__(self) -> Self:
        units, undone = len(self._plan.units), len(self._todo)
        self.say(f"{units} units, {units - undone} done before; {self._plan.file('plan.json')}")
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

    def ended(self, outcome: Outcome) -> None:
        """Tell of a unit that has ended."""
        self._ended[outcome.number] = word(outcome)
        unit = self._plan.units[outcome.number]
        line = (
            f"{len(self._ended)}/{len(self._todo)}  {unit.number} {unit.stage} {unit.directory}: "
            f"{word(outcome)}"
        )
        if outcome.exit_code == 0:
            line += f" in {outcome.seconds:.0f} s"
        elif outcome.exit_code > 0:
            line += f", exit code {outcome.exit_code}"
        self.say(line + (f": {outcome.message}" if outcome.message else ""))

    def look(self, handed_out: set[int], workers: int) -> None:
        """Show what is at work."""
        now = time.monotonic()
        if not self._console.is_terminal or now - self._looked < _SECONDS_BETWEEN_LOOKS:
            return
        self._looked = now
        running = [
            unit
            for unit in self._plan.units
            if unit.number in handed_out and is_locked(self._plan.directory(unit) / "lock")
        ]
        self._live.update(
            Group(self._counts(len(running), workers), self._running(running)), refresh=True
        )

    def _counts(self, running: int, workers: int) -> Text:
        counts = Counter(self._ended.values())
        counts["running"] = running
        counts["waiting"] = len(self._todo) - len(self._ended) - running
        shown = ", ".join(f"{counts[kind]} {kind}" for kind in _KINDS if counts[kind])
        return Text(f"{shown}; {workers} workers, {time.monotonic() - self._began:.0f} s")

    def _running(self, units: list[Unit]) -> Table:
        """The last line that each unit at work has said."""
        table = Table(box=box.SIMPLE_HEAD, show_edge=False)
        for heading, least in (("unit", 4), ("stage", 9), ("run", 30), ("at", 20)):
            table.add_column(heading, no_wrap=True, overflow="ellipsis", min_width=least)
        for unit in units[:_MOST_SHOWN]:
            said = tail(self._plan, unit, 1)
            cells = (str(unit.number), unit.stage, unit.directory, said[0] if said else "")
            table.add_row(*map(Text, cells))
        return table

    def say(self, line: str) -> None:
        """Print a line."""
        self._console.print(line, highlight=False, soft_wrap=True, markup=False)
