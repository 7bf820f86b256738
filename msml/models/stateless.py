"""Calling a model with other values of its variables than it has."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

Tensor = Any


def call(
    model: "keras.Model",
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    inputs: Any,
    *,
    training: bool,
) -> tuple[Any, list[Tensor]]:
    """Call a model as a pure function of its variables, none of which changes.

    Keras's own `stateless_call` leaves out what a model does around its `call`: in a subclassed
    model, layers that are not told of training would not be at work.

    Args:
        model: It has made its layers.
        weights: Values of its trainable variables.
        state: Values of its other variables.
        inputs: What it is called with.
        training: Whether layers such as dropout are at work.

    Returns:
        What it returns, and the new values of the other variables.
    """
    import keras

    others = model.non_trainable_variables
    mapping = [
        *zip(model.trainable_variables, weights, strict=True),
        *zip(others, state, strict=True),
    ]
    with keras.StatelessScope(mapping) as scope:
        outputs = model(inputs, training=training)
    return outputs, [scope.get_current_value(variable) for variable in others]
