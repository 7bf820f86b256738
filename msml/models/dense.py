"""Dense models for anyone's inputs; `msml.models.inputs` says how several are joined."""

from typing import TYPE_CHECKING

from msml.domains import Depth1, Fraction, Width
from msml.models.inputs import Embed, Norm, Shape, Style, declare, flat, joined, model, predicted
from msml.registry import models

if TYPE_CHECKING:
    import keras


@models.register("mlp")
def mlp(
    *inputs: Shape,
    output: Shape,
    units: Width = 64,
    layers: Depth1 = 3,
    feature: Width | None = None,
    activation: str = "relu",
    norm: Norm | None = None,
    dropout: Fraction = 0.0,
    embed: Embed | None = None,
) -> "keras.Model":
    """Dense layers on all numbers of the inputs.

    Args:
        inputs: Shapes of the inputs.
        output: Shape of the prediction.
        units: Width of the hidden layers.
        layers: Number of them.
        feature: Width of a last hidden layer that is an output too, `feature`; none where null.
        activation: Of the hidden layers.
        norm: How they are normalised, before the activation.
        dropout: Fraction left out after each of them.
        embed: Inputs that are categories.
    """
    given, style = declare(inputs), Style(activation, norm, dropout)
    x = style.stack(flat(given, embed), units, layers, "hidden")
    return model("mlp", given, predicted(x, output, feature, activation))


@models.register("residual_mlp")
def residual_mlp(
    *inputs: Shape,
    output: Shape,
    units: Width = 64,
    layers: Depth1 = 4,
    activation: str = "relu",
    norm: Norm | None = None,
    dropout: Fraction = 0.0,
    embed: Embed | None = None,
) -> "keras.Model":
    """Dense layers, each of which adds to what the one before gave; arguments as of `mlp`.

    Source: He et al., 1512.03385.
    """
    import keras

    given, style = declare(inputs), Style(activation, norm, dropout)
    x = keras.layers.Dense(units, name="first")(flat(given, embed))
    for i in range(layers):
        more = style.dense(x, units, f"hidden_{i}")
        more = keras.layers.Dense(units, name=f"change_{i}")(more)
        x = keras.layers.Add(name=f"sum_{i}")([x, more])
    return model("residual_mlp", given, predicted(x, output))


@models.register("dense_mlp")
def dense_mlp(
    *inputs: Shape,
    output: Shape,
    units: Width = 32,
    layers: Depth1 = 4,
    activation: str = "relu",
    norm: Norm | None = None,
    dropout: Fraction = 0.0,
    embed: Embed | None = None,
) -> "keras.Model":
    """Dense layers, each of which sees the inputs and all layers before it; arguments as of `mlp`.

    Source: Huang et al., 1608.06993.
    """
    given, style = declare(inputs), Style(activation, norm, dropout)
    x = flat(given, embed)
    for i in range(layers):
        x = joined([x, style.dense(x, units, f"hidden_{i}")])
    return model("dense_mlp", given, predicted(x, output))


@models.register("linear")
def linear(*inputs: Shape, output: Shape, embed: Embed | None = None) -> "keras.Model":
    """Weighted sums of all numbers of the inputs, with `inputs`, `output` and `embed` of `mlp`."""
    given = declare(inputs)
    return model("linear", given, predicted(flat(given, embed), output))
