"""The result of checking a recipe, for people and for machines."""

from collections.abc import Sequence
from dataclasses import dataclass

from msml.checks.validate import load_valid
from msml.errors import DataError, RecipeError
from msml.recipe.expand import candidates, chains
from msml.recipe.load import read_source
from msml.recipe.schema import TrainRecipe


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes:
        recipe: The recipe as it was asked for.
        exit_code: 0 where it is fine, 2 for mistakes, 3 where only the data cannot be read.
        problems: One line each.
        tasks: Number of tasks; this and the next are 0 where there are problems.
        candidates: Number of candidates, grids and copies expanded.
        chains: Number of chains chosen; 0 where that is left to a search.
        strategy: Name of the strategy that searches, if any.
    """

    recipe: str
    exit_code: int
    problems: list[str]
    tasks: int = 0
    candidates: int = 0
    chains: int = 0
    strategy: str | None = None

    def summary(self) -> str:
        """Say in a few words what a good recipe holds."""
        chains = _count(self.chains, "chain") if self.chains else "no chain chosen"
        if self.strategy:
            chains = f"{self.strategy} chooses"
        tasks, candidates = _count(self.tasks, "task"), _count(self.candidates, "candidate")
        return f"ok, {tasks}, {candidates}, {chains}"


def report(path: str, overrides: Sequence[str], fast: bool) -> Verdict:
    """Load and check a training recipe, and say what is in it or what is wrong with it."""
    try:
        recipe = load_valid(read_source(path, TrainRecipe), overrides, fast)
    except (RecipeError, DataError) as error:
        return Verdict(path, error.exit_code, str(error).splitlines())
    values = recipe.values
    number = sum(len(list(candidates(task))) for task in values.tasks.values())
    if values.strategy:
        return Verdict(path, 0, [], len(values.tasks), number, 0, values.strategy["name"])
    try:
        chosen = len(chains(values))
    except RecipeError:
        chosen = 0
    return Verdict(path, 0, [], len(values.tasks), number, chosen)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")
