"""Ranking combinations with the weights that they share in a supernet, without training."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from msml.chain import Chain, output_columns
from msml.recipe.expand import Chosen, all_upstream, upstream
from msml.stages.session import Session
from msml.strategies.ranking import Record, Score, best_first, rank, score
from msml.training.measure import Outputs, predictor

# Bootstrap replicas take far longer than all else.
_WITH_REPLICAS = 50

Models = Mapping[str, Mapping[str, Any]]


class SharedWeights:
    """Measures combinations of candidates; the outputs that several need are computed once.

    That holds for combinations in the order of `every`. As many outputs are kept as there are
    candidates. Moving statistics of batch normalisation are shared as weights are: a candidate's
    are those of all that stood before it in training.

    Args:
        session: The run.
        models: The candidates by task and name.
    """

    def __init__(self, session: Session, models: Models) -> None:
        self._session = session
        self._models = models
        self._split = session.values.select.split
        self._compiled: dict[tuple[str, str], Any] = {}
        self._given: dict[str, tuple[str, ...]] = {}
        self._known: dict[str, dict[str, Outputs]] = {}

    def score(self, chosen: Chosen, *, replicas: bool) -> Score:
        """Measure a combination on the split of `select`."""
        self._session.check_stop()
        return score(self._session, self.outputs(chosen), replicas=replicas)

    def outputs(self, chosen: Chosen) -> dict[str, Outputs]:
        """Outputs of each task of a combination, by name."""
        done: dict[str, Outputs] = {}
        tasks = self._session.tasks
        for task in self._models:
            given = tuple(chosen[earlier] for earlier in all_upstream(task, tasks))
            if self._given.get(task) != given:
                self._given[task], self._known[task] = given, {}
            known = self._known[task]
            if chosen[task] not in known:
                known[chosen[task]] = self._computed(task, chosen[task], done)
            done[task] = known[chosen[task]]
        return done

    def _computed(self, task: str, name: str, done: Mapping[str, Outputs]) -> Outputs:
        tasks = self._session.tasks
        if (task, name) not in self._compiled:
            given = frozenset(upstream(tasks[task].inputs, tasks))
            chain = Chain(tasks, {task: self._models[task][name]}, given)
            self._compiled[task, name] = predictor(chain)
        columns = dict(self._session.on_device(self._split))
        for earlier, outputs in done.items():
            columns |= output_columns(earlier, outputs)
        found: Outputs = self._compiled[task, name](columns)[task]
        return found


def every(models: Models) -> list[Chosen]:
    """Every combination of candidates, by name; the first task varies slowest."""
    names = [sorted(candidates) for candidates in models.values()]
    return [dict(zip(models, choice, strict=True)) for choice in product(*names)]


def rank_supernet(session: Session, models: Models) -> list[Record]:
    """Rank every combination as `select` says, with the weights that the candidates have now."""
    shared, chains = SharedWeights(session, models), every(models)
    return ranked(session, shared, chains, [shared.score(c, replicas=False) for c in chains])


def ranked(
    session: Session, shared: SharedWeights, chains: Sequence[Chosen], scores: Sequence[Score]
) -> list[Record]:
    """Rank combinations after taking bootstrap replicas of the best."""
    complete = list(scores)
    for number in sorted(best_first(session, chains, scores)[:_WITH_REPLICAS]):
        found = shared.score(chains[number], replicas=True)
        complete[number] = replace(scores[number], replicas=found.replicas)
    return rank(session, chains, complete)
