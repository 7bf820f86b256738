"""The points of a sweep: one ordinary run each, checked before anything is run."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from msml.checks.validate import load_valid
from msml.data.described import paths
from msml.data.source import event_source
from msml.errors import DataError, RecipeError
from msml.files import fingerprint, user_path
from msml.recipe import Recipe, load, read_source
from msml.recipe.expand import candidates, chain_name, chains, expand, starts
from msml.recipe.messages import unknown
from msml.recipe.schema import STAGES, Sweep, TrainRecipe
from msml.recipe.tree import COMMAND_LINE, line
from msml.runs import layout
from msml.runs.directory import run_directory
from msml.runs.status import run_of
from msml.stages.sharing import pretrained_tasks, pretraining_mark
from msml.sweep.axes import SETTINGS, Space, space, split_settings

BATCH_SYSTEMS = ("slurm", "htcondor")


@dataclass(frozen=True)
class _Block:
    """The part of a recipe that is about sweeps."""

    sweep: Sweep = field(default_factory=Sweep)


@dataclass(frozen=True)
class Origin:
    """A run of another recipe, from whose weights a candidate starts.

    Attributes:
        recipe: The recipe, as `msml` is asked for it.
        overrides: What makes the run.
        directory: Its run directory, below the folder of all runs.
        results: The files that are there when it is trained.
    """

    recipe: str
    overrides: tuple[str, ...]
    directory: str
    results: tuple[str, ...]


@dataclass(frozen=True)
class Point:
    """One run of a sweep.

    Attributes:
        values: Its value on each axis.
        overrides: What makes it: `msml run RECIPE OVERRIDES` is this run.
        directory: Its run directory, below the folder of all runs.
        pretraining: A mark for each candidate to pre-train, the same for runs that share it.
        results: The files, in the run directory, that are there when a stage is done.
        seed: Its seed.
        alike: A mark that is the same for points that differ in the seed only.
        origins: Runs from whose weights candidates start.
        unblind: Whether it shows blind subsets.
    """

    values: Mapping[str, Any]
    overrides: tuple[str, ...]
    directory: str
    pretraining: frozenset[str]
    results: Mapping[str, tuple[str, ...]]
    seed: int = 0
    alike: str = ""
    origins: tuple[Origin, ...] = ()
    unblind: bool = False


def settings(recipe: str, overrides: Sequence[str]) -> tuple[Sweep, Space]:
    """Read what a recipe and a command line say about the sweep.

    Raises:
        RecipeError: Holds all problems found.
    """
    about, others = split_settings(overrides)
    block, findings = read_source(recipe, _Block, partial=True).attempt(about)
    found = block.values.sweep
    places = {name: block.where(f"{SETTINGS}.over.{name}") for name in found.over}
    wrong = [line(block.where(key), key, text) for key, text in _check_settings(found)]
    if problems := [*findings.problems, *wrong]:
        raise RecipeError(problems)
    return found, space(found.over, places, others, found.max_points)


def points(recipe: str, scanned: Space, runs: Path) -> list[Point]:
    """Load and check every point, without TensorFlow.

    Two points that resolve to the same recipe share the directory of the first.

    Raises:
        RecipeError: Holds the problems of all points, each once.
        DataError: The only problem is that the data cannot be read.
    """
    made, directories = [], dict[str, str]()
    problems: Counter[str] = Counter()
    first: dict[str, str] = {}
    kinds: set[type[Exception]] = set()
    number = 0
    source = read_source(recipe, TrainRecipe)
    for values, overrides in scanned.points():
        number += 1
        try:
            loaded = load_valid(source, overrides, fast=True)
        except (RecipeError, DataError) as error:
            kinds.add(type(error))
            for problem in str(error).splitlines():
                text = _placed(problem, scanned)
                problems[text] += 1
                first.setdefault(text, ", ".join(f"{k}={v}" for k, v in values.items()))
        else:
            made.append(_point(loaded, values, overrides, runs, directories))
    if problems:
        lines = [
            text if count == number else f"{text} ({count} of {number} points: {first[text]}, ...)"
            for text, count in problems.items()
        ]
        raise (RecipeError(lines) if RecipeError in kinds else DataError("\n".join(lines)))
    return made


def full_check(recipe: str, several: Sequence[tuple[str, ...]]) -> list[str]:
    """Check recipes with TensorFlow, building their models; meant for a process of its own.

    Returns:
        All problems, each once.
    """
    found: dict[str, None] = {}
    source = read_source(recipe, TrainRecipe)
    for overrides in several:
        try:
            load_valid(source, overrides)
        except (RecipeError, DataError) as error:
            found |= dict.fromkeys(str(error).splitlines())
    return list(found)


def _check_settings(sweep: Sweep) -> Iterator[tuple[str, str]]:
    if sweep.stage not in STAGES:
        yield f"{SETTINGS}.stage", unknown("stage", sweep.stage, STAGES)
    if sweep.cluster not in ("local", *BATCH_SYSTEMS) and "://" not in sweep.cluster:
        message = unknown("cluster", sweep.cluster, ("local", *BATCH_SYSTEMS, "tcp://HOST:PORT"))
        yield f"{SETTINGS}.cluster", message


def _point(
    loaded: Recipe[TrainRecipe],
    values: Mapping[str, Any],
    overrides: tuple[str, ...],
    runs: Path,
    directories: dict[str, str],
) -> Point:
    resolved = loaded.plain()
    name = loaded.values.name
    path = run_directory(runs, name, resolved, list(overrides)).path
    directory = path.relative_to(runs).as_posix()
    return Point(
        values=values,
        overrides=overrides,
        directory=directories.setdefault(fingerprint(resolved), directory),
        pretraining=frozenset(pretraining(loaded)),
        results=_results(loaded.values),
        seed=loaded.values.seed,
        alike=fingerprint({**resolved, "seed": None}),
        origins=_origins(loaded, runs),
        unblind=loaded.values.evaluate.unblind,
    )


def _origins(loaded: Recipe[TrainRecipe], runs: Path) -> tuple[Origin, ...]:
    """Find the runs of recipes that candidates start from, each once."""
    found: dict[str, Origin] = {}
    for block, start in starts(loaded.values):
        if user_path(start.from_).is_dir():
            continue
        place = str(loaded.named_recipe(f"{block}.from", start.from_) or start.from_)
        values = load(place, TrainRecipe, start.overrides).values
        directory = run_of(place, start.overrides, runs).relative_to(runs).as_posix()
        results = _results(values)["posttrain"]
        found[directory] = Origin(place, tuple(start.overrides), directory, results)
    return tuple(found.values())


def pretraining(recipe: Recipe[TrainRecipe]) -> dict[str, tuple[str, str]]:
    """Task and candidate of all that is pre-trained, by a mark that runs which share it share.

    Only what can differ between points of one sweep matters.
    """
    values, tasks = recipe.values, expand(recipe.values)
    facts = {
        "data": asdict(values.data)
        | {"files": [str(path) for path in paths(event_source(recipe))]},
        "common": [values.seed, values.precision, values.xla],
        "settings": asdict(values.pretrain),
    }
    return {
        pretraining_mark(tasks, task, candidate, facts): (task, candidate)
        for task in pretrained_tasks(values)
        for candidate in tasks[task].candidates
    }


def _results(recipe: TrainRecipe) -> dict[str, tuple[str, ...]]:
    """Name the last files that each stage writes; `*` is a chain that a search will choose."""
    alone = [
        layout.pretrained(Path(), task, name)
        for task, spec in recipe.tasks.items()
        for name, _ in candidates(spec)
    ]
    names = ["*"]
    if not recipe.strategy:
        with suppress(RecipeError):
            names = [chain_name(chain) for chain in chains(recipe)]
    run, modes = Path(), recipe.posttrain.modes
    trained = [layout.posttrained(run, name, mode) for name in names for mode in modes]
    evaluated = (layout.evaluation(run, recipe.evaluate.unblind) / layout.RESULT,)
    files = {
        "pretrain": alone,
        "search": (layout.selection(run),),
        "grid": (layout.selection(run, "grid"),),
        "posttrain": [folder / layout.RESULT for folder in trained],
        "evaluate": evaluated,
        "run": evaluated,
    }
    return {stage: tuple(path.as_posix() for path in paths) for stage, paths in files.items()}


def _placed(problem: str, scanned: Space) -> str:
    """Name the place of a swept value in the recipe, instead of the command line."""
    for axis in scanned.axes:
        if axis.where == COMMAND_LINE:
            continue
        keys = {text.partition("=")[0] for choice in axis.choices for text in choice.overrides}
        for key in keys:
            start = f"{COMMAND_LINE}: {key}"
            if problem.startswith((f"{start}:", f"{start}.")):
                return axis.where + problem.removeprefix(COMMAND_LINE)
    return problem
