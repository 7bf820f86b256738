"""Gradients on the shared weights that no task, or none much, is hurt by."""

from msml.domains import Fraction
from msml.registry import weightings
from msml.training.environment import tensorflow
from msml.weighting.algebra import conditioned, on_simplex
from msml.weighting.rule import Draws, Tasks, Tensor, Weighting

_TINY = 1e-30


@weightings.register("mgda")
def mgda(tasks: Tasks) -> Weighting:
    """The shortest convex combination of the tasks' gradients.

    Source: Sener and Koltun, NeurIPS 2018; solved exactly instead of by their iteration.
    """
    return Weighting(lambda losses, gram: shortest(gram), on_gradients=True)


@weightings.register("cagrad")
def cagrad(tasks: Tasks, *, c: Fraction = 0.4) -> Weighting:
    """The direction near the mean gradient that helps the least helped task most.

    d maximises min_t g_t.d with |d - g_0| <= c |g_0|, g_0 the mean gradient, and is divided by
    1 + c^2.

    Args:
        tasks: The tasks.
        c: How far from the mean gradient; 0 is the mean itself.

    Source: Liu et al., NeurIPS 2021; solved exactly instead of by their iteration.
    """
    return Weighting(lambda losses, gram: conflict_averse(gram, c), on_gradients=True)


@weightings.register("pcgrad")
def pcgrad(tasks: Tasks) -> Weighting:
    """The sum of the tasks' gradients, each freed of what goes against the others.

    Each gradient is projected on the normal plane of every other one that it conflicts with, in
    random order.

    Source: Yu et al., NeurIPS 2020.
    """
    draws = Draws(tasks.seed)

    def coefficients(losses: Tensor, gram: Tensor | None) -> Tensor:
        tf = tensorflow()
        numbers = tf.random.stateless_uniform([tasks.count, tasks.count], draws.key(), alg="philox")
        return without_conflicts(gram, tf.argsort(numbers))

    return Weighting(coefficients, on_gradients=True, state=draws.state, update=draws.advance)


def shortest(gram: Tensor) -> Tensor:
    """Weights of the shortest vector in the convex hull of the gradients."""
    tf = tensorflow()
    matrix = conditioned(gram)
    zeros = tf.zeros(matrix.shape[0], tf.float64)
    return tf.cast(on_simplex(matrix, zeros, tf.constant(1.0, tf.float64)), tf.float32)


def conflict_averse(gram: Tensor, c: float) -> Tensor:
    """Coefficients of (g_0 + c |g_0| g_w / |g_w|) / (1 + c^2).

    w, on the simplex, minimises g_w.g_0 + c |g_0| |g_w|, with g_w = sum_t w_t g_t.
    """
    tf = tensorflow()
    matrix = conditioned(gram)
    count = matrix.shape[0]
    to_mean = tf.reduce_mean(matrix, axis=1)
    radius = c * tf.sqrt(tf.reduce_mean(to_mean))
    weights = on_simplex(matrix, to_mean, radius)
    norm = tf.sqrt(tf.reduce_sum(weights * tf.linalg.matvec(matrix, weights)))
    return tf.cast((1 / count + radius / norm * weights) / (1 + c**2), tf.float32)


def without_conflicts(gram: Tensor, order: Tensor) -> Tensor:
    """Coefficients of the sum of the projected gradients.

    Args:
        gram: `(tasks, tasks)`.
        order: `(tasks, tasks) int32`; row t holds all tasks as g_t meets them, itself included,
            which is passed over.
    """
    tf = tensorflow()
    count = gram.shape[0]
    parts = tf.eye(count)
    squares = tf.maximum(tf.linalg.diag_part(gram), _TINY)
    for turn in range(count):
        other = tf.one_hot(order[:, turn], count)
        along = tf.reduce_sum(tf.matmul(parts, gram) * other, -1)
        against = (along < 0) & (order[:, turn] != tf.range(count))
        square = tf.reduce_sum(squares * other, -1)
        parts -= other * tf.where(against, along / square, 0.0)[:, None]
    return tf.reduce_sum(parts, axis=0)
