"""Gradients of several losses under a weighting, for any step that trains with more than one."""

from collections.abc import Sequence
from typing import Any

from msml.training.environment import tensorflow
from msml.weighting.rule import Tensor, Weighting


def weighted_gradients(
    tape: Any,
    losses: Sequence[Tensor],
    sources: Sequence[Any],
    weighting: Weighting,
    scale: Tensor | float = 1.0,
) -> list[Tensor]:
    """Gradients that an optimizer is to apply; the weighting's state moves on.

    A weighting on gradients acts on the shared weights, those that get a gradient from two losses
    or more; all others take the plain gradient of their own loss.

    Args:
        tape: Has recorded the losses, watching the weights; to be persistent where
            `weighting.on_gradients`.
        losses: One scalar for each task.
        sources: The weights as the tape watched them.
        weighting: The rule.
        scale: Factor on the gradients against underflow in float16.

    Returns:
        A gradient for each of the weights, 0 where it has none.
    """
    tf = tensorflow()
    measured, gram = tf.stack(losses), None
    if weighting.on_gradients:
        own = task_gradients(tape, losses, sources, scale)
        gram = shared_gram(own) / scale**2
        found = _combine(own, tf.unstack(weighting.coefficients(measured, gram)), sources)
    else:
        factors = [scale * c for c in tf.unstack(weighting.coefficients(measured, None))]
        constant = weighting.constant or [1.0] * len(losses)
        used = [i for i, weight in enumerate(constant) if weight > 0]
        found = tape.gradient(
            [losses[i] for i in used],
            list(sources),
            output_gradients=[factors[i] for i in used],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
    if weighting.update is not None:
        weighting.update(measured, gram)
    return found


def task_gradients(
    tape: Any, losses: Sequence[Tensor], sources: Sequence[Any], scale: Tensor | float = 1.0
) -> list[list[Tensor | None]]:
    """Gradients by loss and weight, times `scale`; None where a loss does not see a weight."""
    tf = tensorflow()
    seed = tf.convert_to_tensor(scale, tf.float32)
    found = [tape.gradient(loss, list(sources), output_gradients=seed) for loss in losses]
    # An embedding's gradient comes as slices.
    return [[g if g is None else tf.convert_to_tensor(g) for g in row] for row in found]


def shared_gram(gradients: Sequence[Sequence[Tensor | None]]) -> Tensor:
    """Inner products of the losses' gradients on the shared weights, `(losses, losses)`."""
    tf = tensorflow()
    rows: list[list[Tensor]] = [[] for _ in gradients]
    for column in zip(*gradients, strict=True):
        seen = [gradient for gradient in column if gradient is not None]
        if len(seen) > 1:
            for row, gradient in zip(rows, column, strict=True):
                values = tf.zeros_like(seen[0]) if gradient is None else gradient
                row.append(tf.reshape(values, [-1]))
    if not any(rows):
        return tf.zeros([len(rows), len(rows)])
    flat = tf.stack([tf.concat(row, 0) for row in rows])
    # A matrix product would round more coarsely on some devices.
    return tf.reduce_sum(flat[:, None] * flat[None, :], axis=-1)


def _combine(
    gradients: Sequence[Sequence[Tensor | None]],
    coefficients: Sequence[Tensor],
    sources: Sequence[Tensor],
) -> list[Tensor]:
    """Weigh the gradients of the shared weights; leave the others."""
    tf = tensorflow()
    found = []
    for source, column in zip(sources, zip(*gradients, strict=True), strict=True):
        seen = [(c, g) for c, g in zip(coefficients, column, strict=True) if g is not None]
        if len(seen) > 1:
            found.append(tf.add_n([c * g for c, g in seen]))
        else:
            found.append(seen[0][1] if seen else tf.zeros_like(source))
    return found
