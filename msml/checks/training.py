"""Checks of how chains are trained: ensembles, and events that are moved."""

from collections.abc import Iterator

from msml.chain import frozen
from msml.checks.wiring import Columns
from msml.errors import RecipeError
from msml.recipe.expand import expand
from msml.recipe.messages import Problem, any_below, unknown
from msml.recipe.schema import Align, TrainRecipe
from msml.recipe.schema_training import INITIAL, Augment
from msml.training.augmentation import momenta_of


def check_training(recipe: TrainRecipe, columns: Columns, bad: set[str]) -> Iterator[Problem]:
    """Check `posttrain.ensemble`, `data.align`, and `augment` of each training.

    Args:
        recipe: The recipe.
        columns: The columns of its data.
        bad: Keys with a problem already; what depends on them is left out.
    """
    yield from _check_ensemble(recipe, bad)
    fitted = not any_below(bad, "data")  # and so are its transforms
    if recipe.data.align is not None:
        yield from _check_align(recipe, recipe.data.align, columns, fitted)
    for stage, fit in recipe.fits.items():
        if fit.augment is not None:
            key, problems = f"{stage}.augment.columns", _check_momenta(fit.augment, columns, fitted)
            yield from ((f"{key}{place}", text) for place, text in problems)
    told = not any_below(bad, "tasks", "plugins")
    if recipe.pretrain.augment is not None and (reason := _frozen_inputs(recipe, told)):
        yield "pretrain.augment", reason


def _check_ensemble(recipe: TrainRecipe, bad: set[str]) -> Iterator[Problem]:
    settings = recipe.posttrain.ensemble
    if settings is None:
        return
    if "joint" not in recipe.posttrain.modes and not any_below(bad, "posttrain.modes"):
        yield "posttrain.ensemble", "is of the mode 'joint'; expected it among posttrain.modes"
    if settings.folds is None:
        return
    if settings.folds < settings.members:
        message = f"expected one for each of the {settings.members} members, got {settings.folds}"
        yield "posttrain.ensemble.folds", f"{message}; null is for the whole train split"
    if recipe.posttrain.from_ != INITIAL and "posttrain.from" not in bad:
        message = "what trained before has seen all folds, also those that members are judged by"
        yield "posttrain.ensemble.folds", f"{message}; expected null, or posttrain.from: initial"


def _check_momenta(settings: Augment | Align, columns: Columns, fitted: bool) -> Iterator[Problem]:
    if not settings.columns:
        yield "", "is empty; expected columns of momenta"
    for number, name in enumerate(settings.columns):
        if name not in columns.shapes:
            yield f".{number}", columns.unknown(name)
        elif fitted and name in columns.described:
            try:
                momenta_of(columns.described[name], columns.pipelines.get(name))
            except RecipeError as error:
                yield f".{number}", str(error)


def _check_align(
    recipe: TrainRecipe, settings: Align, columns: Columns, fitted: bool
) -> Iterator[Problem]:
    """Check that columns are momenta that models see, and references one of an event."""
    key = "data.align.columns"
    problems = [*_check_momenta(settings, columns, fitted)]
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
        elif problems or not fitted or name not in columns.pipelines:
            continue
        elif columns.pipelines[name].fills:
            yield f"data.align.{place}", f"'{name}' is missing in some events"


def _frozen_inputs(recipe: TrainRecipe, told: bool) -> str:
    """Say which outputs of earlier tasks would not move with an event; empty where none.

    Args:
        recipe: The recipe.
        told: Whether the tasks can tell.
    """
    if "sequential" in recipe.posttrain.modes:
        return "frozen outputs of the mode 'sequential' do not move with an event"
    tasks = expand(recipe) if told else {}
    for name in tasks:
        if found := frozen(tasks, name):
            return f"'{name}' sees frozen outputs of '{found[0]}', which do not move with an event"
    return ""
