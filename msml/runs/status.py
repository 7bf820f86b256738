"""How far runs have come, from the files they leave; no TensorFlow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from msml.errors import DataError, RecipeError
from msml.files import is_locked
from msml.recipe import load
from msml.recipe.expand import chain_name, chains, expand
from msml.recipe.schema import TrainRecipe
from msml.runs import layout
from msml.runs.attempt import last_attempt
from msml.runs.directory import kept_recipe, read_json_if_there, run_directory
from msml.runs.log import records
from msml.runs.repair import damaged

STOPPED = (85, 130)
# Stands for the chain until the search has chosen it.
_TO_BE_CHOSEN = "(to be chosen)"
# Files that are looked at whenever somebody asks; weights can be large.
_SMALL = (".json", ".yaml")

STATES = {
    "done": "all stages have ended well",
    "running": "a process is working in it",
    "failed": "an error ended it; the same command tries again",
    "interrupted": "stopped or killed; the same command continues",
    "damaged": "a file is not as it was written; the same command makes it again",
    "partial": "what was asked for has ended well, other work is left",
    "not started": "nothing there",
}


@dataclass(frozen=True)
class UnitStatus:
    """One piece of a run's work.

    Attributes:
        stage: The stage it belongs to.
        name: The rest of its name.
        done: Whether its result is there.
        epochs: Epochs trained, as far as is known.
        best_epoch: The best of them, from 1.
        best: The monitored loss there, on valid.
        time: When it was last heard of, in seconds since 1970.
    """

    stage: str
    name: str
    done: bool
    epochs: int | None = None
    best_epoch: int | None = None
    best: float | None = None
    time: float | None = None


@dataclass(frozen=True)
class Status:
    """One run.

    Attributes:
        path: Its directory.
        state: One of `STATES`.
        units: Its work, in order.
        current: Name of the unit that is or was at work; None where all of it is done.
        error: How the last attempt ended, if not well.
        time: When the run was last heard of.
    """

    path: str
    state: str
    units: tuple[UnitStatus, ...]
    current: str | None
    error: Mapping[str, Any] | None
    time: float | None

    def progress(self, stage: str) -> tuple[int, int]:
        """Units done and units in all of a stage."""
        units = [unit for unit in self.units if unit.stage == stage]
        return sum(unit.done for unit in units), len(units)


def run_of(recipe: str, overrides: Sequence[str], runs: Path) -> Path:
    """Return the directory of a recipe's run.

    Raises:
        RecipeError: If the recipe cannot be loaded.
    """
    loaded = load(recipe, TrainRecipe, list(overrides))
    resolved = loaded.plain()
    return run_directory(runs, loaded.values.name, resolved, list(overrides)).path


def find_runs(runs: Path) -> list[Path]:
    """Return the directories of all runs below a folder, in order of their names."""
    return sorted(path.parent for path in runs.glob(layout.recipe(Path("*/*")).as_posix()))


def status(path: Path) -> Status:
    """Say how far a run has come."""
    if not layout.recipe(path).exists():
        return Status(str(path), "not started", (), None, None, None)
    seen = {record["unit"]: record for record in records(path)}
    units = tuple(_units(path, seen))
    attempt = last_attempt(path)
    last = max(seen.values(), key=lambda record: record["time"], default=None)
    current = last["unit"] if last and not _is_done(units, last["unit"]) else None
    error = (attempt or {}).get("error")
    times = [unit.time for unit in units if unit.time] + [r["time"] for r in (last, error) if r]
    return Status(
        path=str(path),
        state=_state(path, units, attempt),
        units=units,
        current=current,
        error=error,
        time=max(times, default=None),
    )


def _state(path: Path, units: tuple[UnitStatus, ...], attempt: Mapping[str, Any] | None) -> str:
    if is_locked(path / "lock"):
        return "running"
    if attempt:
        error = attempt.get("error")
        return "failed" if error and error["exit_code"] not in STOPPED else "interrupted"
    if damaged(path, _SMALL):
        return "damaged"
    return "done" if units and all(unit.done for unit in units) else "partial"


def _is_done(units: tuple[UnitStatus, ...], name: str) -> bool:
    """Whether a unit, or the one that it is a part of, is done."""
    return any(unit.done and f"{name}/".startswith(f"{unit.stage}/{unit.name}/") for unit in units)


def _units(path: Path, seen: Mapping[str, Mapping[str, Any]]) -> Iterator[UnitStatus]:
    """Yield a run's work, as its recipe says; none where that is damaged or of another version."""
    try:
        recipe = kept_recipe(path).values
        tasks = expand(recipe)
    except (DataError, RecipeError):
        return
    for task, spec in tasks.items():
        for name in spec.candidates:
            file = layout.pretrained(path, task, name)
            yield _unit("pretrain", f"{task}/{name}", file, seen)
    strategy = recipe.strategy.get("name")
    if strategy == "grid" or layout.grid(path).exists():
        for choice in product(*(spec.candidates for spec in tasks.values())):
            name = "+".join(choice)
            yield _unit("grid", name, layout.combination(path, name) / layout.RESULT, seen)
    if strategy:
        yield _unit("search", str(strategy), layout.selection(path), seen)
    trained = list(product(_chains(path, recipe), recipe.posttrain.modes))
    for chain, mode in trained:
        file = layout.posttrained(path, chain, mode) / layout.RESULT
        yield _unit("posttrain", f"{chain}/{mode}", file, seen)
    evaluation = layout.evaluation(path, layout.is_unblinded(path))
    for chain, mode in trained:
        file = layout.evaluated(evaluation, chain, mode) / layout.RESULT
        yield _unit("evaluate", f"{chain}/{mode}", file, seen)
    if recipe.evaluate.validity is not None:
        yield _unit("evaluate", "validity", layout.calibration(evaluation), seen)


def _chains(path: Path, recipe: TrainRecipe) -> list[str]:
    """Names of the chains to train; none where the recipe chooses none."""
    if recipe.strategy:
        selection = read_json_if_there(layout.selection(path), "chosen")
        return [chain_name(selection["chosen"]) if selection else _TO_BE_CHOSEN]
    try:
        return [chain_name(chain) for chain in chains(recipe)]
    except RecipeError:
        return []


def _unit(stage: str, name: str, file: Path, seen: Mapping[str, Mapping[str, Any]]) -> UnitStatus:
    """Describe a unit by its result, and by its last epoch."""
    result = read_json_if_there(file)
    key = f"{stage}/{name}"
    epoch = next((r for unit, r in seen.items() if f"{unit}/".startswith(f"{key}/")), {})
    facts = {**epoch, **(result or {})}
    epochs = facts.get("epochs", facts.get("epoch"))
    return UnitStatus(
        stage=stage,
        name=name,
        done=result is not None,
        epochs=len(epochs) if isinstance(epochs, list) else epochs,
        best_epoch=facts.get("best_epoch"),
        best=facts.get("valid_loss", facts.get("best")),
        time=file.stat().st_mtime if result is not None else epoch.get("time"),
    )
