"""Models of sequences and images; `msml.models.inputs` says how several inputs are joined."""

from typing import TYPE_CHECKING, Any

from msml.domains import Depth, Depth1, Fraction, Kernel, Width
from msml.models.inputs import (
    Embed,
    Norm,
    Shape,
    Style,
    declare,
    embedded,
    joined,
    model,
    numbers,
    objects,
    predicted,
)
from msml.registry import models

if TYPE_CHECKING:
    import keras

Tensor = Any

_UNROLLED = 8  # steps up to which unrolling compiles and runs faster than a loop


@models.register("lstm")
def lstm(
    *inputs: Shape,
    output: Shape,
    masks: tuple[bool, ...] = (),
    units: Width = 32,
    layers: Depth1 = 1,
    head_units: Width = 32,
    head_layers: Depth = 1,
    activation: str = "relu",
    dropout: Fraction = 0.0,
    embed: Embed | None = None,
) -> "keras.Model":
    """LSTM layers that see one object after the other, then dense layers.

    Args:
        inputs: Shapes of the inputs, the first `(objects, ...)`.
        output: Shape of the prediction.
        masks: Which inputs are boolean; msml says so. Padding is passed over.
        units: Width of the LSTM layers.
        layers: Number of them.
        head_units: Width of the dense layers.
        head_layers: Number of them.
        activation: Of the dense layers.
        dropout: Fraction left out after each layer.
        embed: Inputs that are categories.

    Source: Hochreiter and Schmidhuber 1997.
    """
    given = declare(inputs)
    sizes = (units, layers, head_units, head_layers)
    return _recurrent("LSTM", given, output, masks, sizes, Style(activation, None, dropout), embed)


@models.register("gru")
def gru(
    *inputs: Shape,
    output: Shape,
    masks: tuple[bool, ...] = (),
    units: Width = 32,
    layers: Depth1 = 1,
    head_units: Width = 32,
    head_layers: Depth = 1,
    activation: str = "relu",
    dropout: Fraction = 0.0,
    embed: Embed | None = None,
) -> "keras.Model":
    """GRU layers that see one object after the other, then dense layers; arguments as of `lstm`.

    Source: Cho et al., 1406.1078.
    """
    given = declare(inputs)
    sizes = (units, layers, head_units, head_layers)
    return _recurrent("GRU", given, output, masks, sizes, Style(activation, None, dropout), embed)


@models.register("cnn")
def cnn(
    *inputs: Shape,
    output: Shape,
    filters: tuple[Width, ...] = (16, 32),
    kernel: Kernel = 3,
    pool: Kernel = 2,
    units: Width = 64,
    layers: Depth = 1,
    activation: str = "relu",
    norm: Norm | None = None,
    dropout: Fraction = 0.0,
    embed: Embed | None = None,
) -> "keras.Model":
    """Convolutions and poolings on images, then dense layers on all that they found.

    Args:
        inputs: Shapes of the inputs, the first `(rows, columns, channels)`, or with an axis of
            objects before: each object's image is then seen with the same weights.
        output: Shape of the prediction.
        filters: Filters of each convolution, with padding, each followed by a pooling.
        kernel: Width of the square kernels.
        pool: Width of the squares over which the maximum is taken; 1 for no pooling.
        units: Width of the dense layers.
        layers: Number of them.
        activation: Of all layers.
        norm: How the dense layers are normalised.
        dropout: Fraction left out after each dense layer.
        embed: Inputs, after the first, that are categories.
    """
    import keras

    from msml.models.layers import Fold, Unfold

    given, style = declare(inputs), Style(activation, norm, dropout)
    images, *others = embedded(given, embed)
    if len(images.shape) not in (4, 5):
        shape = tuple(images.shape[1:])
        raise ValueError(f"the first input must be images, (rows, columns, channels), not {shape}")
    x = Fold(name="each_image")(images) if len(images.shape) == 5 else images
    for i, count in enumerate(filters):
        name = f"convolution_{i}"
        x = keras.layers.Conv2D(count, kernel, padding="same", activation=activation, name=name)(x)
        if pool > 1 and min(x.shape[1:3]) >= pool:
            x = keras.layers.MaxPooling2D(pool, name=f"pool_{i}")(x)
    x = keras.layers.Flatten(name="pixels")(x)
    if len(images.shape) == 5:
        x = Unfold(images.shape[1], name="event")(x)
    x = joined([numbers(x, 0), *(numbers(other, 0) for other in others)])
    x = style.stack(x, units, layers, "hidden")
    return model("cnn", given, predicted(x, output))


def _recurrent(
    kind: str,
    given: list[Tensor],
    output: Shape,
    masks: tuple[bool, ...],
    sizes: tuple[int, int, int, int],
    style: Style,
    embed: Embed | None,
) -> "keras.Model":
    """Build a model of recurrent layers of a kind; `sizes` are units, layers and the head's."""
    import keras

    units, layers, head_units, head_layers = sizes
    found = objects(given, masks, embed)
    x = found.values
    for i in range(layers):
        layer = getattr(keras.layers, kind)(
            units,
            return_sequences=i + 1 < layers,
            dropout=style.dropout,
            unroll=x.shape[1] <= _UNROLLED,
            name=f"{kind.lower()}_{i}",
        )
        x = layer(x, mask=found.real)
    x = style.stack(joined([numbers(x, 0), *found.rest]), head_units, head_layers, "head")
    return model(kind.lower(), given, predicted(x, output))
