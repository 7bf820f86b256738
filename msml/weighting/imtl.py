"""Impartial multi-task learning: the same progress for every task."""

from typing import Literal

from msml.domains import Positive
from msml.registry import weightings
from msml.training.environment import tensorflow
from msml.weighting.algebra import conditioned, solve
from msml.weighting.rule import Learned, Tasks, Tensor, Weighting


@weightings.register("imtl")
def imtl(
    tasks: Tasks, *, form: Literal["G", "L"] = "G", learning_rate: Positive = 1e-3
) -> Weighting:
    """Equal projections on all tasks' gradients (G), or losses of learned equal scale (L).

    L descends sum_t exp(s_t) L_t - s_t in the weights and in s, from s = 0.

    Args:
        tasks: The tasks.
        form: G acts on gradients, L on losses.
        learning_rate: Of s, in form L.

    Source: Liu et al., Towards Impartial Multi-task Learning, ICLR 2021.
    """
    if form == "G":
        return Weighting(lambda losses, gram: equal_projections(gram), on_gradients=True)
    tf = tensorflow()
    s = Learned(0.0, tasks.count, learning_rate)

    def coefficients(losses: Tensor, gram: Tensor | None) -> Tensor:
        return tf.exp(s.value.value)

    def update(losses: Tensor, gram: Tensor | None) -> None:
        s.descend(coefficients(losses, gram) * losses - 1.0)

    return Weighting(coefficients, state=s.state, update=update)


def equal_projections(gram: Tensor) -> Tensor:
    """Coefficients whose sum of gradients has the same projection on each gradient's direction.

    c = K^-1 1 / norms, with K the gradients' cosines; for two tasks the other's norm over the sum
    of both. The sum of |c| is 1. That is the source's sum of c where none is negative; with three
    tasks some may be, and dividing by a sum near 0 or below would blow up or ascend.
    """
    tf = tensorflow()
    matrix = conditioned(gram)
    sizes = tf.sqrt(tf.linalg.diag_part(matrix))
    cosines = matrix / (sizes[:, None] * sizes[None, :])
    found = solve(cosines, tf.ones_like(sizes)[:, None])[:, 0] / sizes
    return tf.cast(found / tf.reduce_sum(tf.abs(found)), tf.float32)
