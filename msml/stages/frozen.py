"""One task of a trained chain on the test events, with all that it sees held fixed."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from msml.chain import Chain
from msml.checks.features import Feature, Input
from msml.data.kinematics import Array
from msml.ensemble import Predictor
from msml.recipe.expand import upstream
from msml.stages.session import Session
from msml.stages.training import predict
from msml.training.measure import answerer

Change = Callable[[slice], Array]
"""Gives an input of some rows, changed."""


class FrozenTask:
    """Answers of a task where some of its own inputs are changed.

    Outputs of earlier tasks are computed once, and stay what they are where a column is changed
    that the earlier tasks see too: what is changed is an input of this task alone.

    Args:
        session: The run.
        chain: The trained chain.
        task: The task.

    Attributes:
        spec: The task.
        inputs: What its inputs are.
        values: The inputs of the test events as the model sees them, each `(events, ...)`.
    """

    def __init__(self, session: Session, chain: Predictor, task: str) -> None:
        self.spec = session.tasks[task]
        self.inputs: list[Input] = session.described(task)
        self._columns = session.split("test").columns
        earlier = upstream(self.spec.inputs, session.tasks)
        outputs = predict(session, chain, "test") if earlier else {}
        seen = Chain(session.tasks, {}).inputs(task, self._columns, outputs)
        given = seen if isinstance(seen, list) else [seen]
        self.values: list[Array] = [np.asarray(each) for each in given]
        self._answer = answerer(chain, task)

    @property
    def events(self) -> int:
        """Number of test events."""
        return len(self.values[0])

    def output(self, changes: Mapping[int, Change] = MappingProxyType({})) -> Array:
        """What the loss sees, `(events, ...)`, where inputs at some places are changed."""

        def given(rows: slice) -> list[Array]:
            return [
                changes[place](rows) if place in changes else each[rows]
                for place, each in enumerate(self.values)
            ]

        return self._answer(given, self.events)[self.spec.output]

    def real(self, feature: Feature) -> Array | None:
        """Which entries of a feature are real, `(events, ...)` of its first axes; None for all."""
        if not feature.across:
            return None
        mask = self._columns[feature.across] != 0
        whole = mask.ndim == self.values[feature.places[0]].ndim
        return mask[..., feature.number] if whole and feature.number is not None else mask
