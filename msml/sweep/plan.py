"""The units of work of a sweep and what they depend on; written to `plan.json`."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from msml import digests
from msml.errors import DataError, RecipeError
from msml.files import atomic, fingerprint, is_locked
from msml.runs.attempt import last_attempt
from msml.runs.directory import check_intact, read_json
from msml.runs.status import STOPPED
from msml.sweep.points import Point, points, settings

FORMAT = 1
LOG = "log.txt"


@dataclass(frozen=True)
class Unit:
    """One piece of work, done by one process.

    Attributes:
        number: Its number in the plan, after all that it needs.
        stage: The command that does it: `pretrain`, or the sweep's stage.
        values: The point's value on each axis.
        overrides: What makes the point.
        directory: The run directory, below the folder of all runs.
        results: Files in the run directory that are there when it is done; `*` is any name.
        needs: Numbers of the units that come before.
        level: The longest way to a unit that needs nothing.
    """

    number: int
    stage: str
    values: Mapping[str, Any]
    overrides: tuple[str, ...]
    directory: str
    results: tuple[str, ...]
    needs: tuple[int, ...]
    level: int


@dataclass(frozen=True)
class Plan:
    """A sweep.

    Attributes:
        recipe: The recipe, as it was asked for.
        folder: The working directory of all units.
        runs: Folder of all runs, seen from there.
        threads: Threads of a unit.
        path: The sweep's own folder, below the folder of all runs.
        units: All units, in an order in which they can be done.
        points: The value on each axis and the run directory of each point.
        unblind: Whether all of them show blind subsets, or none.
    """

    recipe: str
    folder: str
    runs: str
    threads: int
    path: str
    units: tuple[Unit, ...]
    points: tuple[tuple[Mapping[str, Any], str], ...]
    unblind: bool = False

    def directory(self, unit: Unit) -> Path:
        """The run directory of a unit."""
        return self.runs_folder / unit.directory

    @property
    def runs_folder(self) -> Path:
        """Folder of all runs."""
        return Path(self.folder, self.runs)

    def file(self, name: str) -> Path:
        """A file in the sweep's own folder."""
        return self.runs_folder / self.path / name

    def command(self, unit: Unit) -> list[str]:
        """Arguments of `msml` that do a unit."""
        return [unit.stage, "--runs", self.runs, "--", self.recipe, *unit.overrides]

    def is_done(self, unit: Unit) -> bool:
        """Whether the results of a unit are there."""
        directory = self.directory(unit)
        return all(_exists(directory, name) for name in unit.results)

    def state(self, unit: Unit) -> str:
        """One of the states of `msml.runs.status`, from the files of a unit."""
        directory = self.directory(unit)
        if self.is_done(unit):
            return "done"
        # None where it is not begun, or ended before the run was opened.
        attempt = last_attempt(directory) or {"command": [], "error": None}
        if attempt["command"] and unit.stage not in attempt["command"][:2]:
            return "not started"
        if is_locked(directory / "lock"):
            return "running"
        if any(not digests.is_intact(p) for name in unit.results for p in directory.glob(name)):
            return "damaged"
        if attempt["error"] and attempt["error"]["exit_code"] not in STOPPED:
            return "failed"
        if attempt["command"]:
            return "interrupted"
        return "failed" if self._logged(unit) else "not started"

    def _logged(self, unit: Unit) -> bool:
        try:
            text = (self.directory(unit) / LOG).read_text(errors="replace")
        except OSError:  # no such file, or one of somebody else
            return False
        return f": msml {' '.join(self.command(unit))}\n" in text


def make(recipe: str, overrides: Sequence[str], runs: Path) -> Plan:
    """Plan the sweep of a recipe; every point is checked.

    Raises:
        RecipeError: Holds all problems found.
    """
    sweep, scanned = settings(recipe, overrides)
    found = points(recipe, scanned, runs)
    if len({point.unblind for point in found}) > 1:
        raise RecipeError("evaluate.unblind: differs between points; expected the same for all")
    directories = [point.directory for point in found]
    facts = [sweep.stage, sorted(directories), *(["unblind"] if found[0].unblind else [])]
    name = f"sweep-{fingerprint(facts)[:8]}"
    return Plan(
        recipe=recipe,
        folder=str(Path.cwd()),
        runs=str(runs),
        threads=sweep.threads,
        path=str(Path(directories[0]).parent / name),
        units=tuple(units(found, sweep.stage)),
        points=tuple((point.values, point.directory) for point in found),
        unblind=found[0].unblind,
    )


def units(found: Sequence[Point], stage: str) -> list[Unit]:
    """Divide points into units.

    Pre-training that several runs share is a unit of its own, in the directory of the first of
    them; what only one run needs is left to that run.
    """
    distinct = list({point.directory: point for point in found}.values())
    uses = Counter(mark for point in distinct for mark in point.pretraining)
    maker: dict[str, int] = {}  # of each shared candidate, by its mark
    made: list[Unit] = []

    def add(point: Point, what: str, needs: set[int]) -> int:
        level = 1 + max((made[n].level for n in needs), default=-1)
        facts = (point.values, point.overrides, point.directory, point.results[what])
        made.append(Unit(len(made), what, *facts, tuple(sorted(needs)), level))
        return len(made) - 1

    for point in distinct:
        shared = {mark for mark in point.pretraining if uses[mark] > 1}
        if new := shared - maker.keys():
            unit = add(point, "pretrain", {maker[mark] for mark in shared - new})
            maker |= dict.fromkeys(new, unit)
        add(point, stage, {maker[mark] for mark in shared})
    return _in_order(made)


def _in_order(made: Sequence[Unit]) -> list[Unit]:
    """Number units anew, those that need nothing first."""
    order = sorted(made, key=lambda unit: (unit.level, unit.number))
    number = {unit.number: new for new, unit in enumerate(order)}
    return [
        Unit(**{**vars(u), "number": new, "needs": tuple(sorted(number[n] for n in u.needs))})
        for new, u in enumerate(order)
    ]


def write(plan: Plan) -> Path:
    """Write `plan.json` into the sweep's folder.

    Returns:
        The file.
    """
    path = plan.file("plan.json")
    content = {"format": FORMAT, **asdict(plan)}
    digests.start(path.parent)
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")
    return path


def read(path: Path) -> Plan:
    """Read a `plan.json`.

    Raises:
        DataError: If it is missing, broken, or of another format.
    """
    content = read_json(path, checked=False)  # first of all whether it is a plan of ours
    try:
        if content.pop("format") != FORMAT:
            raise DataError(f"{path}: a plan of another version of msml; make it again")
        made = tuple(Unit(**_tuples(unit)) for unit in content.pop("units"))
        pairs = tuple((values, directory) for values, directory in content.pop("points"))
        plan = Plan(**content, units=made, points=pairs)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not a plan: {error!r}") from error
    check_intact(path)
    return plan


def _exists(directory: Path, name: str) -> bool:
    if "*" in name:  # candidates' names may have brackets, but no star
        return any(map(digests.is_intact, directory.glob(name)))
    path = directory / name
    return path.exists() and digests.is_intact(path)


def _tuples(content: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
