"""Checks of the subsets of the test split, and of what is blind."""

from collections.abc import Iterator

from msml.checks.wiring import Columns
from msml.recipe.expand import WHOLE
from msml.recipe.messages import Problem, name_problem
from msml.recipe.schema import TrainRecipe


def check_subsets(recipe: TrainRecipe, columns: Columns) -> Iterator[Problem]:
    """Check the columns and values of subsets, and that nothing chooses on what is blind."""
    subsets = recipe.evaluate.subsets
    for name, subset in subsets.items():
        key = f"evaluate.subsets.{name}"
        if message := name_problem(name):
            yield key, message
        elif name == WHOLE:
            yield key, f"'{WHOLE}' cannot name a subset; it is the whole test split"
        described = columns.described.get(subset.column)
        if subset.column not in columns.shapes:
            yield f"{key}.column", columns.unknown(subset.column)
        elif described is not None and described.sizes:
            yield f"{key}.column", f"expected a number an event, got shape {described.sizes}"
        if not subset.values:
            yield f"{key}.values", f"is empty; expected values of '{subset.column}'"
    blind = [name for name, subset in subsets.items() if subset.blind]
    if recipe.evaluate.unblind and not blind:
        wanted = "expected a subset with `blind: true`, or false"
        yield "evaluate.unblind", f"nothing is blind; {wanted}"
    if blind and recipe.select.split == "test":
        message = f"the subset '{blind[0]}' of test is blind, and nothing may be chosen by it"
        yield "select.split", f"{message}; expected valid"
