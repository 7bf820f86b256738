"""Graph networks in which all objects of an event are neighbours, themselves included.

A layer gives z_i = Σ_j α_ij W h_j + R h_i and, normalised and through an activation, the next h_i.
R is the identity, or a matrix where the widths differ. The weights know nothing of how many objects
there are. `msml.models.inputs` says how several inputs are joined. Padding is computed with the
rest, and counts nowhere: all shapes are then known, as XLA wants.

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
    from keras import ops

    given, style = declare(inputs), Style(activation, norm, dropout)
    found = objects(given, masks, embed)

    def neighbours(x: Tensor, name: str) -> Tensor:
        # The mean comes first: W is then applied once an event.
        return ops.expand_dims(_matrix(_pooled(x, found.real, "mean"), units, name), 1)

    size = _Size(units, layers, head_units, head_layers)
    x = _described(found, neighbours, size, style, pooling)
    result = _predicted(x, found.real, output, pooling, (feature, activation))
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

    def neighbours(x: Tensor, name: str) -> Tensor:
        attend = GraphAttention(heads, name=f"{name}_attention")
        seen, shares = attend(_matrix(x, units, name), found.real, added)
        maps.append(shares)
        return seen

    size = _Size(units, layers, head_units, head_layers)
    x = _described(found, neighbours, size, style, pooling)
    result = _predicted(x, found.real, output, pooling, (feature, activation))
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
    from keras import ops

    x = found.values
    for i in range(size.layers):
        name = f"graph_{i}"
        own = x if x.shape[-1] == size.units else _matrix(x, size.units, f"{name}_own")
        x = keras.layers.Add(name=f"{name}_sum")([neighbours(x, name), own])
        x = style.finished(x, name, found.real)
    if pooling is None:
        rest = [ops.repeat(ops.expand_dims(each, 1), x.shape[1], axis=1) for each in found.rest]
        x = joined([x, *rest])
    else:
        x = joined([_pooled(x, found.real, pooling), *found.rest])
    return style.stack(x, size.head_units, size.head_layers, "head")


def _pooled(x: Tensor, real: Tensor | None, pooling: Pooling) -> Tensor:
    """Pool the real objects of each event, `(events, objects, n)`; 0 where there is none."""
    from keras import ops

    if real is None:
        return {"mean": ops.mean, "sum": ops.sum, "max": ops.max}[pooling](x, axis=1)
    mask = ops.expand_dims(real, -1)
    if pooling == "max":
        found = ops.max(ops.where(mask, x, -ops.ones_like(x) * float("inf")), axis=1)
        return ops.where(ops.any(mask, axis=1), found, ops.zeros_like(found))
    total = ops.sum(ops.where(mask, x, ops.zeros_like(x)), axis=1)
    count = ops.sum(ops.cast(mask, x.dtype), axis=1)
    return total / ops.maximum(count, 1.0) if pooling == "mean" else total


def _predicted(
    x: Tensor,
    real: Tensor | None,
    output: Shape,
    pooling: Pooling | None,
    last: tuple[int | None, str],
) -> Any:
    """Predict from what `_described` gives, of an event or, without a pooling, of its objects.

    Args:
        x: `(events, numbers)`, or `(events, objects, numbers)`.
        real: Which objects are real, `(events, objects)`; others get 0. None for all.
        output: Shape of the prediction, without the event axis.
        pooling: Over the objects, if any.
        last: Width, if any, and activation of a last hidden layer.
    """
    import keras

    if pooling is not None:
        return predicted(x, output, *last)
    if output[:1] != tuple(x.shape[1:2]):
        message = f"pooling: null is for an output of each of the {x.shape[1]} objects"
        raise ValueError(f"{message}, the task wants one of shape {tuple(output)}")
    found = predicted(x, (prod(output[1:]),), *last)
    shaped = keras.layers.Reshape(output, dtype="float32", name="output")
    if not isinstance(found, dict):
        return without_padding(shaped(found), real)
    whole = {**found, OUTPUT: shaped(found[OUTPUT])}
    return {name: without_padding(each, real) for name, each in whole.items()}


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
