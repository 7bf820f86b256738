"""How generic models put several inputs together, and the layers that they share.

Inputs are joined in the recipe's order, by one of two rules:

- Dense models (`mlp`, `residual_mlp`, `dense_mlp`, `linear`) flatten each input of an event and
  concatenate all.
- Models of objects (`deepsets`, `set_transformer`, `graph_network`, `graph_attention`, `lstm`,
  `gru`) and of images (`cnn`) are made for the first input, `(objects, ...)` or `(rows, columns,
  channels)`. For objects, each further input with the same first axis is of the same objects: it is
  flattened for each object and concatenated to its numbers. A boolean column of shape `(objects,)`
  is no number but the mask: false for padding, which then changes nothing, whatever it holds. All
  other inputs are flattened and concatenated to what the objects or images come to.

Masks need not be listed: those of the columns among the inputs follow as further inputs.

An input of categories, whole numbers from 0, is embedded: `embed: {1: [7, 3]}` puts three trained
numbers in the place of each of the seven categories of the second input (the first is 0).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msml.domains import Domain, Natural
from msml.recipe.expand import OUTPUT

if TYPE_CHECKING:
    import keras

Shape = tuple[int, ...]
Tensor = Any
Embed = Mapping[Natural, Sequence[Annotated[int, Domain(1, 10**6)]]]
Norm = Literal["batch", "batch_torch", "layer"]
"""Over the batch, with Keras's constants or PyTorch's, or over the numbers of a layer."""

Pooling = Literal["mean", "sum", "max"]
FEATURE = "feature"
"""Name of the output that a model has beside its prediction, where it is asked for."""


@dataclass(frozen=True)
class Style:
    """What hidden layers are like.

    Attributes:
        activation: Name of an activation of Keras.
        norm: What normalises before the activation, if anything.
        dropout: Fraction of numbers that are left out in training.
    """

    activation: str
    norm: Norm | None
    dropout: float

    def dense(self, x: Tensor, units: int, name: str) -> Tensor:
        """Apply a dense layer, then normalisation, activation and dropout as there are."""
        import keras

        return self.finished(keras.layers.Dense(units, name=name)(x), name)

    def finished(self, x: Tensor, name: str) -> Tensor:
        """Apply normalisation, activation and dropout to what a layer gives."""
        import keras
        from keras import ops

        if self.norm == "layer":
            x = keras.layers.LayerNormalization(name=f"{name}_norm")(x)
        elif self.norm is not None:
            # PyTorch's momentum of 0.1 is the share of what is new.
            torch = {"momentum": 0.9, "epsilon": 1e-5} if self.norm == "batch_torch" else {}
            # The same over one axis as over two, but TensorFlow is faster with one.
            rows = ops.reshape(x, (-1, x.shape[-1]))
            rows = keras.layers.BatchNormalization(**torch, name=f"{name}_norm")(rows)
            x = ops.reshape(rows, (-1, *x.shape[1:]))
        x = keras.layers.Activation(self.activation, name=f"{name}_activation")(x)
        return keras.layers.Dropout(self.dropout, name=f"{name}_dropout")(x) if self.dropout else x

    def stack(self, x: Tensor, units: int, layers: int, name: str) -> Tensor:
        """Apply `layers` of them, named `name_0`, `name_1`, ..."""
        for i in range(layers):
            x = self.dense(x, units, f"{name}_{i}")
        return x


def declare(shapes: Sequence[Shape]) -> list[Tensor]:
    """Make the inputs of a model."""
    import keras

    return [keras.Input(shape, name=f"input_{i}") for i, shape in enumerate(shapes)]


def flat(inputs: Sequence[Tensor], embed: Embed | None) -> Tensor:
    """Join all inputs by the first rule: `(events, numbers)`."""
    return joined([numbers(x, 0) for x in embedded(inputs, embed)])


def embedded(inputs: Sequence[Tensor], embed: Embed | None) -> list[Tensor]:
    """Embed the inputs that are categories, each with a last axis more."""
    import keras

    found = list(inputs)
    for key, how in (embed or {}).items():
        place = int(key)  # keys of a recipe are texts
        if place not in range(len(inputs)) or len(how) != 2:
            raise ValueError(
                f"embed: expected the number of an input, from 0 to {len(inputs) - 1}, with "
                f"[categories, width]; got {place}: {how}"
            )
        # Half precision cannot tell 2049 from 2048.
        layer = keras.layers.Embedding(*how, autocast=False, name=f"embedding_{place}")
        found[place] = layer(inputs[place])
    return found


def numbers(x: Tensor, axes: int) -> Tensor:
    """Flatten all axes but that of the events and so many after it."""
    import keras

    kept = tuple(x.shape[1 : 1 + axes])
    target = (*kept, prod(x.shape[1 + axes :]))
    return x if tuple(x.shape[1:]) == target else keras.layers.Reshape(target)(x)


def joined(tensors: Sequence[Tensor]) -> Tensor:
    """Concatenate along the last axis."""
    import keras

    return keras.layers.Concatenate()(tensors) if len(tensors) > 1 else tensors[0]


@dataclass(frozen=True)
class Objects:
    """The inputs by the second rule.

    Attributes:
        values: `(events, objects, numbers)`; padding is as zeros would be.
        real: `(events, objects)` boolean, false for padding; None where all is real.
        rest: `(events, numbers)` of each other input.
    """

    values: Tensor
    real: Tensor | None
    rest: list[Tensor]

    @property
    def mask(self) -> Tensor | None:
        """`real` with a last axis more."""
        from keras import ops

        return None if self.real is None else ops.expand_dims(self.real, -1)

    @property
    def rows(self) -> Tensor:
        """What layers on each object see: of objects with padding, the real ones as of `Pack`."""
        return self.together(self.values, "pack")

    def pooled(self, rows: Tensor, pooling: Pooling, name: str) -> Tensor:
        """Pool what layers made of `rows` over the objects of each event: `(events, numbers)`."""
        from keras import ops

        from msml.models.layers import Pool

        if self.real is None:
            return {"mean": ops.mean, "sum": ops.sum, "max": ops.max}[pooling](rows, axis=1)
        return Pool(pooling, name=name)(rows, self.real)

    def apart(self, rows: Tensor, name: str, dtype: str | None = None) -> Tensor:
        """Lay what layers made of `rows` out by event and object, 0 for padding."""
        from msml.models.layers import Unpack

        return rows if self.real is None else Unpack(name=name, dtype=dtype)(rows, self.real)

    def together(self, values: Tensor, name: str) -> Tensor:
        """Undo `apart`."""
        from msml.models.layers import Pack

        return values if self.real is None else Pack(name=name)(values, self.real)

    def spread(self, values: Tensor, name: str) -> Tensor:
        """Give each of `rows` what its event has, `(events, numbers)`; it may have to broadcast."""
        from keras import ops

        from msml.models.layers import Spread

        if self.real is None:
            return ops.expand_dims(values, 1)
        return Spread(name=name)(values, self.real)


def objects(
    inputs: Sequence[Tensor], masks: Sequence[bool], embed: Embed | None, apart: int = 0
) -> Objects:
    """Tell the inputs of objects, their mask and all others apart.

    Args:
        inputs: Of a model.
        masks: Which of them are boolean columns.
        embed: See the module.
        apart: Number of an input, after the first, that is left out.

    Raises:
        ValueError: The first input has no axis of objects, or there are several masks.
    """
    from keras import ops

    if len(inputs[0].shape) < 2 or (masks and masks[0]):
        raise ValueError(
            f"the first input must be of objects, (objects, ...), not {tuple(inputs[0].shape[1:])}"
        )
    axis = tuple(inputs[0].shape[1:2])
    marked = [i for i, is_mask in enumerate(masks) if is_mask and inputs[i].shape[1:] == axis]
    if len(marked) > 1:
        raise ValueError(f"{len(marked)} masks for the same objects; expected one")
    real = ops.not_equal(inputs[marked[0]], 0) if marked else None
    left = [*marked, apart] if apart else marked
    same = [i for i, x in enumerate(inputs) if x.shape[1:2] == axis and i not in left]
    # Before embedding: padding need not be a category.
    clean = [without_padding(x, real) if i in same else x for i, x in enumerate(inputs)]
    clean = embedded(clean, embed)
    values = joined([numbers(clean[i], 1) for i in same])
    rest = [numbers(x, 0) for i, x in enumerate(clean) if i not in (*same, *left)]
    return Objects(values, real, rest)


def without_padding(x: Tensor, real: Tensor | None) -> Tensor:
    """Put 0 where there is padding."""
    from keras import ops

    if real is None:
        return x
    mask = ops.reshape(real, (-1, real.shape[1], *[1] * (len(x.shape) - 2)))
    return ops.where(mask, x, ops.zeros_like(x))


def predicted(
    x: Tensor, output: Shape, feature: int | None = None, activation: str = "relu"
) -> Tensor | dict[str, Tensor]:
    """Predict numbers of the shape that a task wants, float32.

    Args:
        x: `(events, numbers)`.
        output: Shape of the prediction.
        feature: Width of a last hidden layer, which is an output too, `feature`, for a later task
            to use; none where None.
        activation: Of that layer.
    """
    import keras

    if feature is not None:
        x = keras.layers.Dense(feature, activation, dtype="float32", name=FEATURE)(x)
        return {OUTPUT: predicted(x, output), FEATURE: x}
    x = keras.layers.Dense(prod(output), dtype="float32", name="numbers")(x)
    if len(output) == 1:
        return x
    return keras.layers.Reshape(output, dtype="float32", name="output")(x)


def model(name: str, inputs: Sequence[Tensor], result: Any) -> "keras.Model":
    """Make a model of the list of inputs, or of the one there is."""
    import keras

    return keras.Model(list(inputs) if len(inputs) > 1 else inputs[0], result, name=name)
