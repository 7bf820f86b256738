"""Losses: pure functions of target and prediction, one number for each event, always float32.

A loss is the mean over the target's numbers of an event that are not masked; an event without any
has 0. Means over events, event weights and task weights are taken by the caller.

`mask` is of the target's shape, or of its first axes, and false for what is padding: that changes
nothing, bit for bit, whatever it holds.

Facts of a registered loss: `target`, which targets it is for; `classification`, whether it is one;
`output`, a function of the target's shape and the number of classes (and the loss's arguments) that
gives the shape of the prediction, where that is not the target's; `point`, a function of the
prediction (and the loss's arguments) that gives its estimate of the target, where it is more.
"""

from collections.abc import Callable, Sequence
from typing import Any

from msml.domains import NotNegative, Positive, Probability
from msml.errors import RecipeError
from msml.registry import losses

Tensor = Any
Shape = tuple[int, ...]


def classifies(loss: str) -> bool:
    """Whether a loss is one of classes: its task gives logits."""
    return loss in losses.names() and bool(losses.get(loss).facts.get("classification"))


def estimates(loss: str) -> bool:
    """Whether a loss is one of numbers that are estimated: its task gives some for the target."""
    facts = losses.get(loss).facts if loss in losses.names() else {"output": None}
    return not classifies(loss) and ("point" in facts or "output" not in facts)


def float32(x: Tensor) -> Tensor:
    """Cast to float32."""
    from keras import ops

    return ops.cast(x, "float32")


