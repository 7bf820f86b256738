"""Keras layers for anyone's models, registered for saving under "msml"."""

from typing import Any

import keras
from keras import ops

Tensor = Any
Shape = tuple[int | None, ...]
registered = keras.saving.register_keras_serializable("msml")


@registered
class Fold(keras.layers.Layer):
    """Fold objects into the batch: `(events, objects, ...)` to `(events x objects, ...)`.

    What follows then has the same weights for each object.
    """

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape without the object axis."""
        return (None, *input_shape[2:])

    def call(self, inputs: Tensor) -> Tensor:
        """Reshape."""
        return ops.reshape(inputs, (-1, *inputs.shape[2:]))


@registered
class Unfold(keras.layers.Layer):
    """Undo `Fold`: `(events x objects, ...)` to `(events, objects, ...)`."""

    def __init__(self, objects: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.objects = objects

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with the object axis."""
        return (None, self.objects, *input_shape[1:])

    def call(self, inputs: Tensor) -> Tensor:
        """Reshape."""
        return ops.reshape(inputs, (-1, self.objects, *inputs.shape[1:]))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for saving."""
        return {**super().get_config(), "objects": self.objects}


@registered
class Zeros(keras.layers.Layer):
    """Zeros of the shape `output` for each event: `(events, ...)` to `(events, *output)`."""

    def __init__(self, output: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event_shape = tuple(output)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the zeros."""
        return (input_shape[0], *self.event_shape)

    def call(self, inputs: Tensor) -> Tensor:
        """Return zeros."""
        return ops.zeros((ops.shape(inputs)[0], *self.event_shape), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for saving."""
        return {**super().get_config(), "output": list(self.event_shape)}


@registered
class Noise(Zeros):
    """Draws of N(0, 1) of the shape `output` for each event, anew at each call.

    `seed_generator.state` says which draws come next. It is among the variables of a model
    (`non_trainable_variables`), but no weight of it, and it is saved with the weights.
    """

    def __init__(self, output: tuple[int, ...], seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(output, **kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed, name="generator")

    def call(self, inputs: Tensor) -> Tensor:
        """Draw."""
        shape = (ops.shape(inputs)[0], *self.event_shape)
        return keras.random.normal(shape, dtype="float32", seed=self.seed_generator)

    def save_own_variables(self, store: Any) -> None:
        """Save the state of the generator."""
        store["state"] = ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store: Any) -> None:
        """Restore the state of the generator."""
        self.seed_generator.state.assign(store["state"])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for saving."""
        return {**super().get_config(), "seed": self.seed}
