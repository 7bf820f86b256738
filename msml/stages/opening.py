"""Opening a run: recipe, directory, lock, progress, signals, manifest."""

import platform
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from msml import __version__
from msml.errors import DataError
from msml.recipe import load
from msml.recipe.schema import TrainRecipe
from msml.recipe.validate import validate
from msml.runs.attempt import attempt
from msml.runs.directory import read_json, run_directory, write_json
from msml.signals import stop_requests
from msml.stages.progress import EpochDisplay, Report, both
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
    loaded = load(recipe, TrainRecipe, list(overrides))
    validate(loaded, fast=True)
    resolved = yaml.safe_load(loaded.resolved())
    directory = run_directory(runs, loaded.values.name, resolved, list(overrides))
    display = EpochDisplay(Console(stderr=True))
    epoch: Report = display.epoch
    if tensorboard:
        epoch = both(epoch, tensorboard_writer(directory.file("tensorboard")))
    with directory.held(), stop_requests() as stop, display:
        tensorflow()  # before anything else imports it, without its settings
        validate(loaded)
        progress = Progress(epoch, display.done, stop)
        session = Session(loaded, directory, progress)
        _check_events(session)
        session.write_recipe()
        began = time.time()
        write_json(directory.file("manifest.json"), _manifest(session, began))
        try:
            with attempt(directory, sys.argv):
                yield session
        finally:
            write_json(directory.file("manifest.json"), _manifest(session, began))


def _check_events(session: Session) -> None:
    """Refuse to mix results of two event files in one run.

    Raises:
        DataError: The file is not the one that the run began with.
    """
    path = session.directory.file("manifest.json")
    if path.exists() and read_json(path)["data"]["sha256"] != session.data_fingerprint:
        raise DataError(
            f"{session.data_file}: other events than those that {session.directory.path} began "
            "with; remove that folder, or give the recipe another name"
        )


def _manifest(session: Session, began: float) -> Mapping[str, Any]:
    """How and where the run was done."""
    return {
        "command": sys.argv,
        "msml": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "environment": asdict(session.environment),
        "precision": session.precision,
        "seed": session.values.seed,
        "data": {"file": str(session.data_file), "sha256": session.data_fingerprint},
        "began": began,
        "seconds": time.time() - began,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
