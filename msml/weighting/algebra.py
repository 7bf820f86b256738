"""Exact minimisation over the simplex, and the linear algebra it needs, for a few tasks."""

import numpy as np

from msml.training.environment import tensorflow
from msml.weighting.rule import Tensor

# Above the rounding errors of a Gram matrix in float32, so that what comes out can be inverted.
_RIDGE = 1e-6
_TINY = 1e-30


def conditioned(gram: Tensor) -> Tensor:
    """A Gram matrix in float64, of mean square norm 1 and safely positive definite.

    Each square norm grows by a millionth of itself, whatever the others are.
    """
    tf = tensorflow()
    matrix = tf.cast(gram, tf.float64)
    squares = tf.linalg.diag_part(matrix)
    scale = tf.maximum(tf.reduce_mean(squares), _TINY)
    return (matrix + tf.linalg.diag(_RIDGE * squares)) / scale + _TINY * tf.eye(
        matrix.shape[0], dtype=tf.float64
    )


def solve(matrices: Tensor, sides: Tensor) -> Tensor:
    """Solve positive definite systems, `(..., n, n)` and `(..., n, m)`, by elimination.

    `tf.linalg.solve` would raise on what is not finite, as after a float16 overflow; here that
    comes through.
    """
    tf = tensorflow()
    table = tf.concat([matrices, sides], axis=-1)
    size = matrices.shape[-1]
    for row in range(size):
        pivot = table[..., row : row + 1, :] / table[..., row : row + 1, row : row + 1]
        here = tf.one_hot(row, size, dtype=table.dtype)[:, None]
        table = here * pivot + (1 - here) * (table - table[..., row : row + 1] * pivot)
    return table[..., size:]


def on_simplex(matrix: Tensor, slope: Tensor, radius: Tensor) -> Tensor:
    """The weights w >= 0 of sum 1 that minimise slope.w + radius sqrt(w.matrix.w), exactly.

    The minimum lies inside one of the simplex' faces. There the derivative along the face is 0:
    w is proportional to M^-1 (m 1 - slope), M being the matrix on that face, with the m that
    makes (m 1 - slope).M^-1.(m 1 - slope) = radius^2. So all 2^n - 1 faces are solved at once,
    and the lowest of those with w >= 0 is taken.

    Args:
        matrix: `(n, n) float64`, positive definite.
        slope: `(n,) float64`.
        radius: Scalar, 0 or more.

    Returns:
        `(n,) float64`.
    """
    tf = tensorflow()
    count = matrix.shape[0]
    members = (np.arange(1, 2**count)[:, None] >> np.arange(count)) & 1
    faces = tf.constant(members, tf.float64)
    # Outside its face a system is the identity, with zeros on the other side.
    systems = matrix * faces[:, :, None] * faces[:, None, :] + tf.linalg.diag(1 - faces)
    ones, slopes = tf.unstack(solve(systems, tf.stack([faces, faces * slope], -1)), axis=-1)
    a, b = tf.reduce_sum(ones, -1), tf.reduce_sum(slopes, -1)
    root = b**2 - a * (tf.reduce_sum(slopes * slope, -1) - radius**2)
    level = (b + tf.sqrt(tf.maximum(root, 0))) / a
    raw = level[:, None] * ones - slopes
    corner = tf.constant(members.sum(-1) == 1)
    weights = tf.where(corner[:, None], faces, raw / tf.reduce_sum(raw, -1, keepdims=True))
    inside = corner | ((root > 0) & tf.reduce_all(weights >= 0, -1))
    norms = tf.sqrt(tf.reduce_sum(tf.linalg.matvec(matrix, weights) * weights, -1))
    values = tf.linalg.matvec(weights, slope) + radius * norms
    return tf.gather(weights, tf.argmin(tf.where(inside, values, np.inf)))
