"""Models of sets of objects in any order; `msml.models.inputs` says how inputs are joined."""

from typing import TYPE_CHECKING, Any

from msml.domains import Depth, Depth1, Fraction, Width
from msml.models.inputs import (
    Embed,
    Norm,
    Objects,
    Pooling,
    Shape,
    Style,
    declare,
    joined,
    model,
    objects,
    predicted,
)
from msml.registry import models

if TYPE_CHECKING:
    import keras

Tensor = Any


@models.register("deepsets")
def deepsets(
    *inputs: Shape,
    output: Shape,
    masks: tuple[bool, ...] = (),
    units: Width = 64,
    layers: Depth1 = 2,
    pooling: Pooling = "mean",
    head_units: Width = 64,
    head_layers: Depth = 2,
    feature: Width | None = None,
    activation: str = "relu",
    norm: Norm | None = None,
    dropout: Fraction = 0.0,
    embed: Embed | None = None,
) -> "keras.Model":
    """Dense layers on each object, a pooling over objects, dense layers on what that gives.

    Args:
        inputs: Shapes of the inputs, the first `(objects, ...)`.
        output: Shape of the prediction.
        masks: Which inputs are boolean; msml says so.
        units: Width of the layers on each object.
        layers: Number of them.
        pooling: Over the real objects.
        head_units: Width of the layers after the pooling.
        head_layers: Number of them.
        feature: Width of a last hidden layer that is an output too, `feature`; none where null.
        activation: Of all hidden layers.
        norm: How they are normalised, before the activation.
        dropout: Fraction left out after each of them.
        embed: Inputs that are categories.

    Source: Zaheer et al., 1703.06114; Komiske, Metodiev and Thaler, 1810.05165.
    """
    given, style = declare(inputs), Style(activation, norm, dropout)
    found = objects(given, masks, embed)
    x = style.stack(found.rows, units, layers, "object")
    x = joined([found.pooled(x, pooling, "pool"), *found.rest])
    x = style.stack(x, head_units, head_layers, "head")
    return model("deepsets", given, predicted(x, output, feature, activation))


@models.register("set_transformer")
def set_transformer(
    *inputs: Shape,
    output: Shape,
    masks: tuple[bool, ...] = (),
    units: Width = 64,
    layers: Depth1 = 2,
    heads: Width = 4,
    head_units: Width = 64,
    head_layers: Depth = 1,
    feature: Width | None = None,
    activation: str = "relu",
    dropout: Fraction = 0.0,
    embed: Embed | None = None,
) -> "keras.Model":
    """Layers in which objects attend to each other, their mean, and dense layers on that.

    Arguments as of `deepsets`; `units` is the width of an object, a multiple of the `heads` of the
    attention. There is no positional encoding: objects are in no order.

    Source: Lee et al., 1810.00825, without its inducing points, and with a mean at the end;
    normalisation first, Xiong et al., 2002.04745.
    """
    import keras

    from msml.models.layers import Pack

    if units % heads:
        raise ValueError(f"units: expected a multiple of the {heads} heads, got {units}")
    given = declare(inputs)
    found = objects(given, masks, embed)
    x = keras.layers.Dense(units, name="object")(found.values)
    for i in range(layers):
        x = _attended(x, found, heads, f"attention_{i}", dropout)
        x = _changed(x, activation, f"change_{i}", dropout)
    x = keras.layers.LayerNormalization(name="last_norm")(x)
    rows = x if found.real is None else Pack(name="pack")(x, found.real)
    x = joined([found.pooled(rows, "mean", "pool"), *found.rest])
    x = Style(activation, None, dropout).stack(x, head_units, head_layers, "head")
    return model("set_transformer", given, predicted(x, output, feature, activation))


def _attended(x: Tensor, found: Objects, heads: int, name: str, dropout: float) -> Tensor:
    """Let each object add what it attends to among the real ones."""
    import keras
    from keras import ops

    normal = keras.layers.LayerNormalization(name=f"{name}_norm")(x)
    attend = keras.layers.MultiHeadAttention(
        heads, x.shape[-1] // heads, dropout=dropout, name=name
    )
    seen = None if found.mask is None else ops.transpose(found.mask, (0, 2, 1))
    more = attend(normal, normal, attention_mask=seen)
    return keras.layers.Add(name=f"{name}_sum")([x, more])


def _changed(x: Tensor, activation: str, name: str, dropout: float) -> Tensor:
    """Let each object add a dense function of itself."""
    import keras

    normal = keras.layers.LayerNormalization(name=f"{name}_norm")(x)
    more = Style(activation, None, dropout).dense(normal, 2 * x.shape[-1], f"{name}_hidden")
    more = keras.layers.Dense(x.shape[-1], name=name)(more)
    return keras.layers.Add(name=f"{name}_sum")([x, more])
