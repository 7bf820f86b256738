"""From architecture weights α to the shares with which candidates are mixed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from msml.training.environment import tensorflow

Tensor = Any
Kind = Literal["softmax", "gumbel", "gumbel_hard", "dirichlet"]


@dataclass(frozen=True)
class Relaxation:
    """Shares of the candidates of a task, positive and of sum 1, that follow from its α.

    `softmax` is the paper's, softmax(α/τ). `gumbel` adds Gumbel noise to α (Maddison et al.,
    1611.00712); `gumbel_hard` gives all to the largest of these shares, so that each candidate
    stands for itself, and α the gradient of `gumbel` (Jang et al., 1611.01144: straight-through).
    `dirichlet` draws from the Dirichlet distribution of concentration 1 + elu(α) (Chen et al.,
    2006.10355). Without draws, each is replaced by its softmax, its largest, or its mean.

    Attributes:
        kind: Which one.
        temperature: τ, a scalar; `dirichlet` has none.
    """

    kind: Kind
    temperature: Tensor

    def draw(self, alphas: Sequence[Tensor], seed: Tensor) -> list[Tensor] | None:
        """Random numbers of one step, for `shares`; the same seed gives the same ones.

        Args:
            alphas: α of each task.
            seed: `(2,) int32`.
        """
        tf = tensorflow()
        if self.kind == "softmax":
            return None
        seeds = [seed + tf.constant([0, task]) for task in range(len(alphas))]
        if self.kind == "dirichlet":
            return seeds
        tiny = alphas[0].dtype.as_numpy_dtype(1e-20)
        uniform = [
            tf.random.stateless_uniform(tf.shape(alpha), each, minval=tiny, dtype=alpha.dtype)
            for alpha, each in zip(alphas, seeds, strict=True)
        ]
        return [-tf.math.log(-tf.math.log(number)) for number in uniform]

    def shares(self, alpha: Tensor, drawn: Tensor | None) -> Tensor:
        """Shares of the candidates, `(candidates,)`.

        Args:
            alpha: `(candidates,)`.
            drawn: What `draw` gave for this task, or None for no noise.
        """
        tf = tensorflow()
        if self.kind == "dirichlet":
            shape = 1 + tf.nn.elu(alpha)
            if drawn is not None:
                shape = tf.random.stateless_gamma(tf.shape(alpha), drawn, shape, dtype=alpha.dtype)
            return shape / tf.reduce_sum(shape)
        noisy = alpha if drawn is None else alpha + drawn
        soft = tf.nn.softmax(noisy / self.temperature)
        if self.kind != "gumbel_hard":
            return soft
        hard = tf.one_hot(tf.argmax(noisy), tf.size(noisy), dtype=soft.dtype)
        return hard + (soft - tf.stop_gradient(soft))


SOFTMAX = Relaxation("softmax", 1.0)
