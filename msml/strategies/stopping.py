"""Candidates of a search that stop learning, each by itself, before they overfit."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, compress
from typing import Any

import numpy as np

from msml.data.kinematics import Array
from msml.strategies.supernet import Candidate
from msml.training.environment import tensorflow
from msml.training.epoch import EpochResult
from msml.training.fit import Trainee
from msml.training.variables import Models, numbered


class Stopping:
    """Which candidates of a search still learn.

    One whose loss on valid has not improved for some epochs gets the weights back with which it was
    lowest, and keeps them, while the search goes on. Those that it starts with count as well. After
    the last epoch all stop. `judging` says of what the loss is.

    Args:
        models: The candidates by task and name.
        patience: Epochs without improvement after which one stops; None for never.
        epochs: Most epochs of the search.

    Attributes:
        patience: As given.
        candidates: Task and name of all.
        variables: What changes as they stop, by name.
        last: Those that stopped in the last epoch, as `task/name`: the epoch whose weights it
            `keeps`, 0 for those it started with, and its `own` loss when it stopped, if measured.
    """

    def __init__(self, models: Models, patience: int | None, epochs: int) -> None:
        import keras

        self.candidates = [(task, name) for task, known in models.items() for name in known]
        self.variables: dict[str, Any] = {}
        self.last: dict[str, dict[str, Any]] = {}
        self.patience, self._epochs = patience, epochs
        if patience is None:
            return

        def state(values: Array) -> Any:
            return keras.Variable(values, dtype=values.dtype.name, trainable=False)

        count = len(self.candidates)
        self._weights = [models[task][name].weights for task, name in self.candidates]
        self._kept = [[state(w.numpy()) for w in weights] for weights in self._weights]
        self._lowest = state(np.full(count, np.inf, np.float32))
        self._best = state(np.zeros(count, np.int32))  # the epoch of the lowest loss
        self._stopped = state(np.zeros(count, bool))
        self._epoch = state(np.zeros((), np.int32))
        parts = [self._lowest, self._best, self._stopped, self._epoch, *chain(*self._kept)]
        self.variables |= {f"stopping/{key}": each for key, each in numbered(parts).items()}

    @property
    def judged(self) -> int:
        """How many candidates may stop."""
        return 0 if self.patience is None else len(self.candidates)

    @property
    def stopped(self) -> frozenset[Candidate]:
        """The candidates that have stopped."""
        if self.patience is None:
            return frozenset()
        return frozenset(compress(self.candidates, self._stopped.numpy()))

    @property
    def done(self) -> bool:
        """Whether all have stopped."""
        return len(self.stopped) == len(self.candidates)

    def learns(self, task: str, name: str) -> Any:
        """Whether a candidate still learns, a scalar tensor of a graph that asks each time."""
        tf = tensorflow()
        return tf.logical_not(self._stopped.value[self.candidates.index((task, name))])

    def within(self, trainee: Trainee, judge: Callable[[Array], Array] | None = None) -> Trainee:
        """Let candidates stop while they are trained; only what comes after counts.

        Args:
            trainee: What is trained. Its `valid` may give more losses than it names.
            judge: Finds in all that `valid` gives a loss of each candidate, by which it stops; None
                where those that are not named are it.
        """
        if self.patience is None:
            return trainee
        named = len(trainee.losses)
        judge = judge or (lambda losses: losses[named:])

        def train(epoch: int) -> EpochResult:
            if epoch == 0:
                self.see(judge(trainee.valid()))
            return trainee.train(epoch)

        def valid() -> Array:
            losses, self.last = trainee.valid(), {}
            if not self.done:
                self.see(judge(losses))
            for key, found in self.last.items():
                if key in trainee.losses:
                    found["own"] = float(losses[trainee.losses.index(key)])
            if self.last:  # those that stopped have other weights now
                losses = trainee.valid()
            return losses[:named]

        def notes() -> dict[str, Any]:
            found = trainee.notes() | {"learning": len(self.candidates) - len(self.stopped)}
            return found | ({"stopped": self.last} if self.last else {})

        return replace(
            trainee,
            state={**trainee.state, **self.variables},
            train=train,
            valid=valid,
            notes=notes,
            counts=lambda history: trainee.counts(history) and self.done,
            enough=lambda history: trainee.enough(history) and self.done,
        )

    def see(self, losses: Array) -> None:
        """Take the losses on valid after an epoch, or before the first, and let candidates stop.

        Args:
            losses: By which each candidate is judged, `(candidates,) float32`.
        """
        epoch, stopped, best = (v.numpy() for v in (self._epoch, self._stopped, self._best))
        better = ~stopped & (losses < self._lowest.numpy())
        best = np.where(better, epoch, best)
        ends = ~stopped & ((epoch - best >= self.patience) | (epoch == self._epochs))
        for number in np.flatnonzero(better):
            _copy(self._weights[number], self._kept[number])
        for number in np.flatnonzero(ends):
            _copy(self._kept[number], self._weights[number])
        self._lowest.assign(np.where(better, losses, self._lowest.numpy()))
        self._best.assign(best)
        self._stopped.assign(stopped | ends)
        self._epoch.assign(epoch + 1)
        self.last = {
            "/".join(self.candidates[number]): {"keeps": int(best[number])}
            for number in np.flatnonzero(ends)
        }


def _copy(sources: Sequence[Any], targets: Sequence[Any]) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.assign(source.value)
