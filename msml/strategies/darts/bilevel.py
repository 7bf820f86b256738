"""Gradients of bilevel optimisation: α on valid after a virtual step of the weights on train.

With w' = w - ζ ∇_w L_train(w, α) the gradient of L_valid(w', α) by α is

    ∇_α L_valid(w', α) - ζ ∇²_{α,w} L_train(w, α) · ∇_{w'} L_valid(w', α).

Nothing here changes a variable. Source: paper, algorithm 1; Liu et al., 1806.09055, equation 7.
"""

from collections.abc import Callable, Sequence
from typing import Any

from msml.training.environment import tensorflow

Tensor = Any
Tensors = Sequence[Tensor]
# L(w, α), a scalar.
Loss = Callable[[Tensors, Tensors], Tensor]

_RADIUS = 0.01


def alpha_gradient(loss: Loss, weights: Tensors, alphas: Tensors, scale: float = 1.0) -> list[Any]:
    """∇_α L(w, α).

    Args:
        loss: The loss times `scale`.
        weights: w.
        alphas: α.
        scale: What the loss is multiplied by, so that gradients fit into float16.
    """
    tf = tensorflow()
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(alphas)
        value = loss(weights, alphas)
    return _over(scale, _pull(tape, value, alphas))


def unrolled_gradient(
    train: Loss, valid: Loss, weights: Tensors, alphas: Tensors, rate: float, scale: float = 1.0
) -> list[Tensor]:
    """∇_α L_valid(w - ζ ∇_w L_train(w, α), α), the mixed derivative by differentiating twice.

    What does not depend on α is not differentiated again: the second differentiation costs about
    a forward pass. `rate` is ζ; the losses are times `scale`.
    """
    tf = tensorflow()
    with tf.GradientTape(watch_accessed_variables=False) as by_alphas:
        by_alphas.watch(alphas)
        descent = _weight_gradient(train, weights, alphas)
    direct, direction = _after_step(valid, weights, _over(scale, descent), alphas, rate, scale)
    mixed = _over(scale, _pull(by_alphas, descent, alphas, direction))
    return [a - rate * m for a, m in zip(direct, mixed, strict=True)]


def difference_gradient(
    train: Loss, valid: Loss, weights: Tensors, alphas: Tensors, rate: float, scale: float = 1.0
) -> list[Tensor]:
    """The same, with the mixed derivative as a central difference.

    It is that of ∇_α L_train at w ± 0.01 g/|g|, where g is the gradient on valid.
    """
    tf = tensorflow()
    descent = _over(scale, _weight_gradient(train, weights, alphas))
    direct, direction = _after_step(valid, weights, descent, alphas, rate, scale)
    norm = tf.linalg.global_norm(direction)
    radius = tf.math.divide_no_nan(tf.cast(_RADIUS, norm.dtype), norm)
    sides = [
        alpha_gradient(train, _moved(weights, direction, sign * radius), alphas, scale)
        for sign in (1, -1)
    ]
    mixed = [tf.math.divide_no_nan(p - m, 2 * radius) for p, m in zip(*sides, strict=True)]
    return [a - rate * m for a, m in zip(direct, mixed, strict=True)]


def _weight_gradient(loss: Loss, weights: Tensors, alphas: Tensors) -> list[Tensor]:
    tf = tensorflow()
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(weights)
        value = loss(weights, alphas)
    return _pull(tape, value, weights)


def _after_step(
    valid: Loss, weights: Tensors, descent: Tensors, alphas: Tensors, rate: float, scale: float
) -> tuple[list[Tensor], list[Tensor]]:
    """Gradients of the valid loss by α and by the weights, after a step of the weights."""
    tf = tensorflow()
    moved = _moved(weights, descent, -rate)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([*moved, *alphas])
        value = valid(moved, alphas)
    both = _over(scale, _pull(tape, value, [*alphas, *moved]))
    return both[: len(alphas)], both[len(alphas) :]


def _moved(weights: Tensors, along: Tensors, length: Tensor) -> list[Tensor]:
    return [weight + length * step for weight, step in zip(weights, along, strict=True)]


def _over(scale: float, tensors: list[Tensor]) -> list[Tensor]:
    return [tensor / scale for tensor in tensors]


def _pull(tape: Any, target: Any, sources: Tensors, along: Tensors | None = None) -> list[Tensor]:
    """Pull cotangents back through a tape; zero where nothing connects."""
    tf = tensorflow()
    found = tape.gradient(
        target,
        list(sources),
        output_gradients=along,
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    # An embedding's gradient comes as slices.
    return [tf.convert_to_tensor(gradient) for gradient in found]
