"""A whole event file: shards made in parallel, kept when killed, put together in order."""

import importlib.metadata
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from msml import __version__, digests
from msml.data.described import EventFile
from msml.data.events import EventWriter, describe
from msml.errors import DataError, RecipeError
from msml.files import atomic, fingerprint, locked, user_path
from msml.progress import Meter
from msml.recipe import Recipe
from msml.simulation.check import check
from msml.simulation.generator import PythiaError
from msml.simulation.pileup import Pool, make_pool
from msml.simulation.selections import build_selection
from msml.simulation.settings import EventRecipe
from msml.simulation.shard import Shard, make_shard
from msml.simulation.workers import Task, report, run_tasks

_PACKAGES = ("pythia8mc", "fastjet", "awkward", "numpy", "h5py")
# Interactions of one unit of work of the pile-up pool; part of what the pool depends on.
_POOL_PART = 2500
_LOCK = "lock"


@dataclass(frozen=True)
class Job:
    """One event file to be made.

    Attributes:
        recipe: Its recipe.
        settings: The recipe as plain values, without the name of the output.
        versions: Versions of what makes the events.
        fingerprint: Hash of settings and versions: equal jobs make equal files.
    """

    recipe: EventRecipe
    settings: dict[str, Any]
    versions: dict[str, str]
    fingerprint: str

    @property
    def output(self) -> Path:
        """The event file."""
        return user_path(self.recipe.output)

    @property
    def work(self) -> Path:
        """Folder of unfinished work on the output, by any job; it goes when the file is done."""
        return self.output.with_name(f".{self.output.name}.parts")

    @property
    def parts(self) -> Path:
        """Folder of this job's finished shards."""
        return self.work / self.fingerprint[:12]

    def events(self, process: str) -> int:
        """Accepted events wanted of a process."""
        own = self.recipe.processes[process].events
        return self.recipe.events if own is None else own

    def shards(self, process: str) -> list[tuple[Path, int]]:
        """File and number of events of each shard of a process."""
        size = self.recipe.shard_size
        return [
            (self.parts / f"{process}-{first // size:05d}.npz", min(size, left))
            for first in range(0, self.events(process), size)
            for left in [self.events(process) - first]
        ]


def plan(recipe: EventRecipe) -> Job:
    """Describe the job of a recipe."""
    settings = asdict(recipe)
    del settings["output"]
    versions = {"msml": __version__}
    versions |= {name: importlib.metadata.version(name) for name in _PACKAGES}
    return Job(recipe, settings, versions, fingerprint([settings, versions]))


def generate(recipe: Recipe[EventRecipe], workers: int) -> EventFile:
    """Make the event file of a recipe, or what is still missing of it.

    The file depends neither on the number of workers nor on how often the work was interrupted.

    Args:
        recipe: The recipe.
        workers: Processes to use.

    Raises:
        RecipeError: If the recipe is wrong, or its cuts let no event pass.
        DataError: If the output exists and another job made it, is being made by another process,
            or cannot be written.
        IncompleteError: If a worker died.
    """
    recipe.fail(check(recipe.values))
    job = plan(recipe.values)
    if job.output.exists():
        return _finished(job)
    with locked(job.work / _LOCK, f"{job.output}: another process is making it"):
        try:
            if job.output.exists():  # finished by another process a moment ago
                return _finished(job)
            for stale in job.output.parent.glob(f".{job.output.name}.*.tmp"):
                stale.unlink()  # of a process killed while it put the file together
            pool = None if job.recipe.pileup.mean == 0 else pileup_pool(job.recipe, workers)
            _make_shards(job, pool, workers)
            _assemble(job)
        finally:
            _clear(job)
    return describe(job.output)


def _finished(job: Job) -> EventFile:
    """Accept an existing output if this very job made it."""
    existing = describe(job.output)
    if existing.provenance.get("job") != job.fingerprint:
        raise DataError(
            f"{job.output}: exists, made by another recipe or other versions; "
            "remove it or choose another output=..."
        )
    return existing


def _make_shards(job: Job, pool: Path | None, workers: int) -> None:
    """Make the shards that are not there yet, or damaged."""
    tasks: dict[str, list[Task]] = {}
    digests.start(job.parts)
    with Meter("events") as meter:
        for process in job.recipe.processes:
            shards = job.shards(process)
            whole = {path for path, _ in shards if digests.is_intact(path)}
            missing = [
                Task(_make_shard, (job.recipe, process, index, wanted, pool, path))
                for index, (path, wanted) in enumerate(shards)
                if path not in whole
            ]
            tasks[process] = missing
            done = sum(wanted for path, wanted in shards if path in whole)
            meter.add(process, job.events(process), done)
        run_tasks(tasks, workers, meter.advance)


