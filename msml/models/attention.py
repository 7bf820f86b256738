"""Attention between the objects of an event as in GATv2, without a tensor of all pairs."""

from typing import Any

import keras
import numpy as np
from keras import ops

from msml.models.layers import Shape, registered

Tensor = Any
SLOPE = 0.2
"""Of the leaky ReLU for negative numbers."""

_HIDDEN = -1e9  # score of what is padding


@registered
class GraphAttention(keras.layers.Layer):
    """Let each object take a mean of all, weighted by attention; of each head by its own.

    Called with u = W h, `(events, objects, units)`, which objects are `real`, `(events, objects)`,
    or None for all, and numbers to be added to the scores, `(events, objects, objects, heads)`, or
    None. Object i attends to object j by the softmax over j of a · LeakyReLU(u_i + u_j), where `a`
    and u are a head's part. Returns the means, `(events, objects, units)`, and the attention,
    `(events, heads, source, destination) float32`: for each destination it sums to 1 over the
    sources. Padding has 0 both ways.

    Source: Brody, Alon and Yahav, 2105.14491, with the same weights for source and destination.
    """

    stackable = True

    def __init__(self, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = heads

    def build(self, inputs_shape: Shape, *_: Any) -> None:
        """Make the vector `a` of each head."""
        units = inputs_shape[-1] or 0
        size = units // self.heads
        # Xavier's normal with gain √2, each head's vector being a row of one matrix.
        spread = keras.initializers.RandomNormal(stddev=2 / (units + size) ** 0.5)
        self.score = self.add_weight(shape=(self.heads, size), initializer=spread, name="score")

    def call(self, inputs: Tensor, real: Tensor = None, added: Tensor = None) -> Any:
        """Attend."""
        _, objects, units = inputs.shape
        scores = pair_scores(ops.transpose(inputs, (1, 0, 2)), _columns(self.score))
        scores = ops.cast(ops.transpose(scores, (2, 3, 0, 1)), "float32")
        if added is not None:
            scores += ops.cast(ops.transpose(added, (0, 3, 1, 2)), "float32")
        if real is not None:
            sources = ops.expand_dims(ops.expand_dims(real, 1), 1)
            scores = ops.where(sources, scores, _HIDDEN)
        shares = ops.softmax(scores, axis=-1)
        if real is not None:
            both = ops.logical_and(sources, ops.expand_dims(ops.expand_dims(real, 1), -1))
            shares = ops.where(both, shares, 0.0)
        parts = ops.reshape(inputs, (-1, objects, self.heads, units // self.heads))
        parts = ops.transpose(parts, (0, 2, 1, 3))
        found = ops.transpose(ops.matmul(ops.cast(shares, parts.dtype), parts), (0, 2, 1, 3))
        return ops.reshape(found, (-1, objects, units)), ops.transpose(shares, (0, 1, 3, 2))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for saving."""
        return {**super().get_config(), "heads": self.heads}


def pair_scores(inputs: Tensor, matrix: Tensor) -> Tensor:
    """Score each pair of objects: a · LeakyReLU(u_i + u_j), less what is the same for all j.

    LeakyReLU(x) is 0.2 x + 0.8 relu(x). The linear part belongs to one object; the other one is
    symmetric, and computed once for two objects: for one object and those after it at a time, by
    one matrix product for all heads. The derivative computes the sums again, so that none are kept
    for it.

    Args:
        inputs: u, `(objects, events, units)`.
        matrix: `(units, heads)`, of which column a head's `a` is in its own rows.

    Returns:
        `(destination, source, events, heads)`.
    """
    objects, _, units = inputs.shape
    heads = matrix.shape[1]
    half = 1 - 0.5 * np.eye(objects)[..., None, None]  # an object with itself

    def sums(u: Tensor, i: int) -> Tensor:
        return ops.relu(ops.reshape(u[i:] + u[i : i + 1], (-1, units)))

    def linear(u: Tensor, a: Tensor) -> Tensor:
        return ops.reshape(ops.matmul(ops.reshape(u, (-1, units)), a), (objects, -1, heads))

    def scored(u: Tensor, a: Tensor) -> Tensor:
        found = [ops.matmul(sums(u, i), a) for i in range(objects)]
        pairs = ops.concatenate(
            [ops.reshape(x, (objects - i, -1, heads)) for i, x in enumerate(found)]
        )
        both = ops.take(pairs, _places(objects), axis=0)
        return (1 - SLOPE) * both + SLOPE * linear(u, a)

    def derived(u: Tensor, a: Tensor, upstream: Tensor) -> tuple[Tensor, Tensor]:
        back = ops.transpose(a)
        alone = ops.reshape(SLOPE * ops.sum(upstream, axis=0), (-1, heads))
        of_a = [ops.matmul(ops.transpose(alone), ops.reshape(u, (-1, units)))]
        both = upstream + ops.transpose(upstream, (1, 0, 2, 3))
        both = (1 - SLOPE) * ops.cast(half, both.dtype) * both
        first, second, after = [], [], None
        for i in range(objects):
            known, slopes = sums(u, i), ops.reshape(both[i, i:], (-1, heads))
            of_a.append(ops.matmul(ops.transpose(slopes), known))
            slopes = ops.where(known > 0, ops.matmul(slopes, back), 0.0)
            slopes = ops.reshape(slopes, (objects - i, -1, units))
            first.append(ops.sum(slopes, axis=0))
            # Not one sum of many slices: TensorFlow's has no fixed order.
            after = slopes if after is None else after[1:] + slopes
            second.append(after[0])
        of_u = ops.reshape(ops.matmul(alone, back), (objects, -1, units))
        return of_u + ops.stack(first) + ops.stack(second), ops.transpose(sum(of_a[1:], of_a[0]))

    @ops.custom_gradient
    def scores(u: Tensor, a: Tensor) -> Any:
        return scored(u, a), lambda upstream: derived(u, a, upstream)

    return scores(inputs, matrix)


def _columns(vectors: Tensor) -> Tensor:
    """Each head's vector in its own rows of its column: `(heads, n)` to `(heads x n, heads)`."""
    heads = vectors.shape[0]
    wide = ops.expand_dims(vectors, -1) * ops.expand_dims(ops.eye(heads, dtype=vectors.dtype), 1)
    return ops.reshape(wide, (-1, heads))


def _places(objects: int) -> list[list[int]]:
    """Where each pair stands in a list of the pairs of an object and those from it on."""
    starts = [i * objects - i * (i - 1) // 2 for i in range(objects)]
    return [[starts[min(i, j)] + abs(i - j) for j in range(objects)] for i in range(objects)]
