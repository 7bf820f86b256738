"""Calling a model with other values of its variables than it has, and what it adds to its loss."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import keras

Tensor = Any


class Called(NamedTuple):
    """What a call of a model gives.

    Attributes:
        outputs: What it returns.
        state: The new values of its other variables.
        penalty: As `penalty` says.
    """

    outputs: Any
    state: list[Tensor]
    penalty: Tensor | None


def call(
    model: "keras.Model",
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    inputs: Any,
    *,
    training: bool,
) -> Called:
    """Call a model as a pure function of its variables, none of which changes.

    Keras's own `stateless_call` leaves out what a model does around its `call`: in a subclassed
    model, layers that are not told of training would not be at work.

    Args:
        model: It has made its layers.
        weights: Values of its trainable variables.
        state: Values of its other variables.
        inputs: What it is called with.
        training: Whether layers such as dropout are at work.
    """
    import keras

    others = model.non_trainable_variables
    mapping = [
        *zip(model.trainable_variables, weights, strict=True),
        *zip(others, state, strict=True),
    ]
    with keras.StatelessScope(mapping, collect_losses=True) as scope:
        outputs = model(inputs, training=training)
        added = penalty(model)
    return Called(outputs, [scope.get_current_value(variable) for variable in others], added)


def penalty(model: "keras.Model") -> Tensor | None:
    """Sum of what a model adds to the loss of its task, a scalar; None where it adds nothing.

    That are its regularisers, those of its activities at its last call, and `add_loss`.
    """
    from keras import ops

    added = [ops.sum(ops.cast(each, "float32")) for each in model.losses]
    return ops.sum(ops.stack(added)) if added else None


def penalised(loss: Tensor, added: Tensor | None) -> Tensor:
    """Add a penalty to a loss, where there is one."""
    return loss if added is None else loss + added
