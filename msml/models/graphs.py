"""Graph networks in which all objects of an event are neighbours, themselves included.

A layer gives z_i = Σ_j α_ij W h_j + R h_i and, normalised and through an activation, the next h_i.
R is the identity, or a matrix where the widths differ. The weights know nothing of how many objects
there are. `msml.models.inputs` says how several inputs are joined.

The study of transfer learning has 6 layers of 256 numbers, 5 numbers of an object, and 2 classes:
333,312 weights, 334,848 with attention, and 514 more for the classes.

Source: Kishimoto et al., PoS(ISGC2022)016.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from msml.domains import Depth, Depth1, Fraction, Natural, Width
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
    without_padding,
)
from msml.recipe.expand import OUTPUT
from msml.registry import models

if TYPE_CHECKING:
    import keras

Tensor = Any
Pairwise = Mapping[Natural, Sequence[str]]
ATTENTION = "attention"
"""Name of the output with the attention of all layers, where it is asked for."""


class _Size(NamedTuple):
    """How large a graph network is."""

    units: int
    layers: int
    head_units: int
    head_layers: int


@models.register("graph_network")
def graph_network(
    *inputs: Shape,
    output: Shape,
    masks: tuple[bool, ...] = (),
    units: Width = 64,
    layers: Depth1 = 3,
    pooling: Pooling | None = "mean",
    head_units: Width = 64,
    head_layers: Depth = 0,
    feature: Width | None = None,
    activation: str = "relu",
    norm: Norm | None = "batch_torch",
    dropout: Fraction = 0.0,
    embed: Embed | None = None,
) -> "keras.Model":
    """Layers in which each object sees the mean of all, and a pooling over objects.

    Args:
        inputs: Shapes of the inputs, the first `(objects, ...)`.
        output: Shape of the prediction.
        masks: Which inputs are boolean; msml says so.
        units: Width of an object in each layer.
        layers: Number of them.
        pooling: Over the real objects, after the last layer. Where null there is none, and the
            output, `(objects, ...)`, has a prediction of each object.
        head_units: Width of dense layers after the pooling.
        head_layers: Number of them.
        feature: Width of a last hidden layer that is an output too, `feature`; none where null.
        activation: Of all hidden layers.
        norm: How they are normalised, before the activation.
        dropout: Fraction left out after each of them.
        embed: Inputs that are categories.
    """
    given, style = declare(inputs), Style(activation, norm, dropout)
    found = objects(given, masks, embed)

    def neighbours(rows: Tensor, name: str) -> Tensor:
        # The mean comes first: W is then applied once an event.
        mean = found.pooled(rows, "mean", f"{name}_mean")
        return found.spread(_matrix(mean, units, name), f"{name}_spread")

    size = _Size(units, layers, head_units, head_layers)
    x = _described(found, neighbours, size, style, pooling)
    result = _predicted(found, x, output, pooling, (feature, activation))
    return model("graph_network", given, result)


@models.register("graph_attention")
def graph_attention(
    *inputs: Shape,
    output: Shape,
    masks: tuple[bool, ...] = (),
    units: Width = 64,
    layers: Depth1 = 3,
    heads: Width = 4,
    pairwise: Pairwise | None = None,
    pair_units: Width = 16,
    attention: bool = False,
    pooling: Pooling | None = "mean",
    head_units: Width = 64,
    head_layers: Depth = 0,
    feature: Width | None = None,
    activation: str = "relu",
    norm: Norm | None = "batch_torch",
    dropout: Fraction = 0.0,
    embed: Embed | None = None,
) -> "keras.Model":
    """Layers in which each object sees a mean of all, weighted by attention as in GATv2.

    Other arguments as of `graph_network`. `units` is a multiple of `heads`, parts of an object's
    numbers each of which attends by itself.

    `pairwise` names an input with the objects' momenta, by its number from 0, and says what its
    components are: `{1: [pt, eta, phi, m]}`, in GeV. ΔR, k_T, z and m² of two objects then count in
    the attention, by way of a hidden layer of `pair_units`. Unless it is the first, the input is
    for that only.

    With `attention` the model has an output of this name, `(layers, heads, source, destination)`;
    over the sources it sums to 1.

    Source: Brody, Alon and Yahav, 2105.14491; pairs: Qu, Li and Qian, 2202.03772.
    """
    from keras import ops

    from msml.models.attention import GraphAttention

    if units % heads:
        raise ValueError(f"units: expected a multiple of the {heads} heads, got {units}")
    given, style = declare(inputs), Style(activation, norm, dropout)
    place, components = _momenta(given, pairwise)
    found = objects(given, masks, embed, apart=place)
    added = None
    if components:
        momenta = without_padding(given[place], found.real)
        added = _added(momenta, components, found.real, (pair_units, heads), style)
    maps = []

    def neighbours(rows: Tensor, name: str) -> Tensor:
        values = found.apart(_matrix(rows, units, name), f"{name}_unpack")
        attend = GraphAttention(heads, name=f"{name}_attention")
        seen, shares = attend(values, found.real, added)
        maps.append(shares)
        return found.together(seen, f"{name}_pack")

    size = _Size(units, layers, head_units, head_layers)
    x = _described(found, neighbours, size, style, pooling)
    result = _predicted(found, x, output, pooling, (feature, activation))
    if attention:
        named = result if isinstance(result, dict) else {OUTPUT: result}
        result = {**named, ATTENTION: ops.stack(maps, axis=1)}
    return model("graph_attention", given, result)


def _described(
    found: Objects,
    neighbours: Callable[[Tensor, str], Tensor],
    size: _Size,
    style: Style,
    pooling: Pooling | None,
) -> Tensor:
    """Apply all layers: to the objects, a pooling over these where there is one, and to that."""
    import keras

    x = found.rows
    for i in range(size.layers):
        name = f"graph_{i}"
        own = x if x.shape[-1] == size.units else _matrix(x, size.units, f"{name}_own")
        # In this order the variables are in one order too, with a mask and without.
        x = keras.layers.Add(name=f"{name}_sum")([neighbours(x, name), own])
        x = style.finished(x, name)
    if pooling is None:
        rest = [found.spread(each, f"rest_{i}") for i, each in enumerate(found.rest)]
        x = joined([x, *(_wide(each, x) for each in rest)])
    else:
        x = joined([found.pooled(x, pooling, "pool"), *found.rest])
    return style.stack(x, size.head_units, size.head_layers, "head")


def _wide(rest: Tensor, like: Tensor) -> Tensor:
    """Repeat what an event has for its objects where that would only broadcast."""
    from keras import ops

    return rest if len(like.shape) == 2 else ops.repeat(rest, like.shape[1], axis=1)


def _predicted(
    found: Objects,
    x: Tensor,
    output: Shape,
    pooling: Pooling | None,
    last: tuple[int | None, str],
) -> Any:
    """Predict from what `_described` gives: one row an event, or, without a pooling, an object.

    Args:
        found: The inputs.
        x: The rows.
        output: Shape of the prediction, without the event axis.
        pooling: Over the objects, if any.
        last: Width, if any, and activation of a last hidden layer.
    """
    import keras

    if pooling is not None:
        return predicted(x, output, *last)
    objects = found.values.shape[1]
    if output[0] != objects:
        message = f"pooling: null is for an output of each of the {objects} objects"
        raise ValueError(f"{message}, the task wants one of shape {tuple(output)}")
    rows = predicted(x, (prod(output[1:]),), *last)
    named = rows if isinstance(rows, dict) else {OUTPUT: rows}
    laid = {name: found.apart(each, f"{name}_unpack", "float32") for name, each in named.items()}
    shaped = keras.layers.Reshape(output, dtype="float32", name="output")
    laid[OUTPUT] = shaped(laid[OUTPUT])
    return laid if isinstance(rows, dict) else laid[OUTPUT]


def _matrix(x: Tensor, units: int, name: str) -> Tensor:
    """Multiply by a matrix, at first drawn as Xavier's normal with gain √2."""
    import keras

    draw = keras.initializers.VarianceScaling(2.0, "fan_avg", "untruncated_normal")
    return keras.layers.Dense(units, use_bias=False, kernel_initializer=draw, name=name)(x)


