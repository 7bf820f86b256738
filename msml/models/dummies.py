"""Candidates that know nothing, to see whether a selection avoids them."""

from typing import TYPE_CHECKING

from msml.registry import models

if TYPE_CHECKING:
    import keras

Shape = tuple[int, ...]


@models.register("zeros", parameters=0, dummy=True)
def zeros(first: Shape, *others: Shape, output: Shape) -> "keras.Model":
    """Answer 0 for every event.

    Args:
        first: Shape of the task's first input, of which only the number of events is used.
        others: Shapes of its other inputs, which are not used.
        output: Shape of the task's target, set by msml.

    Returns:
        A model with outputs `(events, *output)` float32. For momenta of tau leptons, 0 is a
        pt of 0.9 GeV at eta = phi = 0.

    Source: paper, section 4.3, ZEROS.
    """
    from msml.models.layers import Zeros

    return _of_first((first, *others), Zeros(output, dtype="float32", name="zeros"))


@models.register("noise", parameters=0, dummy=True)
def noise(first: Shape, *others: Shape, output: Shape) -> "keras.Model":
    """Answer with draws of N(0, 1), anew at each call, in training and after it.

    Args:
        first: Shape of the task's first input, of which only the number of events is used.
        others: Shapes of its other inputs, which are not used.
        output: Shape of the task's target, set by msml.

    Returns:
        A model with outputs `(events, *output)` float32. The state of its random generator is
        one of its `non_trainable_variables`: two uint32.

    Source: paper, section 4.3, NOISE.
    """
    from msml.models.layers import Noise

    return _of_first((first, *others), Noise(output, dtype="float32", name="noise"))


def _of_first(shapes: tuple[Shape, ...], layer: "keras.Layer") -> "keras.Model":
    """Return a model that applies a layer to the first of its inputs."""
    import keras

    inputs = [keras.Input(shape, name=f"input_{i}") for i, shape in enumerate(shapes)]
    outputs = layer(inputs[0])
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs, name=layer.name)
