"""One task of a trained chain on the test events, with all that it sees held fixed."""

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from types import MappingProxyType

import numpy as np

from msml.chain import Chain
from msml.checks.features import Feature, Input
from msml.data.kinematics import Array
from msml.ensemble import Predictor, parts_of
from msml.recipe.expand import upstream
from msml.stages.session import Session
from msml.training.measure import Outputs, answerer, predictor

Change = Callable[[Array, slice], Array]
"""Gives some rows of an input, changed."""


class FrozenTask:
    """Answers of a task where some of its own inputs are changed, predicted as in evaluation.

    Each member of an ensemble answers to each copy of the events, and the answers are averaged.
    Outputs of earlier tasks, those of the same member for the same copy, are computed once, and
    stay what they are where a column is changed that the earlier tasks see too: what is changed is
    an input of this task alone.

    Args:
        session: The run.
        chain: The trained chain.
        task: The task.

    Attributes:
        spec: The task.
        inputs: What its inputs are.
        values: The inputs of the test events as the model sees them, each `(events, ...)`; outputs
            of earlier tasks are those of the first member.
    """

    def __init__(self, session: Session, chain: Predictor, task: str) -> None:
        self.spec = session.tasks[task]
        self.inputs: list[Input] = session.described(task)
        self._columns = session.split("test").columns
        self._seen = [self._given(session, outputs) for outputs in _earlier(session, chain, task)]
        self.values: list[Array] = self._seen[0]
        self._answer = answerer(chain, task)

    def _given(self, session: Session, outputs: Mapping[str, Outputs]) -> list[Array]:
        """Inputs of the task, with outputs of earlier ones."""
        given = Chain(session.tasks, {}).inputs(self.spec.name, self._columns, outputs)
        return [np.asarray(each) for each in (given if isinstance(given, list) else [given])]

    @property
    def events(self) -> int:
        """Number of test events."""
        return len(self.values[0])

    def output(self, changes: Mapping[int, Change] = MappingProxyType({})) -> Array:
        """What the loss sees, `(events, ...)`, where inputs at some places are changed."""

        def given(rows: slice) -> list[list[Array]]:
            return [
                [
                    changes[place](each, rows) if place in changes else each[rows]
                    for place, each in enumerate(values)
                ]
                for values in self._seen
            ]

        return self._answer(given, self.events)

    def real(self, feature: Feature) -> Array | None:
        """Which entries of a feature are real, `(events, ...)` of its first axes; None for all."""
        if not feature.across:
            return None
        mask = self._columns[feature.across] != 0
        whole = mask.ndim == self.values[feature.places[0]].ndim
        return mask[..., feature.number] if whole and feature.number is not None else mask


def _earlier(session: Session, chain: Predictor, task: str) -> Iterator[dict[str, Outputs]]:
    """Outputs of the tasks before one, for each part of a predictor; once where it sees none."""
    if not upstream(session.tasks[task].inputs, session.tasks):
        yield {}
        return
    for member, parts in groupby(parts_of(chain), key=lambda part: part.chain):
        predict = predictor(member)
        yield from (predict(part.view(session.on_device("test"))) for part in parts)