def _make_shard(
    recipe: EventRecipe, process: str, index: int, wanted: int, pool: Path | None, path: Path
) -> None:
    """Make one shard in a worker."""
    loaded = None if pool is None else _load_pool(pool)
    shard = make_shard(recipe, process, index, wanted, loaded, partial(report, process))
    with atomic(path) as temporary:
        shard.save(temporary)


def _assemble(job: Job) -> None:
    """Put the shards together, one in memory at a time."""
    summary = {process: _summary(job, process) for process in job.recipe.processes}
    provenance = {
        "source": "generate",
        "job": job.fingerprint,
        "processes": list(job.recipe.processes),
        "settings": job.settings,
        "versions": job.versions,
        "summary": summary,
    }
    total = sum(job.events(process) for process in job.recipe.processes)
    with EventWriter(job.output, total, provenance) as writer:
        for process in job.recipe.processes:
            for path, _ in job.shards(process):
                writer.append(Shard.load(path).columns)
        writer.finish()


def _summary(job: Job, process: str) -> dict[str, Any]:
    """Counts at each cut and the cross section of a process, over its shards."""
    attempts, passed, section, variance = 0, [0, 0, 0], 0.0, 0.0
    for path, _ in job.shards(process):
        shard = Shard.load(path)
        attempts += shard.attempts
        passed = [a + b for a, b in zip(passed, shard.passed, strict=True)]
        section += shard.cross_section * shard.attempts
        variance += (shard.cross_section_error * shard.attempts) ** 2
    names = ("passed the parton-level veto", *build_selection(job.recipe).cuts)
    return {
        "label": job.recipe.processes[process].label,
        "events": job.events(process),
        "cross_section_pb": section / attempts,
        "cross_section_error_pb": variance**0.5 / attempts,
        "cuts": [["generated", attempts], *map(list, zip(names, passed, strict=True))],
    }


def cache_folder() -> Path:
    """Where pile-up pools are kept: MSML_CACHE, else msml in the user's cache folder."""
    if own := os.environ.get("MSML_CACHE"):
        return user_path(own)
    try:
        return user_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "msml"
    except RecipeError as error:
        message = "MSML_CACHE: there is no home folder; expected a folder for pile-up pools"
        raise DataError(message) from error


def pileup_pool(recipe: EventRecipe, workers: int) -> Path:
    """Find the pile-up pool of a recipe in the cache, or make it there; a damaged one anew."""
    settings = asdict(recipe.pileup)
    del settings["mean"]
    versions = [__version__, importlib.metadata.version("pythia8mc")]
    key = fingerprint([settings, recipe.pythia, versions])
    path = cache_folder() / f"pileup-{key[:16]}.npz"
    with locked(path.with_suffix(".lock")):
        digests.start(path.parent)
        if not digests.is_intact(path):
            parts = list(_pool_parts(path, recipe.pileup.pool))
            with Meter("interactions") as meter:
                whole = {part for part, _ in parts if digests.is_intact(part)}
                done = sum(size for part, size in parts if part in whole)
                meter.add("pile-up pool", recipe.pileup.pool, done)
                tasks = [
                    Task(_make_pool_part, (recipe, index, size, part))
                    for index, (part, size) in enumerate(parts)
                    if part not in whole
                ]
                run_tasks({"pile-up pool": tasks}, workers, meter.advance)
            with atomic(path) as temporary:
                Pool.join([Pool.load(part) for part, _ in parts]).save(temporary)
            for part, _ in parts:
                part.unlink()
    return path


def _pool_parts(path: Path, interactions: int) -> Iterator[tuple[Path, int]]:
    for first in range(0, interactions, _POOL_PART):
        part = path.with_suffix(f".part{first // _POOL_PART}.npz")
        yield part, min(_POOL_PART, interactions - first)


def _make_pool_part(recipe: EventRecipe, index: int, size: int, path: Path) -> None:
    """Make one part of the pool in a worker."""
    count = partial(report, "pile-up pool")
    try:
        pool = make_pool(recipe.pileup, recipe.pythia, index, size, count)
    except PythiaError as error:
        raise RecipeError(f"pileup.pythia: {error}") from error
    with atomic(path) as temporary:
        pool.save(temporary)


@cache
def _load_pool(path: Path) -> Pool:
    return Pool.load(path)


def _clear(job: Job) -> None:
    """Remove what is no longer needed: this job's shards, and the folder where nothing is left."""
    if job.output.exists() or not any(job.parts.glob("*.npz")):
        shutil.rmtree(job.parts, ignore_errors=True)
    if [path.name for path in job.work.iterdir()] == [_LOCK]:
        shutil.rmtree(job.work)
