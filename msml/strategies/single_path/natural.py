"""A distribution over combinations that learns which are good, by natural gradients.

It is a product of one categorical distribution for each task.

Source: Akimoto et al. 2019, arXiv:1905.08537, algorithm 2 and section 4; the symmetric root of the
Fisher matrix is ours, so that no candidate plays a part of its own.
"""

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from typing import Any

import numpy as np

from msml.training.environment import tensorflow
from msml.training.epoch import Tensor

_ALPHA = 1.5  # larger: shorter steps
_TINY = 1e-30


class Distribution:
    """Probabilities of the candidates of each task, and how long their steps are.

    Args:
        counts: Number of candidates of each task.
        step: δ, length of the first step in the metric of the Fisher matrix.
        margin: Probability of a task that is shared evenly: no candidate falls below
            margin/candidates. The source's own bound is too high for few tasks.
    """

    def __init__(self, counts: Mapping[str, int], step: float, margin: float) -> None:
        import keras

        def variable(name: str, value: Any) -> Any:
            return keras.Variable(np.asarray(value, np.float32), name=name, trainable=False)

        self.shares = {t: variable(f"share_{t}", np.full(n, 1 / n)) for t, n in counts.items()}
        self._path = {t: variable(f"path_{t}", np.zeros(n)) for t, n in counts.items()}
        self._weight = variable("weight", 0.0)
        self._shortening = variable("shortening", 1.0)
        self._floors = [margin / count for count in counts.values()]
        self._step = step
        self._freedom = max(1, sum(counts.values()) - len(counts))

    @property
    def state(self) -> dict[str, Any]:
        """The variables besides `shares`: accumulated direction s, γ and Δ."""
        paths = {f"path/{task}": path for task, path in self._path.items()}
        return {**paths, "weight": self._weight, "shortening": self._shortening}

    def sample(self, uniform: Tensor) -> Tensor:
        """Combinations from numbers of U(0, 1), `(n, tasks)` each; by number, int32."""
        tf = tensorflow()
        columns = [
            tf.reduce_sum(tf.cast(uniform[:, i, None] >= tf.cumsum(share)[:-1], tf.int32), axis=1)
            for i, share in enumerate(_values(self.shares))
        ]
        return tf.stack(columns, axis=1)

    def mode(self) -> list[Tensor]:
        """Number of the most probable candidate of each task."""
        tf = tensorflow()
        return [tf.argmax(share, output_type=tf.int32) for share in _values(self.shares)]

    def update(self, numbers: Tensor, losses: Tensor) -> None:
        """Move towards the better ones of sampled combinations.

        Args:
            numbers: The combinations, `(n, tasks)`.
            losses: Their losses, `(n,)`.
        """
        tf = tensorflow()
        gains, shares = utilities(losses), _values(self.shares)
        drawn = [tf.one_hot(numbers[:, i], share.shape[0]) for i, share in enumerate(shares)]
        gradients = [
            tf.reduce_mean(gains[:, None] * (each - share), axis=0)
            for each, share in zip(drawn, shares, strict=True)
        ]
        scaled = [g / tf.sqrt(share) for g, share in zip(gradients, shares, strict=True)]
        norm = tf.sqrt(_squares(scaled))
        length = self._step / tf.convert_to_tensor(self._shortening.value)
        fading = tf.minimum(length / sqrt(self._freedom), 1.0)
        grown = tf.sqrt(fading * (2 - fading)) / tf.maximum(norm, _TINY)
        paths = [
            (1 - fading) * path + grown * s
            for path, s in zip(_values(self._path), scaled, strict=True)
        ]
        weight = (1 - fading) ** 2 * self._weight.value + fading * (2 - fading)
        factor = tf.exp(fading * (weight - _squares(paths) / _ALPHA))
        moved = [
            within(share + length * g / tf.maximum(norm, _TINY), floor)
            for share, g, floor in zip(shares, gradients, self._floors, strict=True)
        ]
        new = [*moved, *paths, weight, self._shortening.value * factor]
        old = [*self.shares.values(), *self._path.values(), self._weight, self._shortening]
        for variable, value in zip(old, new, strict=True):
            # Where all are equally good there is nothing to learn.
            variable.assign(tf.where(norm > 0, value, variable.value))


def utilities(losses: Tensor) -> Tensor:
    """Rank losses: 1 for the best quarter, -1 for the worst, 0 between; ties share theirs.

    Args:
        losses: `(n,)`; what is not finite is the worst.

    Source: Akimoto et al. 2019, section 4; both quarters are rounded up.
    """
    tf = tensorflow()
    count = int(losses.shape[0])
    quarter = ceil(count / 4)
    ranked = [1.0] * quarter + [0.0] * (count - 2 * quarter) + [-1.0] * quarter
    until = tf.constant(np.concatenate([[0.0], np.cumsum(ranked)]), tf.float32)
    known = tf.where(tf.math.is_finite(losses), losses, np.inf)
    better = tf.reduce_sum(tf.cast(known[None, :] < known[:, None], tf.int32), axis=1)
    equal = tf.reduce_sum(tf.cast(known[None, :] == known[:, None], tf.int32), axis=1)
    sums = tf.gather(until, better + equal) - tf.gather(until, better)
    return sums / tf.cast(equal, tf.float32)


def within(share: Tensor, floor: float) -> Tensor:
    """Raise probabilities below a floor to it; those above it give what that takes."""
    tf = tensorflow()
    raised = tf.maximum(share, floor)
    above = raised - floor
    free = 1 - floor * int(share.shape[0])
    return floor + above * free / tf.maximum(tf.reduce_sum(above), _TINY)


def _values(variables: Mapping[str, Any]) -> list[Tensor]:
    tf = tensorflow()
    return [tf.convert_to_tensor(variable.value) for variable in variables.values()]


def _squares(parts: Sequence[Tensor]) -> Tensor:
    tf = tensorflow()
    return tf.add_n([tf.reduce_sum(part**2) for part in parts])
