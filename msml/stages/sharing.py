"""What a pre-training depends on: runs in which that is the same share it."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from msml.chain import frozen
from msml.data.transforms.pipeline import named
from msml.digests import digest
from msml.files import fingerprint
from msml.recipe.expand import (
    GRID,
    Chosen,
    TaskSpec,
    chain_name,
    chains,
    combinations,
    expand,
    upstream,
)
from msml.recipe.schema import Data, TrainRecipe
from msml.recipe.schema_training import INITIAL
from msml.registry import losses, models, plugin_fingerprint, transforms
from msml.runs import layout

# Stages in which chains are trained that no search chooses.
_TRAINED = ("posttrain", "evaluate", "run")


def named_files(content: Any) -> dict[str, str]:
    """Hash the files that arguments name, as seen from the working directory.

    Args:
        content: Arguments, as a recipe gives them.
    """
    if isinstance(content, Mapping):
        content = list(content.values())
    if isinstance(content, list):
        return {name: mark for each in content for name, mark in named_files(each).items()}
    if not isinstance(content, str) or not Path(content).suffix:
        return {}
    try:
        return {content: digest(Path(content))}
    except (OSError, ValueError):  # no such file
        return {}


def transform_sources(data: Data) -> dict[str, Any]:
    """Hash what the transforms of a recipe depend on besides their arguments: plugins, files."""
    found: dict[str, Any] = {}
    for name, arguments in (each for given in data.transform.values() for each in named(given)):
        if (mark := plugin_fingerprint(transforms.get(name))) is not None:
            found[name] = mark
        found |= named_files(arguments)
    return found


def pretrained_tasks(recipe: TrainRecipe) -> list[str]:
    """Name the tasks whose candidates a run pre-trains.

    Chains that are trained from the beginning need none, and in sequence those that see columns.
    """
    fit = recipe.posttrain
    if recipe.strategy or fit.from_ != INITIAL or "connected" in fit.modes:
        return list(recipe.tasks)
    if "sequential" not in fit.modes:
        return []
    return [name for name, task in recipe.tasks.items() if not upstream(task.inputs, recipe.tasks)]


def joint_folders(recipe: TrainRecipe, stage: str) -> list[tuple[Chosen, Path]]:
    """Chains that a run trains jointly at a stage, as far as that is known without a search.

    Returns:
        The candidates of each, and its folder below that of the run.
    """
    if stage == GRID or recipe.strategy.get("name") == GRID:
        every = combinations(expand(recipe))
        return [(chosen, layout.combination(Path(), chain_name(chosen))) for chosen in every]
    fit = recipe.posttrain
    known = stage in _TRAINED and not recipe.strategy and "joint" in fit.modes
    if not known or fit.ensemble is not None:
        return []
    return [(c, layout.posttrained(Path(), chain_name(c), "joint")) for c in chains(recipe)]


def pretraining_mark(
    tasks: Mapping[str, TaskSpec], task: str, candidate: str, facts: Mapping[str, Any]
) -> str:
    """Return a mark that is the same for two pre-trainings that give the same.

    Args:
        tasks: All tasks of the recipe by name, in order.
        task: One of them.
        candidate: One of its candidates.
        facts: What it depends on besides: events, settings, seed and the like.
    """
    spec, model = tasks[task], tasks[task].candidates[candidate]
    described: dict[str, Any] = {
        **facts,
        "task": [task, spec.inputs, spec.target, spec.loss, dict(spec.loss_args)],
        "upstream": [tasks[earlier].target for earlier in upstream(spec.inputs, tasks)],
        "candidate": [candidate, model.model],
        "arguments": dict(model.args),
    }
    if model.start is not None:
        described["start"] = asdict(model.start)
    if spec.each:
        described["each"] = [spec.each, spec.real, spec.mask]
    if spec.hide:
        described["hide"] = dict(spec.hide)
    sources = map(plugin_fingerprint, (models.get(model.model), losses.get(spec.loss)))
    if plugins := [mark for mark in sources if mark is not None]:
        described["plugins"] = plugins
    if files := named_files([dict(model.args), dict(spec.loss_args)]):
        described["files"] = files
    if needed := frozen(tasks, task):
        described["frozen"] = {
            earlier: [pretraining_mark(tasks, earlier, name, facts) for name in known.candidates]
            for earlier, known in tasks.items()
            if earlier in needed
        }
    return fingerprint(described)[:20]
