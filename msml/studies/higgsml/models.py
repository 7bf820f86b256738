"""The networks of the study: dense layers with the initial weights of its library.

Source: Strong, 2002.01427, as the study's code has it: weights of the hidden layers from He et al.,
1502.01852, those of the last from Glorot and Bengio, 2010.
"""

from typing import TYPE_CHECKING

from msml.domains import Depth1, Width
from msml.models.inputs import Embed, Shape, declare, flat, joined, model, predicted
from msml.registry import models

if TYPE_CHECKING:
    import keras


@models.register("higgsml_mlp")
def higgsml_mlp(
    *inputs: Shape,
    output: Shape,
    units: Width = 100,
    layers: Depth1 = 4,
    activation: str = "relu",
    dense: bool = False,
    embed: Embed | None = None,
) -> "keras.Model":
    """Dense layers on all numbers of the inputs.

    Args:
        inputs: Shapes of the inputs.
        output: Shape of the prediction.
        units: Width of the hidden layers.
        layers: Number of them.
        activation: Of the hidden layers.
        dense: Whether each layer sees the inputs and all layers before it, as of Huang et al.,
            1608.06993; the prediction sees the last one only.
        embed: Inputs that are categories.
    """
    import keras

    given = declare(inputs)
    seen = flat(given, embed)
    hidden = seen
    for i in range(layers):
        weights = keras.layers.Dense(units, kernel_initializer="he_normal", name=f"hidden_{i}")
        hidden = keras.layers.Activation(activation, name=f"activation_{i}")(weights(seen))
        seen = joined([seen, hidden]) if dense and i < layers - 1 else hidden
    return model("higgsml_mlp", given, predicted(hidden, output))
