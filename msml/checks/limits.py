"""Totals that have a limit, which `limits` of a recipe raises; counted before any is made."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from typing import Any

from msml.errors import RecipeError
from msml.recipe.messages import Problem, too_many
from msml.recipe.schema import Candidate, TrainRecipe


def number_of(candidate: Candidate) -> int:
    """Count what a candidate becomes: the points of its grid, each so many times."""
    return prod(len(values) for values in candidate.grid.values()) * candidate.copies


@contextmanager
def few_weights(most: int) -> Iterator[None]:
    """Refuse models of more weights while the block builds one, before there is memory for them.

    Raises:
        RecipeError: There would be more.
    """
    import keras

    add, total = keras.layers.Layer.add_weight, 0

    def counted(self: Any, shape: Any = None, *args: Any, **more: Any) -> Any:
        nonlocal total
        total += prod(shape) if isinstance(shape, tuple | list) else 1
        if total > most:
            raise RecipeError(f"has {too_many(total, 'weights or more', most, 'limits.weights')}")
        return add(self, shape, *args, **more)

    keras.layers.Layer.add_weight = counted
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = add


def check_candidates(recipe: TrainRecipe) -> Iterator[Problem]:
    """Check the number of candidates, without listing them."""
    counts = {
        f"tasks.{task}.candidates.{name}": number_of(candidate)
        for task, spec in recipe.tasks.items()
        for name, candidate in spec.candidates.items()
    }
    total, most = sum(counts.values()), recipe.limits.candidates
    if total > most:
        yield max(counts, key=lambda key: counts[key]), too_many(total, "candidates", most)


def one_of_each(recipe: TrainRecipe) -> TrainRecipe:
    """Leave out grids and copies: what remains of too many candidates to list."""
    tasks = {
        task: replace(
            spec,
            candidates={
                name: replace(candidate, grid={}, copies=1)
                for name, candidate in spec.candidates.items()
            },
        )
        for task, spec in recipe.tasks.items()
    }
    return replace(recipe, tasks=tasks)


def check_totals(recipe: TrainRecipe) -> Iterator[Problem]:
    """Check the number of chains that the recipe chooses, and of bootstrap replicas."""
    chosen = [len(each) for each in recipe.chain.values() if isinstance(each, list)]
    if (number := prod(chosen)) > (most := recipe.limits.chains):
        yield "chain", too_many(number, "chains", most)
    if (number := recipe.evaluate.bootstrap) > (most := recipe.limits.replicas):
        yield "evaluate.bootstrap", too_many(number, "replicas", most)


def check_trained(recipe: TrainRecipe, strategy: Any) -> Iterator[Problem]:
    """Check the number of chains that a strategy trains, one by one."""
    counts = [sum(map(number_of, task.candidates.values())) for task in recipe.tasks.values()]
    if counts and all(counts):
        _, shares = strategy.trainings(counts, recipe.posttrain)
        if (number := round(shares[0] * counts[0])) > (most := recipe.limits.chains):
            yield "", too_many(number, "chains", most)
