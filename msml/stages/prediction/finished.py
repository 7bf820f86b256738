"""A run that is done, for use on other events; its own may be gone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from msml.calibration import Calibration, calibrations
from msml.chain import Chain
from msml.checks.wiring import Columns
from msml.data.dataset import make_pipelines
from msml.data.described import EventFile
from msml.data.schema import Column
from msml.ensemble import Predictor
from msml.errors import DataError, IncompleteError, RecipeError
from msml.recipe import Recipe
from msml.recipe.expand import Chosen, TaskSpec, chain_name, chains, expand
from msml.recipe.messages import unknown
from msml.recipe.schema import TrainRecipe
from msml.recipe.schema_training import MODES
from msml.registry import load_plugins, plugin_hash
from msml.runs import layout
from msml.runs.columns import RunColumns
from msml.runs.directory import RunDirectory, check_intact, kept_recipe, read_json
from msml.stages.posttrain import result, weight_files
from msml.stages.setup import Setup
from msml.training.chatter import quiet
from msml.training.environment import prepare

_REMEDY = "the command that made the run goes on with it"


@dataclass(frozen=True)
class Finished:
    """A chain as a run has left it.

    Attributes:
        setup: What its models are built from.
        about: What the run keeps of its events.
        chosen: Candidate of each task.
        mode: How it was trained.
    """

    setup: Setup
    about: RunColumns
    chosen: Chosen
    mode: str

    @cached_property
    def chain(self) -> Predictor:
        """The chain, with its weights."""
        return result(self.setup, self.chosen, self.mode)

    @property
    def inputs(self) -> dict[str, Column]:
        """The columns that it sees, as event files have them."""
        tasks = self.setup.tasks
        names = Chain(tasks, dict.fromkeys(tasks)).input_columns()
        return {name: self.about.columns[name] for name in names}

    @cached_property
    def calibrated(self) -> Mapping[str, Calibration]:
        """What evaluation fitted on valid to map logits by, by task, if it was asked to."""
        run, name = self.setup.directory.path, chain_name(self.chosen)
        for unblind in (False, True):
            folder = layout.evaluated(layout.evaluation(run, unblind), name, self.mode)
            if (path := folder / layout.CALIBRATED).exists():
                return calibrations(read_json(path, "settings", "tasks"))
        return {}

    def tuned(self) -> Mapping[str, Mapping[str, Any]]:
        """What evaluation chose on valid, by `task/metric`.

        Raises:
            IncompleteError: The chain was not evaluated in this mode.
        """
        run, name = self.setup.directory.path, chain_name(self.chosen)
        path = layout.evaluated(layout.evaluation(run), name, self.mode) / layout.RESULT
        if not path.exists():
            raise IncompleteError(f"{run}: {name} was not evaluated in mode {self.mode}; {_REMEDY}")
        return dict(read_json(path, *layout.MEASURED).get("tuned", {}))


def finished(
    run: Path, chain: str | None = None, mode: str | None = None, precision: str | None = None
) -> Finished:
    """Open a run that is done, for reading.

    Args:
        run: Its folder.
        chain: Names of the candidates of all tasks, joined by `+`; the one chosen where None.
        mode: How the chain was trained; the last of the recipe's modes where None.
        precision: Of its models; that of the training where None.

    Raises:
        RecipeError: It is no run, there is no such chain or mode, or it has several chains.
        IncompleteError: The chain was not trained yet.
        DataError: A file of the run is damaged, or a plugin has changed.
    """
    if not layout.recipe(run).is_file():
        expected = "expected the folder that `msml run` names at its end"
        raise RecipeError(f"{run}: no run, there is no {layout.recipe(run).name} in it; {expected}")
    recipe = kept_recipe(run)
    values, modes = recipe.values, recipe.values.posttrain.modes
    if precision is not None:
        values = replace(values, precision=precision)
    if mode is not None and mode not in MODES:
        raise RecipeError(f"--mode: {unknown('mode', mode, MODES)}")
    chosen, mode = _chosen(run, values, chain), modes[-1] if mode is None else mode
    name, there = chain_name(chosen), list(_there(run))
    if (name, mode) not in there:
        known = ", ".join(f"{one} in mode {way}" for one, way in there) or "nothing"
        missing = f"{run}: {name} was not trained in mode {mode}; there is {known}"
        if mode in modes and chosen in _choices(run, values):
            raise IncompleteError(f"{missing}; {_REMEDY}")
        raise RecipeError(missing)
    _load_plugins(recipe, run)
    about = RunColumns.read(layout.columns(run))
    setup = Setup(values, RunDirectory(run), _columns(run, recipe, about), about.classes)
    for path in weight_files(setup, chosen, mode):
        check_intact(path)
    return Finished(setup, about, chosen, mode)


def _there(run: Path) -> Iterator[tuple[str, str]]:
    """Yield chain and mode of all that was trained."""
    for path in sorted(run.glob(layout.posttrained(Path(), "*", "*").as_posix())):
        if (path / layout.RESULT).exists():
            record = read_json(path / layout.RESULT, "chain", "mode")
            yield chain_name(record["chain"]), record["mode"]


def _choices(run: Path, values: TrainRecipe) -> list[Chosen]:
    """The chains that the recipe, or the search, has chosen."""
    if not values.strategy:
        return chains(values)
    path = layout.selection(run)
    if not path.exists():
        raise IncompleteError(f"{run}: the search has not chosen yet; {_REMEDY}")
    return [dict(read_json(path, "chosen")["chosen"])]


def _chosen(run: Path, values: TrainRecipe, chain: str | None) -> Chosen:
    """Find the chain of a name, or the one chosen."""
    if chain is not None:
        return _named(expand(values), chain)
    found = _choices(run, values)
    if len(found) > 1:
        names = ", ".join(map(chain_name, found))
        raise RecipeError(f"{run}: has several chains; say which one with --chain: {names}")
    return found[0]


def _named(tasks: Mapping[str, TaskSpec], chain: str) -> Chosen:
    """Read a chain's name."""
    names = chain.split("+")
    if len(names) != len(tasks):
        wanted = f"one candidate of each task, joined by +: {', '.join(tasks)}"
        raise RecipeError(f"--chain: '{chain}': expected {wanted}")
    for (task, spec), name in zip(tasks.items(), names, strict=True):
        if name not in spec.candidates:
            problem = unknown("candidate", name, spec.candidates)
            raise RecipeError(f"--chain: task '{task}': {problem}")
    return dict(zip(tasks, names, strict=True))


