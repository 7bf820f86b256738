"""Checks of how a recipe searches: its strategy and how combinations are ranked."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msml.arguments import bind
from msml.checks.limits import check_trained
from msml.checks.names import metric_problems
from msml.errors import RecipeError
from msml.recipe.expand import TOTAL
from msml.recipe.messages import Problem, unknown
from msml.recipe.schema import SPLITS, Select, TrainRecipe
from msml.registry import Entry, is_dummy, metrics, strategies

_METHODS = ("problems", "search")  # of every strategy


def check_search(recipe: TrainRecipe) -> Iterator[Problem]:
    """Check the strategy's name and arguments, and `select`."""
    yield from _check_select(recipe.select, recipe.tasks)
    if not recipe.strategy:
        return
    arguments = {key: value for key, value in recipe.strategy.items() if key != "name"}
    if "name" not in recipe.strategy:
        names = ", ".join(strategies.names())
        yield "strategy.name", f"missing; expected one of {names}"
        return
    try:
        entry = strategies.get(str(recipe.strategy["name"]))
    except RecipeError as error:
        yield "strategy.name", str(error)
        return
    problems = bind(entry, 0, arguments) or [*_own_problems(entry, arguments, recipe)]
    yield from ((f"strategy.{key or 'name'}", message) for key, message in problems)
    if reason := entry.facts.get("no_dummies"):
        yield from _check_dummies(recipe, entry.name, reason)


def _own_problems(
    entry: Entry, arguments: Mapping[str, Any], recipe: TrainRecipe
) -> Iterator[Problem]:
    """Ask a strategy about its arguments, if it is one."""
    strategy = entry.function(**arguments)
    missing = [name for name in _METHODS if not callable(getattr(strategy, name, None))]
    for name in missing:
        yield "", f"strategy '{entry.name}' of {entry.source} has no method `{name}`"
    if not missing:
        yield from strategy.problems()
    if entry.facts.get("trains_chains") and hasattr(strategy, "trainings"):
        yield from check_trained(recipe, strategy)


def _check_dummies(recipe: TrainRecipe, strategy: str, reason: str) -> Iterator[Problem]:
    """Refuse candidates that are registered as a dummy."""
    for task, spec in recipe.tasks.items():
        for name, candidate in spec.candidates.items():
            if is_dummy(candidate.model):
                message = f"strategy '{strategy}' takes no dummy such as '{candidate.model}'"
                yield f"tasks.{task}.candidates.{name}", f"{message}: {reason}"


def _check_select(select: Select, tasks: Iterable[str]) -> Iterator[Problem]:
    task, slash, metric = select.metric.rpartition("/")
    if slash and task not in tasks:
        yield "select.metric", unknown("task", task, tasks)
    if select.metric not in (TOTAL, *metrics.names()):
        for text in metric_problems(metric):
            yield "select.metric", text.replace("known: ", f"known: {TOTAL}, ")
    if select.split not in SPLITS:
        yield "select.split", unknown("split", select.split, SPLITS)
    elif select.split == "test" and not select.allow_test:
        message = "choosing on test makes its figures optimistic; expected valid, or also"
        yield "select.split", f"{message} `allow_test: true`"
