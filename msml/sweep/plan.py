"""The plan of a sweep: its units of work and how far they are; written to `plan.json`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from msml import digests
from msml.errors import DataError, RecipeError
from msml.files import atomic, fingerprint, is_locked
from msml.recipe.schema import Sweep
from msml.runs.attempt import last_attempt
from msml.runs.directory import check_intact, read_json, read_json_if_there
from msml.runs.status import STOPPED
from msml.sweep.groups import alike, groups
from msml.sweep.points import Point, points, settings
from msml.sweep.units import Unit, units

FORMAT = 1
PLAN = "plan.json"
LOG = "log.txt"


@dataclass(frozen=True)
class Plan:
    """A sweep.

    Attributes:
        recipe: The recipe, as it was asked for.
        folder: The working directory of all units.
        runs: Folder of all runs, seen from there.
        threads: Threads of a unit.
        path: The sweep's own folder, below the folder of all runs.
        stage: What is done at each point.
        units: All units, in an order in which they can be done.
        points: The value on each axis and the run directory of each point.
        replicas: Most seeds that are trained at once.
        unblind: Whether all of them show blind subsets, or none.
    """

    recipe: str
    folder: str
    runs: str
    threads: int
    path: str
    units: tuple[Unit, ...]
    points: tuple[tuple[Mapping[str, Any], str], ...]
    stage: str = "run"
    replicas: int = 1
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
        several = []
        if unit.seeds:
            several = ["--seeds", ",".join(map(str, unit.seeds)), "--stage", self.stage]
        recipe = unit.recipe or self.recipe
        return [unit.stage, "--runs", self.runs, *several, "--", recipe, *unit.overrides]

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
    path = str(Path(directories[0]).parent / f"sweep-{fingerprint(facts)[:8]}")
    replicas = _replicas(sweep, recipe, found, runs / path)
    return Plan(
        recipe=recipe,
        folder=str(Path.cwd()),
        runs=str(runs),
        threads=sweep.threads,
        path=path,
        units=tuple(units(found, sweep.stage, groups(recipe, found, sweep.stage, replicas))),
        points=tuple((point.values, point.directory) for point in found),
        stage=sweep.stage,
        replicas=replicas,
        unblind=found[0].unblind,
    )


def _replicas(sweep: Sweep, recipe: str, found: Sequence[Point], folder: Path) -> int:
    """Number of seeds that are trained at once; what was tried is kept in the plan."""
    if isinstance(sweep.replicas, int):
        return sweep.replicas
    most = max((len(points) for points in alike(found)), default=1)
    if most == 1:
        return 1
    kept = (read_json_if_there(folder / PLAN, "replicas") or {}).get("replicas")
    if isinstance(kept, int):
        return kept
    from msml.sweep.at_once import most_at_once

    return most_at_once(recipe, found[0].overrides, sweep.stage, most, sweep.threads)


def write(plan: Plan) -> Path:
    """Write `plan.json` into the sweep's folder.

    Returns:
        The file.
    """
    path = plan.file(PLAN)
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
    """Whether a result of a unit is there; that of another seed lies beside its directory."""
    if name.startswith("../"):
        directory, name = directory.parent, name.removeprefix("../")
    if "*" in name:  # candidates' names may have brackets, but no star
        return any(map(digests.is_intact, directory.glob(name)))
    path = directory / name
    return path.exists() and digests.is_intact(path)


def _tuples(content: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