def event_mean(
    target: Tensor,
    prediction: Tensor,
    mask: Tensor | None,
    each: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Take the mean of a loss over the numbers of an event that are not masked.

    Args:
        target: `(events, ...)`.
        prediction: The same shape, or with one more axis.
        mask: Of the first axes of the target, or None.
        each: From target and prediction to a loss for each number, of the target's shape.

    Returns:
        `(events,)`.
    """
    from keras import ops

    if mask is None:
        found = each(target, prediction)
        return ops.mean(ops.reshape(found, (-1, _numbers(found))), axis=-1)
    real = ops.cast(mask, "bool")
    # What is padding is replaced before the loss: a NaN there would spoil the gradient, too.
    found = each(_kept(target, real), _kept(prediction, real))
    weight = ops.cast(ops.broadcast_to(_wider(real, found), ops.shape(found)), found.dtype)
    count = _numbers(found)
    total = ops.sum(ops.reshape(found * weight, (-1, count)), axis=-1)
    return total / ops.maximum(ops.sum(ops.reshape(weight, (-1, count)), axis=-1), 1.0)


def _numbers(values: Tensor) -> int:
    """Count the numbers of an event."""
    count = 1
    for size in values.shape[1:]:
        count *= size
    return count


def _wider(mask: Tensor, like: Tensor) -> Tensor:
    """Give a mask the axes of what it masks."""
    from keras import ops

    return ops.reshape(mask, (-1, *mask.shape[1:], *(1,) * (len(like.shape) - len(mask.shape))))


def _kept(values: Tensor, mask: Tensor) -> Tensor:
    from keras import ops

    return ops.where(_wider(mask, values), values, ops.zeros_like(values))


def _numbers_of(target: Tensor, prediction: Tensor) -> tuple[Tensor, Tensor]:
    """Cast both; a target of one number an event has predictions of shape `(events, 1)`."""
    from keras import ops

    target, prediction = float32(target), float32(prediction)
    return ops.reshape(target, (-1, *prediction.shape[1:])), prediction


def _doubled(target: Shape, classes: int) -> Shape:
    return (*target[:-1], 2 * (target or (1,))[-1])


def _per_quantile(target: Shape, classes: int, *, quantiles: Sequence[float]) -> Shape:
    return (*target, len(quantiles))


def _nearest_median(prediction: Any, *, quantiles: Sequence[float]) -> Any:
    distances = [abs(q - 0.5) for q in quantiles]
    return prediction[..., distances.index(min(distances))]


def _means(prediction: Any) -> Any:
    return prediction[..., : prediction.shape[-1] // 2]


def _logits(target: Shape, classes: int, **_: float) -> Shape:
    return (*target, classes)


def square(target: Tensor, prediction: Tensor) -> Tensor:
    """Square of the difference, of any float type."""
    return (prediction - target) ** 2


def absolute(target: Tensor, prediction: Tensor) -> Tensor:
    """Absolute difference, of any float type."""
    from keras import ops

    return ops.abs(prediction - target)


def binary(label: Tensor, logit: Tensor) -> Tensor:
    """Binary cross-entropy max(y, 0) - y t + log(1 + exp(-|y|)), of any float type.

    It is written so that its gradient is right at y = 0 too.
    """
    from keras import ops

    positive = logit >= 0
    larger = ops.where(positive, logit, ops.zeros_like(logit))
    minus_size = ops.where(positive, -logit, logit)
    return larger - logit * label + ops.log1p(ops.exp(minus_size))


def categorical(classes: Tensor, logits: Tensor) -> Tensor:
    """Minus the logarithm of the true class's softmax, of any float type."""
    from keras import ops

    log_share = logits - ops.logsumexp(logits, axis=-1, keepdims=True)
    chosen = ops.one_hot(ops.cast(classes, "int32"), logits.shape[-1], dtype=logits.dtype)
    return -ops.sum(chosen * log_share, axis=-1)


@losses.register("mse", target="numbers")
def mse(target: Tensor, prediction: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Mean squared error.

    Args:
        target: `(events, ...)`.
        prediction: The same, or `(events, 1)` for one number an event.
        mask: See the module.

    Returns:
        `(events,)`.
    """
    return event_mean(*_numbers_of(target, prediction), mask, square)


@losses.register("mae", target="numbers")
def mae(target: Tensor, prediction: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Mean absolute error, with the shapes of `mse`."""
    return event_mean(*_numbers_of(target, prediction), mask, absolute)


@losses.register("huber", target="numbers")
def huber(
    target: Tensor, prediction: Tensor, *, delta: Positive = 1.0, mask: Tensor | None = None
) -> Tensor:
    """Half the squared error up to `delta`, linear beyond it, with the shapes of `mse`.

    Source: Huber 1964; Keras's definition.
    """
    from keras import ops

    def each(target: Tensor, prediction: Tensor) -> Tensor:
        size = ops.abs(prediction - target)
        inside = ops.minimum(size, delta)
        return inside**2 / 2 + delta * (size - inside)

    return event_mean(*_numbers_of(target, prediction), mask, each)


@losses.register("quantile", target="numbers", output=_per_quantile, point=_nearest_median)
def quantile(
    target: Tensor,
    prediction: Tensor,
    *,
    quantiles: tuple[Probability, ...],
    mask: Tensor | None = None,
) -> Tensor:
    """Pinball loss: its minimum is at the quantiles of the target.

    Args:
        target: `(events, ...)`.
        prediction: The same with a last axis more, a number for each quantile.
        quantiles: Probabilities, each between 0 and 1.
        mask: See the module.

    Returns:
        `(events,)`, the mean over quantiles too.

    Source: Koenker and Bassett 1978.
    """
    from keras import ops

    if not quantiles:
        raise RecipeError("quantiles: is empty; expected some")
    share = ops.convert_to_tensor(list(quantiles), "float32")

    def each(target: Tensor, prediction: Tensor) -> Tensor:
        above = ops.expand_dims(target, -1) - prediction
        return ops.mean(ops.maximum(share * above, (share - 1) * above), axis=-1)

    return event_mean(float32(target), float32(prediction), mask, each)


@losses.register("gaussian_nll", target="numbers", output=_doubled, point=_means)
def gaussian_nll(target: Tensor, prediction: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Negative logarithm of a Gaussian density, without its constant: (log s² + (x - m)²/s²)/2.

    Args:
        target: `(events, ..., n)`, or `(events,)`.
        prediction: `(events, ..., 2 n)`: the means m, then log s². Log s² is kept in [-20, 20].
        mask: See the module.

    Returns:
        `(events,)`.

    Source: Nix and Weigend 1994.
    """
    from keras import ops

    found = float32(prediction)
    size = found.shape[-1] // 2
    both = ops.stack([found[..., :size], found[..., size:]], axis=-1)
    target = ops.reshape(float32(target), (-1, *both.shape[1:-1]))

    def each(target: Tensor, both: Tensor) -> Tensor:
        log_variance = ops.clip(both[..., 1], -20.0, 20.0)
        return (log_variance + (target - both[..., 0]) ** 2 * ops.exp(-log_variance)) / 2

    return event_mean(target, both, mask, each)


@losses.register("bce_logits", target="label", classification=True)
def bce_logits(target: Tensor, prediction: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of a logit y and a label t in {0, 1}; see `binary`.

    Args:
        target: `(events,)` or `(events, 1)` labels of any type.
        prediction: `(events,)` or `(events, 1)` logits.
        mask: `(events,)`; see the module.

    Returns:
        `(events,)`.

    Source: paper, section 4.1, L_2.
    """
    return _of_logit(target, prediction, mask, binary)


@losses.register("brier", target="label", classification=True)
def brier(target: Tensor, prediction: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Squared difference of a label and a logit's probability, with the shapes of `bce_logits`.

    Source: Brier 1950.
    """
    from keras import ops

    def each(label: Tensor, logit: Tensor) -> Tensor:
        return square(label, ops.sigmoid(logit))

    return _of_logit(target, prediction, mask, each)


def _of_logit(
    target: Tensor,
    prediction: Tensor,
    mask: Tensor | None,
    each: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Take a loss of a label and a logit an event, `(events,)`."""
    from keras import ops

    label = ops.reshape(float32(target), (-1,))
    logit = ops.reshape(float32(prediction), (-1,))
    return each(label, logit) if mask is None else event_mean(label, logit, mask, each)


@losses.register("cross_entropy", target="classes", classification=True, output=_logits)
def cross_entropy(target: Tensor, prediction: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Cross-entropy of logits and integer classes.

    Args:
        target: `(events, ...)` classes of any type, one or several an event.
        prediction: The same with a last axis more, a logit for each class.
        mask: See the module.

    Returns:
        `(events,)`, the mean over the classes of an event.
    """
    return event_mean(float32(target), float32(prediction), mask, categorical)


@losses.register("focal", target="classes", classification=True, output=_logits)
def focal(
    target: Tensor, prediction: Tensor, *, gamma: NotNegative = 2.0, mask: Tensor | None = None
) -> Tensor:
    """Cross-entropy times (1 - p)^gamma of the true class's probability p.

    Shapes as for `cross_entropy`, which it is at gamma = 0.

    Source: Lin et al., 1708.02002.
    """
    from keras import ops

    def each(target: Tensor, prediction: Tensor) -> Tensor:
        entropy = categorical(target, prediction)
        # 1 - exp(-x) without cancellation; above 0, where a power has no gradient.
        return ops.maximum(-ops.expm1(-entropy), 1e-7) ** gamma * entropy

    return event_mean(float32(target), float32(prediction), mask, each)
