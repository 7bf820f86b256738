"""Gradients of bilevel optimisation: α on valid after a virtual step of the weights on train.

With w' = w - ζ ∇_w L_train(w, α) the gradient of L_valid(w', α) by α is

    ∇_α L_valid(w', α) - ζ ∇²_{α,w} L_train(w, α) · ∇_{w'} L_valid(w', α).

Nothing here changes a variable. Source: paper, algorithm 1; Liu et al., 1806.09055, equation 7.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from msml.training.environment import tensorflow

Tensor = Any
Tensors = Sequence[Tensor]

_RADIUS = 0.01


class Problem(Protocol):
    """A loss of weights and α in two parts; several gradients share the first."""

    def roots(self, weights: Tensors, batch: Any) -> list[Tensor]:
        """What does not depend on α."""

    def losses(self, weights: Tensors, alphas: Tensors, roots: Tensors, batch: Any) -> list[Tensor]:
        """Scalars; the last is the loss L, the others only go along."""


def alpha_gradient(
    problem: Problem, weights: Tensors, alphas: Tensors, batch: Any, scale: Tensor | None = None
) -> list[Tensor]:
    """∇_α L(w, α); `scale` as in `TrainPass`."""
    tf = tensorflow()
    roots = problem.roots(weights, batch)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(alphas)
        loss = problem.losses(weights, alphas, roots, batch)[-1]
    return _over(scale, _pull(tape, [loss], alphas))


class TrainPass:
    """One forward pass over a train batch up to where α enters, for all gradients there.

    Args:
        problem: The loss.
        weights: Where it is taken, w.
        batch: The train batch.
        scale: What the problem's loss was multiplied by, so that gradients fit into float16.
    """

    def __init__(
        self, problem: Problem, weights: Tensors, batch: Any, scale: Tensor | None = None
    ) -> None:
        tf = tensorflow()
        self._problem, self._weights, self.batch = problem, list(weights), batch
        self.scale = scale
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as self._tape:
            self._tape.watch(self._weights)
            self._roots = problem.roots(self._weights, batch)

    def gradient(self, alphas: Tensors) -> tuple[list[Tensor], list[Tensor]]:
        """∇_w L_train(w, α), still scaled, and the losses there."""
        by_roots, by_weights, losses = self._behind_roots(alphas)
        return _add(by_weights, self._through_roots(by_roots), self._weights), losses

    def first_order(self, alphas: Tensors, valid: Any) -> list[Tensor]:
        """∇_α L_valid(w, α): the gradient that α descends in first order."""
        return alpha_gradient(self._problem, self._weights, alphas, valid, self.scale)

    def unrolled(self, alphas: Tensors, valid: Any, rate: float, *, exact: bool) -> list[Tensor]:
        """The gradient that α descends in second order.

        Args:
            alphas: α.
            valid: The valid batch.
            rate: ζ.
            exact: Differentiate twice; otherwise the mixed derivative is the central difference
                of ∇_α L_train at w ± 0.01 g/|g|, with g the gradient on valid.
        """
        tf = tensorflow()
        with tf.GradientTape(watch_accessed_variables=False) as by_alphas:
            by_alphas.watch(alphas)
            by_roots, by_weights, _ = self._behind_roots(alphas)
        # J^T u is linear in u: its derivative by u along g is J g, which costs a forward pass.
        with tf.GradientTape(watch_accessed_variables=False) as by_cotangents:
            by_cotangents.watch(by_roots)
            through_roots = self._through_roots(by_roots)
        gradient = _over(self.scale, _add(by_weights, through_roots, self._weights))
        moved = [w - rate * g for w, g in zip(self._weights, gradient, strict=True)]
        direct, direction = _both_gradients(self._problem, moved, alphas, valid, self.scale)
        if exact:
            tangents = _pull(by_cotangents, through_roots, by_roots, direction)
            targets, along = [*by_weights, *by_roots], [*direction, *tangents]
            mixed = _over(self.scale, _pull(by_alphas, targets, alphas, along))
        else:
            mixed = self._difference(alphas, direction)
        return [a - rate * m for a, m in zip(direct, mixed, strict=True)]

    def _behind_roots(
        self, alphas: Tensors
    ) -> tuple[list[Tensor], list[Tensor | None], list[Tensor]]:
        """Gradients by the roots and by the weights that act after them, and the losses."""
        tf = tensorflow()
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*self._weights, *self._roots])
            losses = self._problem.losses(self._weights, alphas, self._roots, self.batch)
        by_roots, by_weights = tape.gradient(losses[-1], [self._roots, self._weights])
        filled = [
            tf.zeros_like(root) if gradient is None else gradient
            for root, gradient in zip(self._roots, by_roots, strict=True)
        ]
        return filled, by_weights, losses

    def _through_roots(self, by_roots: Tensors) -> list[Tensor | None]:
        return self._tape.gradient(self._roots, self._weights, output_gradients=by_roots)

    def _difference(self, alphas: Tensors, direction: Tensors) -> list[Tensor]:
        tf = tensorflow()
        norm = tf.linalg.global_norm(direction)
        radius = tf.math.divide_no_nan(tf.cast(_RADIUS, norm.dtype), norm)
        sides = []
        for sign in (1, -1):
            pairs = zip(self._weights, direction, strict=True)
            weights = [weight + sign * radius * along for weight, along in pairs]
            sides.append(alpha_gradient(self._problem, weights, alphas, self.batch, self.scale))
        return [tf.math.divide_no_nan(p - m, 2 * radius) for p, m in zip(*sides, strict=True)]


def _both_gradients(
    problem: Problem, weights: Tensors, alphas: Tensors, batch: Any, scale: Tensor | None
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the gradients of the loss by α and by the weights."""
    tf = tensorflow()
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([*weights, *alphas])
        loss = problem.losses(weights, alphas, problem.roots(weights, batch), batch)[-1]
    both = _pull(tape, [loss], [*alphas, *weights])
    return _over(scale, both[: len(alphas)]), _over(scale, both[len(alphas) :])


def _over(scale: Tensor | None, tensors: list[Tensor]) -> list[Tensor]:
    return tensors if scale is None else [tensor / scale for tensor in tensors]


def _pull(
    tape: Any, targets: Sequence[Tensor | None], sources: Tensors, along: Tensors | None = None
) -> list[Tensor]:
    """Pull cotangents back through a tape; zero where nothing connects."""
    tf = tensorflow()
    there = [number for number, target in enumerate(targets) if target is not None]
    return tape.gradient(
        [targets[number] for number in there],
        list(sources),
        output_gradients=None if along is None else [along[number] for number in there],
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )


def _add(
    first: Sequence[Tensor | None], second: Sequence[Tensor | None], like: Tensors
) -> list[Tensor]:
    """Add gradients of which each may be missing."""
    tf = tensorflow()
    return [
        tf.add_n([g for g in pair if g is not None] or [tf.zeros_like(value)])
        for *pair, value in zip(first, second, like, strict=True)
    ]