def _load_plugins(recipe: Recipe[TrainRecipe], run: Path) -> None:
    """Load the plugins of a run, which must be those that it was made with."""
    paths = [recipe.locate(f"plugins.{i}", name) for i, name in enumerate(recipe.values.plugins)]
    prepare()
    with quiet():  # they may import TensorFlow
        load_plugins(paths)
    marks = read_json(layout.manifest(run), "plugins")["plugins"]
    for path, mark in zip(paths, marks, strict=True):
        if plugin_hash(path) != mark:
            raise DataError(f"{path}: changed since {run} was made")


def _columns(run: Path, recipe: Recipe[TrainRecipe], about: RunColumns) -> Columns:
    """Describe the columns as for training, with the transforms as fitted then."""
    data, where = recipe.values.data, layout.columns(run)
    shapes = {name: (0, *(size or 0 for size in c.sizes)) for name, c in about.columns.items()}
    file = EventFile(where, 0, shapes, {}, dict(about.columns), {})
    stored = read_json(layout.transforms(run)) if data.transform else {}
    pipelines = make_pipelines(data, file, stored)
    after = {name: pipeline.column.sizes for name, pipeline in pipelines.items()}
    sizes = {name: after.get(name, column.sizes) for name, column in about.columns.items()}
    inner = {name: tuple(size or 0 for size in found) for name, found in sizes.items()}
    return Columns(dict(inner), f"columns of {where}", about.columns, None, {}, pipelines)
