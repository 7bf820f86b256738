"""Random search: some combinations of candidates are trained, and the best on valid is chosen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from msml.domains import Count
from msml.recipe.expand import Chosen
from msml.recipe.messages import Problem
from msml.recipe.schema_training import Fit
from msml.registry import strategies
from msml.stages.selection import Selection
from msml.stages.session import Session
from msml.strategies.grid import choose, keep_winner
from msml.training.epoch import generator


@strategies.register("random", title="Random", trains_chains=True)
@dataclass(frozen=True, kw_only=True)
class Random:
    """Train n combinations drawn by the seed, as a grid search does; the best on valid wins.

    Attributes:
        n: Combinations, none of them twice; all where there are fewer.
    """

    n: Count = 10

    def problems(self) -> Iterator[Problem]:
        """Yield nothing: each argument stands for itself."""
        yield from ()

    def trainings(self, candidates: Sequence[int], posttrain: Fit) -> tuple[Fit, list[float]]:
        """Train each candidate in its share of the combinations."""
        drawn = min(self.n, prod(candidates))
        return posttrain, [drawn / known for known in candidates]

    def search(self, session: Session) -> Selection:
        """Train and rank; the winner's weights are the result."""
        names = {task: sorted(spec.candidates) for task, spec in session.tasks.items()}
        selection = choose(session, "random", drawn(names, self.n, session.values.seed))
        keep_winner(session, selection)
        return selection


def drawn(names: Mapping[str, list[str]], n: int, seed: int) -> list[Chosen]:
    """Draw combinations without repetition; their order is that in which they were drawn."""
    sizes = [len(known) for known in names.values()]
    rng = generator(seed, "search/random", 0)
    positions = rng.choice(prod(sizes), size=min(n, prod(sizes)), replace=False)
    return [
        {task: known[i] for (task, known), i in zip(names.items(), numbers, strict=True)}
        for numbers in zip(*np.unravel_index(positions, sizes), strict=True)
    ]
