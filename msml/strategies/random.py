"""Random search: some combinations of candidates are trained, and the best on valid is chosen."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import numpy as np

from msml.recipe.expand import Chain
from msml.recipe.messages import Problem, at_least_1
from msml.registry import strategies
from msml.stages.session import Session
from msml.strategies.grid import choose, keep_winner
from msml.strategies.selection import Selection
from msml.training.epoch import generator


def _check(arguments: Mapping[str, Any]) -> Iterator[Problem]:
    if arguments["n"] < 1:
        yield "n", at_least_1(arguments["n"])


@strategies.register("random", check=_check)
def random_search(session: Session, *, n: int = 10) -> Selection:
    """Train n combinations drawn by the seed, as a grid search does; the best on valid wins.

    Args:
        session: The run.
        n: Combinations, none of them twice; all where there are fewer.
    """
    names = {task: sorted(spec.candidates) for task, spec in session.tasks.items()}
    selection = choose(session, "random", drawn(names, n, session.values.seed))
    keep_winner(session, selection)
    return selection


def drawn(names: Mapping[str, list[str]], n: int, seed: int) -> list[Chain]:
    """Draw combinations without repetition; their order is that in which they were drawn."""
    sizes = [len(known) for known in names.values()]
    rng = generator(seed, "search/random", 0)
    positions = rng.choice(prod(sizes), size=min(n, prod(sizes)), replace=False)
    return [
        {task: known[i] for (task, known), i in zip(names.items(), numbers, strict=True)}
        for numbers in zip(*np.unravel_index(positions, sizes), strict=True)
    ]
