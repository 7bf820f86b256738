"""Keras layers of the paper's candidates, registered for saving under "msml".

What is physics computes in float32 whatever the precision of the model: builders give these
layers `dtype="float32"`, and the cast of their inputs is Keras's.
"""

from typing import Any

import keras
from keras import ops

from msml.studies.htautau import physics

Tensor = Any
Shape = tuple[int | None, ...]
registered = keras.saving.register_keras_serializable("msml")


@registered
class Correct(keras.layers.Layer):
    """Add corrections to vectors and wrap phi.

    Inputs: corrections `(..., 3)`, vectors `(..., 3 or more)`, both log pt, eta, phi, whatever
    follows in the vectors being left out. Output: `(..., 3)`.

    Source: paper, section 4.3, "designed to output a momentum residual".
    """

    stackable = True

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """Return the shape of the corrections."""
        return tuple(input_shape[0])

    def call(self, inputs: list[Tensor]) -> Tensor:
        """Add and wrap."""
        corrections, vectors = inputs
        return _wrapped(corrections + vectors[..., :3])


@registered
class ScaleFactors(keras.layers.Layer):
    """Return a x + b for each of log pt, eta and phi, then wrap phi; a is 1 and b 0 at first.

    Input: `(..., 3 or more)` log pt, eta, phi, whatever follows being left out. Output: `(..., 3)`.

    Source: paper, section 4.3, SF and footnote 4.
    """

    stackable = True

    def build(self, input_shape: Shape) -> None:
        """Make the six weights."""
        self.factor = self.add_weight(name="factor", shape=(3,), initializer="ones")
        self.offset = self.add_weight(name="offset", shape=(3,), initializer="zeros")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with three components."""
        return (*input_shape[:-1], 3)

    def call(self, inputs: Tensor) -> Tensor:
        """Transform and wrap."""
        return _wrapped(self.factor * inputs[..., :3] + self.offset)


@registered
class InvariantMass(keras.layers.Layer):
    """Invariant mass in units of `unit` GeV: `(events, taus, 3)` to `(events, 1)`."""

    stackable = True

    def __init__(self, unit: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.unit = unit

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return one number for each event."""
        return (input_shape[0], 1)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the mass of `physics.invariant_mass`."""
        return ops.expand_dims(physics.invariant_mass(inputs) / self.unit, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for saving."""
        return {**super().get_config(), "unit": self.unit}


def _wrapped(vectors: Tensor) -> Tensor:
    """Wrap phi, the last of three components."""
    return ops.concatenate([vectors[..., :2], physics.wrap_phi(vectors[..., 2:])], axis=-1)
