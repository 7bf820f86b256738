"""Ranking combinations of candidates by a metric on valid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from msml.chain import weighted_total
from msml.data.kinematics import Array
from msml.metrics import average, facts_of
from msml.recipe.expand import TOTAL, metric_of
from msml.stages.losses import Measure, event_losses, metric_on
from msml.stages.session import Session
from msml.training.measure import Outputs

_REPLICAS = 200
_SEED = 20210519

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Score:
    """How good a combination is.

    Attributes:
        value: The metric.
        replicas: The metric on bootstrap replicas of the events, the same for every combination;
            there may be none.
        losses: Loss of each task.
    """

    value: float
    replicas: Array
    losses: Mapping[str, float]


def score(session: Session, outputs: Mapping[str, Outputs], *, replicas: bool = True) -> Score:
    """Measure a combination as the recipe's `select` says.

    Args:
        session: The run.
        outputs: Outputs of each task on the split of `select`, by name.
        replicas: Whether to take bootstrap replicas; without them it is far cheaper.
    """
    select = session.values.select
    split = session.split(select.split)
    weight = split.weight.astype(np.float64)
    seen = {task: named[session.tasks[task].output] for task, named in outputs.items()}
    per_event = {task: event_losses(session, task, split, out) for task, out in seen.items()}
    if select.metric == TOTAL:
        shares = [session.tasks[task].weight for task in per_event]
        total = weighted_total(shares, list(per_event.values()))
        measure = Measure(average, (total,), weight)
    else:
        task, name = metric_of(session.tasks, select.metric)
        measure = metric_on(session, task, name, split, seen[task])
    return Score(
        value=measure.value(),
        replicas=measure.replicas(_REPLICAS * replicas, _SEED),
        losses={task: average(values, weight) for task, values in per_event.items()},
    )


def best_first(
    session: Session, combinations: Sequence[Mapping[str, str]], scores: Sequence[Score]
) -> list[int]:
    """Order the positions of combinations; ties go to the lower loss of the last task."""
    return sorted(range(len(scores)), key=lambda i: standing(session, combinations[i], scores[i]))


def standing(
    session: Session, chosen: Mapping[str, str], found: Score
) -> tuple[float, float, tuple[str, ...]]:
    """What combinations are ordered by, lowest first."""
    value = _or_infinity(_sign(session) * found.value)
    last = list(session.tasks)[-1]
    return (value, _or_infinity(found.losses[last]), tuple(chosen.values()))


def rank(
    session: Session, combinations: Sequence[Mapping[str, str]], scores: Sequence[Score]
) -> list[Record]:
    """Order combinations, best first; the first needs bootstrap replicas.

    Returns:
        Of each: chain, score, its bootstrap error, losses, how far it is behind the first with the
        error of that difference, and whether that is more than twice this error. Without replicas
        the errors are None, and twice the largest of the others' counts.
    """
    order = best_first(session, combinations, scores)
    first = scores[order[0]]
    errors = [
        float(np.std(scores[i].replicas - first.replicas)) if len(scores[i].replicas) else None
        for i in order
    ]
    largest = max((e for e in errors if e is not None and np.isfinite(e)), default=0.0)
    ranking: list[Record] = []
    for number, error in zip(order, errors, strict=True):
        found = scores[number]
        behind = _or_infinity(_sign(session) * found.value) - _sign(session) * first.value
        ranking.append(
            {
                "chain": dict(combinations[number]),
                "score": found.value,
                "error": None if error is None else float(np.std(found.replicas)),
                "losses": dict(found.losses),
                "behind": behind,
                "behind_error": error,
                "worse": behind == np.inf
                or bool(behind > 2 * (largest if error is None else error)),
            }
        )
    return ranking


def undetermined(ranking: Sequence[Record]) -> list[str]:
    """Tasks for which a combination with another candidate is not clearly worse than the first."""
    chosen = ranking[0]["chain"]
    rivals = [record["chain"] for record in ranking[1:] if not record["worse"]]
    return [task for task in chosen if any(rival[task] != chosen[task] for rival in rivals)]


def higher_is_better(metric: str) -> bool:
    """Say which way a metric of `select` goes."""
    name = metric.rpartition("/")[2]
    return facts_of(name).get("better") == "higher"


def ranked_by(session: Session) -> str:
    """Say what the ranking goes by; the test split is never hidden."""
    select = session.values.select
    split = "TEST (allowed by the recipe)" if select.split == "test" else select.split
    return f"{select.metric} on {split}"


def _or_infinity(value: float) -> float:
    """Put what is not finite last: it has no order."""
    return value if np.isfinite(value) else np.inf


def _sign(session: Session) -> float:
    """Factor on the metric that makes lower better."""
    return -1.0 if higher_is_better(session.values.select.metric) else 1.0
