"""Keras's optimizers by what a recipe says of them, and coupled L2, which Keras has not."""

from collections.abc import Mapping
from typing import Any

from msml.training.adam import fused_adam

Tensor = Any


def named_optimizer(settings: Mapping[str, Any]) -> Any:
    """Make an optimizer of its `name` and arguments.

    `l2` is λ of coupled L2: λ w is added to the gradient of each weight w, after clipping and
    before momentum or moments, as PyTorch does with what it calls weight decay. `weight_decay` is
    Keras's, which is decoupled: η λ w is subtracted beside the step.

    Args:
        settings: Valid by `msml.recipe.optimizers`.
    """
    import keras

    arguments = {key: value for key, value in settings.items() if key not in ("name", "l2")}
    if settings["name"] in ("adam", "adamw") and not arguments.get("amsgrad"):
        made = fused_adam(settings["name"])(**arguments)
    else:
        made = keras.optimizers.get({"class_name": settings["name"], "config": arguments})
    strength = settings.get("l2")
    if not strength:
        return made
    step = made.update_step

    def with_l2(gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        from keras import ops

        gradient = ops.convert_to_tensor(gradient)  # those of embeddings are sparse
        step(gradient + strength * ops.cast(variable, gradient.dtype), variable, learning_rate)

    made.update_step = with_l2
    return made
