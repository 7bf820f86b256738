"""What a run's own files say about it: its settings, and how long training took."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from msml.data.described import Files
from msml.data.events import describe
from msml.errors import DataError, RecipeError
from msml.files import fingerprint
from msml.recipe.expand import candidates, task_weights
from msml.registry import is_dummy
from msml.runs import layout
from msml.runs.directory import kept_recipe, read_json_if_there
from msml.runs.log import records

_TRAINING = ("search/", "grid/", "posttrain/")


@dataclass(frozen=True)
class Facts:
    """A run.

    Attributes:
        directory: Its directory.
        identity: The same for runs of one resolved recipe, wherever they lie.
        tasks: Names of its tasks.
        seed: Its seed.
        weight: Weight of the first task, v_1.
        strategy: Name of the strategy; empty for none.
        models: Candidates of the task that has most.
        dummies: Whether there are dummies among them.
        events: Events of all splits; None where the file is not there any more.
        train_seconds: Wall time of search and post-training, from the start of each process or
            the end of pre-training to the last epoch; None where nothing was trained.
    """

    directory: Path
    identity: str
    tasks: tuple[str, ...]
    seed: int
    weight: float
    strategy: str
    models: int
    dummies: bool
    events: int | None
    train_seconds: float | None

    def valid_loss(self, chain: str, mode: str) -> float | None:
        """Loss of the last task on valid, of a trained chain; None where there is none."""
        path = layout.posttrained(self.directory, chain, mode) / layout.RESULT
        record = read_json_if_there(path, "valid_losses") or {"valid_losses": {}}
        loss: float | None = record["valid_losses"].get(self.tasks[-1])
        return loss


def facts(directory: Path) -> Facts:
    """Read what a run's recipe and log say.

    Raises:
        DataError: The recipe is damaged, or of another version of msml.
    """
    try:
        loaded = kept_recipe(directory)
    except RecipeError as error:
        raise DataError(f"{directory}: {error.problems[0]}") from error
    recipe = loaded.values
    specs = [spec for task in recipe.tasks.values() for _, spec in candidates(task)]
    resolved = task_weights({name: task.weight for name, task in recipe.tasks.items()})
    manifest = read_json_if_there(layout.manifest(directory)) or {}
    files = manifest.get("data", {}).get("files", [])
    return Facts(
        directory=directory,
        identity=fingerprint(loaded.plain()),
        tasks=tuple(recipe.tasks),
        seed=recipe.seed,
        weight=next(iter(resolved.values())),
        strategy=str(recipe.strategy.get("name", "")),
        models=max(len(list(candidates(task))) for task in recipe.tasks.values()),
        dummies=any(is_dummy(spec.model) for spec in specs),
        events=recipe.data.events or _events(tuple(files)),
        train_seconds=train_seconds(manifest.get("sessions", []), list(records(directory))),
    )


def train_seconds(sessions: list[Mapping[str, Any]], records: list[dict[str, Any]]) -> float | None:
    """Add up the time that each session has spent on search and post-training.

    It runs from the session's start, or from the end of its pre-training, to its last such epoch,
    so that all strategies are measured alike: without pre-training, which runs share, and without
    evaluation.
    """
    total, trained = 0.0, False
    starts = [float(session["began"]) for session in sessions]
    for begin, end in zip(starts, [*starts[1:], float("inf")], strict=False):
        inside = [record for record in records if begin <= record["time"] < end]
        done = [r["time"] for r in inside if r["unit"].startswith(_TRAINING)]
        before = [r["time"] for r in inside if r["unit"].startswith("pretrain/")]
        if done:
            total += max(done) - max([begin, *before])
            trained = True
    return total if trained else None


@cache
def _events(files: tuple[str, ...]) -> int | None:
    try:
        return describe(Files(tuple(map(Path, files)))).events if files else None
    except DataError:
        return None
