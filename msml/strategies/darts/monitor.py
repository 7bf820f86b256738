"""What tells how a DARTS search goes: entropy of the shares, curvature in α, a stable ranking."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from msml.strategies.darts.step import Objective, values
from msml.strategies.supernet import Given
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, Tensor
from msml.training.measure import measurement

Alphas = Mapping[str, Mapping[str, float]]


def entropies(shares: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """-Σ s log s of each task's shares: 0 where one is 1, most where all are alike."""
    return {
        task: float(-sum(s * np.log(s) for s in found.values() if s > 0))
        for task, found in shares.items()
    }


def ranking_stays(alphas: Sequence[Alphas], epochs: int) -> bool:
    """Whether the order of the candidates by α is the same after each of the last epochs."""
    orders = [
        {task: sorted(found, key=lambda name: (-found[name], name)) for task, found in each.items()}
        for each in alphas[-epochs:]
    ]
    return len(orders) == epochs and all(order == orders[0] for order in orders)


def hessian_measurement(
    objective: Objective, alphas: Sequence[Any], columns: Mapping[str, Tensor], xla: bool
) -> Callable[[], float]:
    """Compile the largest eigenvalue of the Hessian of the loss by α, over the events given.

    Source: Zela et al., 1909.09656, where a growing one comes before a bad choice.
    """
    tf = tensorflow()
    sizes = [int(alpha.shape[0]) for alpha in alphas]
    count = sum(sizes)

    def step(batch: Batch) -> Tensor:
        weights, given = values(objective.supernet.variables), Given(batch, training=False)
        whole = objective.loss(given, 1.0)
        point = tf.concat(values(alphas), axis=0)
        with tf.GradientTape(watch_accessed_variables=False) as outer:
            outer.watch(point)
            with tf.GradientTape(watch_accessed_variables=False) as inner:
                inner.watch(point)
                loss = whole(weights, tf.split(point, sizes))
            gradient = inner.gradient(loss, point)
        hessian = outer.jacobian(gradient, point, experimental_use_pfor=False)
        return tf.concat([tf.reshape(hessian, [-1]), [loss]], axis=0)

    measure = measurement(step, columns, objective.supernet.candidates, count**2 + 1, xla)

    def largest() -> float:
        return float(np.linalg.eigvalsh(measure()[:-1].reshape(count, count))[-1])

    return largest
