"""DARTS with two mistakes of the published code, to see what they do; nothing for real use.

Mixed splits: train and valid events are stacked, not interleaved, and cut into batches, of which
the first three quarters train the weights, and the rest α and the decision when to stop: most valid
events train weights. Kept look-ahead: the virtual step of the weights is never taken back, and the
mixed derivative is the difference of ∇_α L_train at w' + r g and w', not w ± r g, over 2 r, with
r = 0.01/|g|².
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from msml.registry import strategies
from msml.strategies.darts.bilevel import alpha_gradient
from msml.strategies.darts.search import Darts, DartsSearch
from msml.strategies.darts.step import DartsStep, values
from msml.strategies.supernet import Given
from msml.training.environment import tensorflow
from msml.training.epoch import EpochResult, Step, Stream, compile_epoch


@strategies.register("darts_published")
@dataclass(frozen=True, kw_only=True)
class DartsPublished(Darts):
    """DARTS as published: with the mistakes that are switched on.

    Attributes:
        mixed_splits: Whether valid events train weights and train events train α.
        kept_look_ahead: Whether the virtual step of the weights stays.
    """

    mixed_splits: bool = True
    kept_look_ahead: bool = True

    def search(self, session: Any) -> Any:
        """Search in a run whose candidates are pre-trained."""
        return _Search(session, self).run()


class _Search(DartsSearch):
    def _streams(self) -> tuple[Stream, Stream]:
        found = super()._streams()
        return mixed(*found) if self._settings.mixed_splits else found

    def _epochs(self, step: Step) -> Callable[[int], EpochResult]:
        if not self._settings.mixed_splits:
            return super()._epochs(step)
        streams = self._train, self._valid
        epoch = compile_epoch(step, *streams, losses=len(self.losses), xla=self._xla)
        orders = [np.arange(stream.events, dtype=np.int32) for stream in streams]
        return lambda number: epoch(*orders)  # the published code does not shuffle

    def _step(self, alpha_optimizer: Any | None) -> DartsStep:
        step = super()._step(alpha_optimizer)
        return _KeptLookAhead(**vars(step)) if self._settings.kept_look_ahead else step


def mixed(train: Stream, valid: Stream) -> tuple[Stream, Stream]:
    """Cut stacked train and valid events as the published code does."""
    tf = tensorflow()
    size = train.batch_size + valid.batch_size
    steps = (train.events + valid.events) // size
    rows = np.arange(steps * size).reshape(steps, size)
    parts = rows[:, : train.batch_size].ravel(), rows[:, train.batch_size :].ravel()
    stacked = {name: tf.concat([c, valid.columns[name]], 0) for name, c in train.columns.items()}
    first, second = ({n: tf.gather(c, part) for n, c in stacked.items()} for part in parts)
    return Stream(first, train.batch_size), Stream(second, valid.batch_size)


@dataclass(frozen=True)
class _KeptLookAhead(DartsStep):
    def _descend_alpha(
        self, optimizer: Any, weights: list[Any], train: Given, valid: Given
    ) -> None:
        tf = tensorflow()
        now, variables = values(self.alphas), self.objective.supernet.variables
        of_train, of_valid = (self.objective.loss(given, 1.0) for given in (train, valid))
        gradient = _by_weights(of_train, weights, now)
        moved = [w - self.rate * g for w, g in zip(weights, gradient, strict=True)]
        for variable, value in zip(variables, moved, strict=True):
            variable.assign(value)  # and here it stays
        weights[:] = moved
        direction = _by_weights(of_valid, moved, now)
        radius = 0.01 / tf.linalg.global_norm(direction) ** 2
        ahead = [w + radius * d for w, d in zip(moved, direction, strict=True)]
        sides = [alpha_gradient(of_train, w, now) for w in (ahead, moved)]
        direct = alpha_gradient(of_valid, moved, now)
        mixed = [(p - m) / (2 * radius) for p, m in zip(*sides, strict=True)]
        found = [d - self.rate * m for d, m in zip(direct, mixed, strict=True)]
        optimizer.apply(found, self.alphas)


def _by_weights(loss: Any, weights: list[Any], alphas: list[Any]) -> list[Any]:
    tf = tensorflow()
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(weights)
        value = loss(weights, alphas)
    return tape.gradient(value, weights, unconnected_gradients="zero")
