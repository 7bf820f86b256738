"""Checks of how chains are trained: ensembles, and events that are moved."""

from collections.abc import Iterator

from msml.chain import frozen
from msml.checks.wiring import Columns
from msml.errors import RecipeError
from msml.recipe.expand import expand
from msml.recipe.messages import Problem, unknown
from msml.recipe.schema import Align, TrainRecipe
from msml.recipe.schema_training import INITIAL, Augment
from msml.training.augmentation import momenta_of


def check_training(recipe: TrainRecipe, columns: Columns) -> Iterator[Problem]:
    """Check `posttrain.ensemble`, `data.align`, and `augment` of each training."""
    yield from _check_ensemble(recipe)
    if recipe.data.align is not None:
        yield from _check_align(recipe, recipe.data.align, columns)
    for stage, fit in recipe.fits.items():
        if fit.augment is not None:
            key = f"{stage}.augment.columns"
            yield from ((f"{key}{p}", text) for p, text in _check_momenta(fit.augment, columns))
    if recipe.pretrain.augment is not None and (reason := _frozen_inputs(recipe)):
        yield "pretrain.augment", reason


def _check_ensemble(recipe: TrainRecipe) -> Iterator[Problem]:
    settings = recipe.posttrain.ensemble
    if settings is None:
        return
    if "joint" not in recipe.posttrain.modes:
        yield "posttrain.ensemble", "is of the mode 'joint'; expected it among posttrain.modes"
    if settings.folds is None:
        return
    if settings.folds < settings.members:
        message = f"expected one for each of the {settings.members} members, got {settings.folds}"
        yield "posttrain.ensemble.folds", f"{message}; null is for the whole train split"
    if recipe.posttrain.from_ != INITIAL:
        message = "what trained before has seen all folds, also those that members are judged by"
        yield "posttrain.ensemble.folds", f"{message}; expected null, or posttrain.from: initial"


def _check_momenta(settings: Augment | Align, columns: Columns) -> Iterator[Problem]:
    if not settings.columns:
        yield "", "is empty; expected columns of momenta"
    for number, name in enumerate(settings.columns):
        if name not in columns.shapes:
            yield f".{number}", columns.unknown(name)
        elif name in columns.described:
            try:
                momenta_of(columns.described[name], columns.pipelines.get(name))
            except RecipeError as error:
                yield f".{number}", str(error)


def _check_align(recipe: TrainRecipe, settings: Align, columns: Columns) -> Iterator[Problem]:
    """Check that columns are momenta that models see, and references one of an event."""
    key = "data.align.columns"
    problems = [*_check_momenta(settings, columns)]
    yield from ((f"{key}{place}", text) for place, text in problems)
    inputs = {name for task in recipe.tasks.values() for name in task.inputs}
    for number, name in enumerate(settings.columns):
        if any(name == task.target for task in recipe.tasks.values()):
            yield f"{key}.{number}", f"'{name}' is a target, which stays what it is"
        elif name in columns.shapes and name not in inputs:
            yield f"{key}.{number}", f"'{name}' is no input of a task"
    for place, name in settings.references.items():
        if name not in settings.columns:
            yield f"data.align.{place}", unknown("momentum", name, settings.columns)
        elif len(columns.shapes.get(name) or ()) > 1:
            yield f"data.align.{place}", f"'{name}' has several momenta; expected one an event"
        elif not problems and (pipeline := columns.pipelines.get(name)) and pipeline.fills:
            yield f"data.align.{place}", f"'{name}' is missing in some events"


def _frozen_inputs(recipe: TrainRecipe) -> str:
    """Say which outputs of earlier tasks would not move with an event; empty where none."""
    if "sequential" in recipe.posttrain.modes:
        return "frozen outputs of the mode 'sequential' do not move with an event"
    tasks = expand(recipe)
    for name in tasks:
        if found := frozen(tasks, name):
            return f"'{name}' sees frozen outputs of '{found[0]}', which do not move with an event"
    return ""
