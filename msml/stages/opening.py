"""Opening a run: recipe, directory, lock, progress, signals, manifest."""

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from msml import digests
from msml.checks.validate import load_valid, validate
from msml.data.described import paths
from msml.data.splits import summary
from msml.errors import DataError
from msml.recipe import read_source
from msml.recipe.schema import TrainRecipe
from msml.runs import layout
from msml.runs.attempt import attempt
from msml.runs.directory import run_directory
from msml.runs.manifest import earlier, recorded, versions
from msml.runs.repair import repair, shorten
from msml.signals import stop_requests
from msml.stages.progress import EpochDisplay, OnEpoch, both
from msml.stages.session import Progress, Session
from msml.training.environment import tensorflow
from msml.training.tensorboard import tensorboard_writer


@contextmanager
def opened(
    recipe: str, overrides: tuple[str, ...], runs: Path, tensorboard: bool = False
) -> Iterator[Session]:
    """Open the run of a recipe for work, alone.

    Args:
        recipe: The recipe.
        overrides: Its `key=value` overrides.
        runs: Folder of all runs.
        tensorboard: Whether to write logs for TensorBoard too.

    Raises:
        RecipeError: If the recipe is wrong.
        DataError: If another process works in the run, or it cannot be written.
    """
    loaded = load_valid(read_source(recipe, TrainRecipe), overrides, fast=True)
    resolved = loaded.plain()
    directory = run_directory(runs, loaded.values.name, resolved, list(overrides))
    display = EpochDisplay(Console(stderr=True))
    epoch: OnEpoch = display.epoch
    if tensorboard:
        epoch = both(epoch, tensorboard_writer(directory.file("tensorboard")))
    with directory.held(), stop_requests() as stop, display:
        for line in repair(directory.path):
            display.done(line)
        tensorflow()  # before anything else imports it, without its settings
        validate(loaded)
        progress = Progress(epoch, display.done, stop)
        session = Session(loaded, directory, progress)
        _check_earlier(session)
        digests.start(directory.path)
        session.write_recipe()
        session.write_columns()
        with recorded(directory, _facts(session), _about(session)), attempt(directory, sys.argv):
            yield session
        shorten(directory.path)


def _check_earlier(session: Session) -> None:
    """Refuse to mix results of other events or plugins in one run; warn of other versions.

    Other versions give other last digits, but what was done stays right and readable: a new
    TensorFlow must not lock a user out of finished runs.

    Raises:
        DataError: Events or plugins are not those that the run began with, or the list of digests
            is gone.
    """
    before = earlier(session.directory)
    if not before or not any(session.directory.path.rglob("*.h5")):
        # Nothing was done: whoever mends a plugin or the events just goes on, with other fits.
        for of_events in (layout.transforms, layout.columns):
            of_events(session.directory.path).unlink(missing_ok=True)
        return
    where, remedy = session.directory.path, "remove that folder, or give the recipe another name"
    if not digests.has_list(where):
        raise DataError(f"{where}: has results, but no digests of them, {digests.LIST}; {remedy}")
    if before["data"]["sha256"] != session.data_fingerprint:
        raise DataError(
            f"{session.data_file}: other events than those that {where} began with; {remedy}"
        )
    pairs = zip(session.values.plugins, before["plugins"], session.plugins, strict=True)
    changed = [name for name, then, now in pairs if then != now]
    if changed := [*changed, *(n for n, m in session.files.items() if before["files"].get(n) != m)]:
        raise DataError(f"{', '.join(changed)}: changed since {where} began; {remedy}")
    session.keep_transforms()  # they may have been damaged
    then, now = before["sessions"][0]["versions"], _about(session)["versions"]
    if other := [name for name in ("tensorflow", "keras") if then[name] != now[name]]:
        old, new = (", ".join(f"{name} {v[name]}" for name in other) for v in (then, now))
        session.progress.done(f"warning: {where} began with {old}; this is {new}")


def _facts(session: Session) -> dict[str, Any]:
    """What the run is made of, and where it is done."""
    return {
        "seed": session.values.seed,
        "precision": session.precision,
        "xla": session.values.xla,
        "data": {
            "files": [str(path) for path in paths(session.data_file)],
            "sha256": session.data_fingerprint,
            "split": summary(session.values.data, session.file),
        },
        "plugins": session.plugins,
        "files": session.files,
        "machine": platform.machine(),
        "environment": asdict(session.environment),
    }


def _about(session: Session) -> dict[str, Any]:
    """What this session is."""
    environment = session.environment
    return {"command": sys.argv, "versions": versions(environment.tensorflow, environment.keras)}
