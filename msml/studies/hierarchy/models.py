"""The two DeepSets of the study, one of a jet's constituents and one of an event's jets.

The drawings of the talk are lost. Its numbers are read so: φ1 sees each element; φ2 and φ3 are an
equivariant layer, v_k = σ(φ2(u_k) - φ3(mean_j u_j)), as in Zaheer et al., 1703.06114, whose sign
the weights of φ3 absorb; the mean of the v_k describes the set. In the jets' model φ4 and φ5 make
of it the feature that the event's model sees, and φ6 the logit of a tau.

Source: Saito et al., Study of model construction and the learning for hierarchical models, Learning
to Discover, 2022, backup.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msml.domains import Width
from msml.models.inputs import (
    FEATURE,
    Objects,
    Pooling,
    Shape,
    declare,
    joined,
    model,
    objects,
    predicted,
)
from msml.recipe.expand import OUTPUT
from msml.registry import models

if TYPE_CHECKING:
    import keras

Tensor = Any


@models.register("tau_deepsets")
def tau_deepsets(
    *inputs: Shape,
    output: Shape,
    masks: tuple[bool, ...] = (),
    feature: Width = 16,
    feature_activation: str = "relu",
    element_units: tuple[Width, ...] = (32, 32, 32),
    equivariant_units: Width = 32,
    equivariant_activation: str = "relu",
    pooling: Pooling = "mean",
    embedding: Width = 24,
    feature_units: tuple[Width, ...] = (128, 128),
    head_units: tuple[Width, ...] = (64, 32),
) -> "keras.Model":
    """The constituents of a jet: a `feature` of it, and from that whether it is a tau.

    Args:
        inputs: Shapes of the inputs: constituents `(constituents, ...)`, and perhaps numbers of the
            jet. φ4 sees these where there are some, else what describes the set.
        output: Shape of the prediction.
        masks: Which inputs are boolean; msml says so.
        feature: Width of the feature, the last layer of φ5.
        feature_activation: Its activation.
        element_units: Widths of φ1.
        equivariant_units: Width of φ2 and φ3.
        equivariant_activation: σ.
        pooling: In the equivariant layer and after it.
        embedding: Width of φ4, which is linear.
        feature_units: Widths of the other layers of φ5.
        head_units: Widths of the hidden layers of φ6.

    Source: the talk's backup, with 26,920 weights up to the feature and 3,201 in φ6.
    """
    import keras

    given = declare(inputs)
    found = objects(given, masks, None)
    described = _described(found, element_units, equivariant_units, equivariant_activation, pooling)
    embed = keras.layers.Dense(embedding, name="phi4")
    x = joined([described, embed(joined(found.rest))]) if found.rest else embed(described)
    x = _stack(x, feature_units, "phi5")
    last = f"phi5_{len(feature_units)}"
    x = keras.layers.Dense(feature, feature_activation, dtype="float32", name=last)(x)
    label = predicted(_stack(x, head_units, "phi6"), output)
    return model("tau_deepsets", given, {OUTPUT: label, FEATURE: x})


@models.register("event_deepsets")
def event_deepsets(
    *inputs: Shape,
    output: Shape,
    masks: tuple[bool, ...] = (),
    element_units: tuple[Width, ...] = (32, 32, 32),
    equivariant_units: Width = 32,
    equivariant_activation: str = "relu",
    pooling: Pooling = "mean",
    head_units: tuple[Width, ...] = (64, 32),
) -> "keras.Model":
    """The jets of an event, each with its four-vector and what an earlier task says of it.

    Args:
        inputs: Shapes of the inputs: of jets, `(jets, ...)`; others join what describes the set.
        output: Shape of the prediction.
        masks: Which inputs are boolean; msml says so.
        element_units: Widths of φ1.
        equivariant_units: Width of φ2 and φ3.
        equivariant_activation: σ.
        pooling: In the equivariant layer and after it.
        head_units: Widths of the hidden layers of φ4.

    Source: the talk's backup, with 9,121 weights where a jet has a feature of 16 numbers.
    """
    given = declare(inputs)
    found = objects(given, masks, None)
    x = _described(found, element_units, equivariant_units, equivariant_activation, pooling)
    x = _stack(joined([x, *found.rest]), head_units, "phi4")
    return model("event_deepsets", given, predicted(x, output))


def _described(
    found: Objects, units: Sequence[int], width: int, activation: str, pooling: Pooling
) -> Tensor:
    """Describe each set: φ1, the equivariant layer, and a pooling."""
    import keras

    x = _stack(found.rows, units, "phi1")
    whole = found.pooled(x, pooling, "pool_elements")
    shared = found.spread(keras.layers.Dense(width, name="phi3")(whole), "spread")
    own = keras.layers.Dense(width, name="phi2")(x)
    # Of a sum TensorFlow's fusion with oneDNN makes a graph that it then complains of.
    x = keras.layers.Subtract(name="equivariant")([own, shared])
    x = keras.layers.Activation(activation, name="sigma")(x)
    return found.pooled(x, pooling, "pool")


def _stack(x: Tensor, units: Sequence[int], name: str) -> Tensor:
    import keras

    for i, width in enumerate(units):
        x = keras.layers.Dense(width, "relu", name=f"{name}_{i}")(x)
    return x
