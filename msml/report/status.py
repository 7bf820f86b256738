"""How far runs have come, as tables for people."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from msml.runs.status import STATES, Status, UnitStatus
from msml.tables import NONE, say, show

_STAGES = ("pretrain", "search", "posttrain", "evaluate")


def show_runs(found: Sequence[Status], runs: Path) -> None:
    """Print a line for each run."""
    if not found:
        say(f"no runs in {runs}")
        return
    rows = []
    for each in found:
        done = (_counted(each.progress(stage)) for stage in _STAGES)
        name = "/".join(Path(each.path).parts[-2:])
        rows.append((each.state, *done, _when(each.time), name))
        if each.current:
            rows.append(("", *[""] * len(_STAGES), "at", each.current))
    headings = ("state", *_STAGES, "last", "run")
    show(f"Runs in {runs}", headings, rows, numbers=range(1, len(_STAGES) + 2))
    for state in dict.fromkeys(each.state for each in found):
        say(f"{state}: {STATES[state]}")


def show_run(found: Status) -> None:
    """Print one run, a line for each unit of its work."""
    rows = [
        (
            unit.stage,
            unit.name,
            _unit_state(found, unit),
            *(NONE if n is None else str(n) for n in (unit.epochs, unit.best_epoch)),
            NONE if unit.best is None else f"{unit.best:.5g}",
            _when(unit.time),
        )
        for unit in found.units
    ]
    headings = ("stage", "what", "state", "epochs", "best epoch", "valid loss", "last")
    if rows:
        show(found.path, headings, rows, numbers=range(3, 7))
    say(f"{found.path}: {found.state}, {STATES[found.state]}")
    if found.error:
        message = f"{found.error['kind']}: {found.error['message']}"
        say(f"{_when(found.error['time'])}, exit code {found.error['exit_code']}: {message}")


def _unit_state(found: Status, unit: UnitStatus) -> str:
    """A unit's own state; what is begun shares that of the run."""
    if unit.done:
        return "done"
    return found.state if unit.epochs else NONE


def _counted(progress: tuple[int, int]) -> str:
    done, total = progress
    return f"{done}/{total}" if total else NONE


def _when(time: float | None) -> str:
    """Local time: the hour today, else the day too."""
    if time is None:
        return NONE
    moment, now = datetime.fromtimestamp(time), datetime.now()
    return f"{moment:%H:%M:%S}" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M}"
