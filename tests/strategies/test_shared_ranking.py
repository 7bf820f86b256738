"""Ranking many combinations: bootstrap replicas for the best only."""

from types import SimpleNamespace

import numpy as np
import pytest

from msml.strategies.ranking import Score
from msml.strategies.shared import every, ranked

SESSION = SimpleNamespace(
    values=SimpleNamespace(select=SimpleNamespace(metric="total", split="valid")),
    tasks={"a": None, "b": None},
)


class Shared:
    """Losses of combinations that follow from their names."""

    def __init__(self):
        self.with_replicas = []

    def score(self, chosen, *, replicas):
        value = float(chosen["a"]) + 0.01 * float(chosen["b"])
        if replicas:
            self.with_replicas.append(chosen)
        errors = 0.004 * np.random.default_rng(int(100 * value)).normal(size=200 * replicas)
        return Score(value, value + errors, {"a": value, "b": value})


@pytest.mark.parametrize("count", [3, 20])
def test_replicas_are_taken_for_the_best_fifty(count):
    models = {"a": {str(i): None for i in range(count)}, "b": {str(i): None for i in range(8)}}
    chains, shared = every(models), Shared()
    assert len(chains) == 8 * count
    scores = [shared.score(chain, replicas=False) for chain in chains]
    ranking = ranked(SESSION, shared, chains, scores)
    values = [record["score"] for record in ranking]
    assert values == sorted(values)
    assert ranking[0]["chain"] == {"a": "0", "b": "0"}
    best = min(50, len(chains))
    assert len(shared.with_replicas) == best
    assert [record["error"] is not None for record in ranking] == [
        number < best for number in range(len(chains))
    ]
    assert all(record["worse"] for record in ranking[50:])
    near = [record["worse"] for record in ranking[:4]]
    assert near == [False, False, True, True]  # 0.01 is less than twice the error, 0.02 is more


def test_every_combination_once_the_first_task_slowest():
    models = {"b": {"y": None, "x": None}, "a": {"v": None, "u": None}}
    assert every(models) == [
        {"b": "x", "a": "u"},
        {"b": "x", "a": "v"},
        {"b": "y", "a": "u"},
        {"b": "y", "a": "v"},
    ]