def _momenta(inputs: Sequence[Tensor], pairwise: Pairwise | None) -> tuple[int, list[str]]:
    """Number of the input with momenta and its components; 0 and none where there is none."""
    from msml.models.pairs import FORMS

    if not pairwise:
        return 0, []
    ((key, components),) = pairwise.items() if len(pairwise) == 1 else [("several", ())]
    known = range(len(inputs))
    if not str(key).isdecimal() or int(key) not in known:
        message = f"expected the number of one input, from 0 to {len(inputs) - 1}"
        raise ValueError(f"pairwise: {message}, got {key}")
    shape, first = tuple(inputs[int(key)].shape[1:]), tuple(inputs[0].shape[1:2])
    if len(shape) != 2 or shape[:1] != first or len(components) != shape[1]:
        wanted = f"a name for each component of ({first[0]} objects, components)"
        raise ValueError(f"pairwise: expected {wanted}, got {list(components)} for {shape}")
    if not any(set(form) <= set(components) for form in FORMS):
        wanted = "; ".join(", ".join(form) for form in FORMS)
        raise ValueError(f"pairwise: expected components {wanted}, got {', '.join(components)}")
    return int(key), list(components)


def _added(
    momenta: Tensor, components: list[str], real: Tensor | None, widths: tuple[int, int], style: Any
) -> Tensor:
    """What pairs of momenta add to the scores: 0 before training."""
    import keras

    from msml.models.pairs import PairFeatures

    pairs = PairFeatures(components, dtype="float32", name="pairs")(momenta, real)
    x = keras.layers.Dense(widths[0], style.activation, name="pair_hidden")(pairs)
    last = keras.layers.Dense(
        widths[1], use_bias=False, kernel_initializer="zeros", name="pair_scores"
    )
    return last(x)
