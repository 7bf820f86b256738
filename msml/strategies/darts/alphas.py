"""The architecture weights α of a supernet as variables, and their shares."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from msml.strategies.supernet import Supernet
from msml.training.environment import tensorflow

_REMOVED = -1e9

Named = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Alphas:
    """α of each task, `(candidates,) float32`, at first zeros: all candidates alike.

    Attributes:
        supernet: Whose α they are.
    """

    supernet: Supernet

    @cached_property
    def variables(self) -> list[Any]:
        """The variables of the tasks in order."""
        import keras

        return [
            keras.Variable(np.zeros(len(models), np.float32), name=f"alpha_{task}")
            for task, models in self.supernet.models.items()
        ]

    def by_task(self) -> dict[str, Any]:
        """The variables by name, for checkpoints."""
        return {
            f"alpha/{task}": variable
            for task, variable in zip(self.supernet.models, self.variables, strict=True)
        }

    def values(self) -> Named:
        """α by task and candidate."""
        return self._named([variable.numpy() for variable in self.variables])

    def shares(self) -> Named:
        """The shares that follow from them, without draws."""
        relaxation, tf = self.supernet.relaxation, tensorflow()
        return self._named(
            [relaxation.shares(tf.convert_to_tensor(v.value), None).numpy() for v in self.variables]
        )

    @contextmanager
    def without(self, task: str, candidate: str) -> Iterator[None]:
        """Give a candidate no share for a while, and the others of its task all of it."""
        position = list(self.supernet.models).index(task)
        variable = self.variables[position]
        before = variable.numpy()
        removed = before.copy()
        removed[list(self.supernet.models[task]).index(candidate)] = _REMOVED
        variable.assign(removed)
        try:
            yield
        finally:
            variable.assign(before)

    def _named(self, values: list[Any]) -> Named:
        return {
            task: dict(zip(models, each.tolist(), strict=True))
            for (task, models), each in zip(self.supernet.models.items(), values, strict=True)
        }
