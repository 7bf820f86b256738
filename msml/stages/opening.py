"""Opening a run: recipe, directory, lock, progress, signals, manifest."""

import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
from msml.stages.start import sources
from msml.training.environment import tensorflow, use_threads
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
    with opened_together(recipe, [overrides], runs, tensorboard) as (session,):
        yield session


@contextmanager
def opened_together(
    recipe: str, several: Sequence[tuple[str, ...]], runs: Path, tensorboard: bool = False
) -> Iterator[list[Session]]:
    """Open runs of a recipe that differ in their seeds only; arguments and errors as of `opened`.

    Args:
        recipe: The recipe.
        several: The overrides of each run.
        runs: Folder of all runs.
        tensorboard: Whether to write logs for TensorBoard too.
    """
    source = read_source(recipe, TrainRecipe)
    loaded = [load_valid(source, overrides, fast=True) for overrides in several]
    directories = [
        run_directory(runs, each.values.name, each.plain(), list(overrides))
        for each, overrides in zip(loaded, several, strict=True)
    ]
    display = EpochDisplay(Console(stderr=True))
    with ExitStack() as held, stop_requests() as stop, display, ExitStack() as recording:
        for directory in directories:
            held.enter_context(directory.held())
            for line in repair(directory.path):
                display.done(line)
        tensorflow()  # before anything else imports it, without its settings
        use_threads(loaded[0].values.threads)
        validate(loaded[0])
        sessions = []
        for each, directory in zip(loaded, directories, strict=True):
            epoch: OnEpoch = display.epoch
            if tensorboard:
                epoch = both(epoch, tensorboard_writer(directory.file("tensorboard")))
            session = Session(each, directory, Progress(epoch, display.done, stop))
            session.starts = sources(session)
            recording.enter_context(_begun(session, len(several)))
            sessions.append(session)
        yield sessions


@contextmanager
def _begun(session: Session, together: int) -> Iterator[None]:
    """Check and record a session of so many that are worked on together."""
    directory = session.directory
    _check_earlier(session)
    digests.start(directory.path)
    session.write_recipe()
    session.write_columns()
    facts = _facts(session)
    with recorded(directory, facts, _about(session), together), attempt(directory, sys.argv):
        yield
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
    known = {**before["files"], **before.get("starts", {})}
    named = {**session.files, **session.start_marks}
    if changed := [*changed, *(name for name, mark in named.items() if known.get(name) != mark)]:
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
        "starts": session.start_marks,
        "machine": platform.machine(),
        "environment": asdict(session.environment),
    }


def _about(session: Session) -> dict[str, Any]:
    """What this session is."""
    environment = session.environment
    return {"command": sys.argv, "versions": versions(environment.tensorflow, environment.keras)}
