"""The schema of what explains a trained chain: the blocks below `evaluate`.

What was trained and measured does not depend on them, so that a run that is done can be explained
without another training.
"""

from dataclasses import dataclass, field
from typing import Annotated

from msml.domains import Domain


@dataclass(frozen=True)
class Importance:
    """Permutation importance: what a task loses where an input is that of other test events.

    Attributes:
        task: The task; the last one where null.
        metric: A metric of it, whether it is among its `metrics` or not; where null, its loss.
        repeats: Permutations that are averaged.
    """

    task: str | None = None
    metric: str | None = None
    repeats: Annotated[int, Domain(1, 1000)] = 5


@dataclass(frozen=True)
class Dependence:
    """Partial dependence: a task's mean answer where an input is the same for all test events.

    Attributes:
        task: The task; the last one where null.
        features: Inputs of it that are a number of an event, or of each object, and components,
            `input.component`; all that there are where empty.
        points: Values at most, at equal steps between the 1 % and the 99 % quantile.
    """

    task: str | None = None
    features: list[str] = field(default_factory=list)
    points: Annotated[int, Domain(2, 1000)] = 20
