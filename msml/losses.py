"""Losses: pure functions of target and prediction, one number for each event, always float32.

Means over events, event weights and task weights are taken by the caller.
"""

from typing import Any

from msml.registry import losses

Tensor = Any


@losses.register("bce_logits", target="label", classification=True)
def bce_logits(target: Tensor, prediction: Tensor) -> Tensor:
    """Binary cross-entropy of a logit y and a label t in {0, 1}.

    L = max(y, 0) - y t + log(1 + exp(-|y|)), written so that its gradient is right at y = 0 too.

    Args:
        target: `(events,)` or `(events, 1)` labels of any type.
        prediction: `(events,)` or `(events, 1)` logits.

    Returns:
        `(events,)`.

    Source: paper, section 4.1, L_2.
    """
    from keras import ops

    label = ops.reshape(float32(target), (-1,))
    logit = ops.reshape(float32(prediction), (-1,))
    positive = logit >= 0
    larger = ops.where(positive, logit, 0.0)
    minus_size = ops.where(positive, -logit, logit)
    return larger - logit * label + ops.log1p(ops.exp(minus_size))


def float32(x: Tensor) -> Tensor:
    """Cast to float32."""
    from keras import ops

    return ops.cast(x, "float32")
