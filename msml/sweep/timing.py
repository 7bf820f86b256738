"""Timing what a unit of a sweep would do, in a process with the threads of one."""

import os
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from typing import Any

from msml.checks.validate import validate
from msml.recipe import load
from msml.recipe.schema import TrainRecipe
from msml.runs.directory import RunDirectory
from msml.stages.session import Progress, Session
from msml.sweep.environment import environment
from msml.training.cost import fastest

_REPEATS = 3


def prepare(threads: int) -> None:
    """Prepare a process for timing, before it imports TensorFlow."""
    os.environ.update(environment(threads))


def passing(recipe: str, overrides: Sequence[str], folder: str) -> Session:
    """Open a run in a folder that is soon gone, for its events and models."""
    loaded = load(recipe, TrainRecipe, list(overrides))
    validate(loaded, fast=True)  # loads its plugins
    return Session(loaded, RunDirectory(Path(folder, "runs", "name", "key")), Progress())


def seconds_of(work: Callable[[], Any]) -> float:
    """Least time of doing something, but for the first, which compiles it."""
    return fastest(work, _REPEATS, inf)
