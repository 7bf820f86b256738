"""The names in a training recipe: losses, metrics, models, weightings, and what each is given."""

from collections.abc import Iterator, Mapping
from typing import Any

from msml.arguments import bind
from msml.errors import RecipeError
from msml.metrics.named import parse
from msml.recipe.expand import REMAINDER, candidates, duplicates
from msml.recipe.messages import Problem, name_problem
from msml.recipe.schema import Candidate, Task, TrainRecipe
from msml.registry import Entry, Registry, losses, metrics, models, schedules, weightings

TOLERANCE = 1e-6
"""How far weights and fractions may be from a sum of 1."""


def check_names(recipe: TrainRecipe, inputs: Mapping[str, int]) -> Iterator[Problem]:
    """Check the tasks one by one, their weights together, the weighting and schedules.

    Args:
        recipe: The recipe.
        inputs: How many inputs the models of each task get.
    """
    if not recipe.tasks:
        yield "tasks", "there are none"
    for name, task in recipe.tasks.items():
        key = f"tasks.{name}"
        if message := name_problem(name, task=True):
            yield key, message
        elif (other := name.partition(".")[0]) != name and other in recipe.tasks:
            yield key, f"reads as an output of the task '{other}'; expected another name"
        yield from _check_named(f"{key}.loss", task.loss, losses, 2)
        for i, metric in enumerate(task.metrics):
            yield from ((f"{key}.metrics.{i}", text) for text in metric_problems(metric))
        yield from _check_candidates(f"{key}.candidates", task, inputs[name])
    yield from _check_weights(recipe)
    yield from _check_named("weighting", recipe.weighting, weightings, 1)
    for stage, fit in recipe.fits.items():
        yield from _check_named(f"{stage}.schedule", fit.schedule, schedules, 2)


def metric_problems(text: str) -> list[str]:
    """Find what is wrong with a metric and its arguments."""
    try:
        name, arguments = parse(text)
        found = bind(metrics.get(name), 2, arguments)
    except RecipeError as error:
        return error.problems
    return [": ".join(filter(None, problem)) for problem in found]


def _check_named(
    key: str, settings: Mapping[str, Any], registry: Registry, positional: int
) -> Iterator[Problem]:
    """Check `name` and arguments of a registered function that gets so many positional ones."""
    arguments = {name: value for name, value in settings.items() if name != "name"}
    if "name" not in settings:
        yield f"{key}.name", f"missing; expected one of {', '.join(registry.names())}"
        return
    try:
        entry = registry.get(str(settings["name"]))
    except RecipeError as error:
        yield f"{key}.name", str(error)
    else:
        for argument, message in bind(entry, positional, arguments):
            yield f"{key}.{argument or 'name'}", message


def _check_candidates(key: str, task: Task, inputs: int) -> Iterator[Problem]:
    if not task.candidates:
        yield key, "there are none"
    for name, candidate in task.candidates.items():
        here = f"{key}.{name}"
        if message := name_problem(name):
            yield here, message
        yield from _check_grid(f"{here}.grid", candidate)
        try:
            entry = models.get(candidate.model)
        except RecipeError as error:
            yield f"{here}.model", str(error)
        else:
            yield from _check_arguments(here, entry, candidate, inputs)
    for name in duplicates([name for name, _ in candidates(task)]):
        yield key, f"grids and copies give more than one candidate named '{name}'"


def _check_grid(key: str, candidate: Candidate) -> Iterator[Problem]:
    for argument, values in candidate.grid.items():
        if not values:
            yield f"{key}.{argument}", "is empty; expected a list of values"
        if argument in candidate.args:
            yield f"{key}.{argument}", "is under args too; a value is either fixed or scanned"


def _check_arguments(
    key: str, entry: Entry, candidate: Candidate, inputs: int
) -> Iterator[Problem]:
    """Bind the fixed arguments, and every value of the grid, to the builder's signature."""
    first = {name: values[0] for name, values in candidate.grid.items() if values}
    given: dict[str, Any] = {**candidate.args, **dict.fromkeys(candidate.grid), **first}
    for argument, message in bind(entry, inputs, given):
        if argument not in candidate.grid and (argument or inputs):  # none is reported as such
            yield (f"{key}.args.{argument}" if argument else f"{key}.model"), message
    for name, values in candidate.grid.items():
        for i, value in enumerate(values):
            for argument, message in bind(entry, inputs, {**given, name: value}):
                if argument == name:
                    yield f"{key}.grid.{name}.{i}", message


def _check_weights(recipe: TrainRecipe) -> Iterator[Problem]:
    """Check the sum of the weights."""
    declared = {name: task.weight for name, task in recipe.tasks.items()}
    left = [name for name, weight in declared.items() if weight == REMAINDER]
    for name in left[1:]:
        yield f"tasks.{name}.weight", f"'{REMAINDER}' is taken by the task '{left[0]}'"
    if left[1:] or not declared:
        return
    if not recipe.free_weights:
        for name, weight in declared.items():
            if not isinstance(weight, str) and weight > 1:
                yield f"tasks.{name}.weight", f"expected a number from 0 to 1, got {weight:g}"
                return
    total = sum(weight for weight in declared.values() if not isinstance(weight, str))
    if left and total > 1 + TOLERANCE:
        message = f"the other weights sum to {total:.7g}, which leaves no remainder"
        yield f"tasks.{left[0]}.weight", message
    if not left and abs(total - 1) > TOLERANCE and not recipe.free_weights:
        yield "tasks", f"the weights sum to {total:.7g}, expected 1; `free_weights: true` allows it"
    if recipe.free_weights and not left and total == 0:
        yield "tasks", "all weights are 0"
