"""Keras layers for anyone's models, registered for saving under "msml"."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from math import prod
from typing import Any

import keras
from keras import ops

Tensor = Any
Shape = tuple[int | None, ...]
registered = keras.saving.register_keras_serializable("msml")

_all_real: ContextVar[bool] = ContextVar("all_real", default=False)


@registered
class Fold(keras.layers.Layer):
    """Fold objects into the batch: `(events, objects, ...)` to `(events x objects, ...)`.

    What follows then has the same weights for each object.
    """

    stackable = True

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape without the object axis."""
        return (None, *input_shape[2:])

    def call(self, inputs: Tensor) -> Tensor:
        """Reshape."""
        return ops.reshape(inputs, (-1, *inputs.shape[2:]))


@registered
class Unfold(keras.layers.Layer):
    """Undo `Fold`: `(events x objects, ...)` to `(events, objects, ...)`."""

    stackable = True

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
class Pack(keras.layers.Layer):
    """Keep the real objects of all events, one below the other, so that padding costs nothing.

    Called with objects, `(events, objects, ...)`, and which are `real`, `(events, objects)`; gives
    `(real objects, ...)`. What is padding goes nowhere.
    """

    def compute_output_shape(self, inputs_shape: Shape, real_shape: Shape) -> Shape:
        """Return the shape of the real objects."""
        return (None, *inputs_shape[2:])

    def call(self, inputs: Tensor, real: Tensor) -> Tensor:
        """Gather."""
        return packed(inputs, real)


@registered
class Spread(keras.layers.Layer):
    """Repeat what each event has, `(events, ...)`, for its real objects, as `Pack` orders them."""

    def compute_output_shape(self, inputs_shape: Shape, real_shape: Shape) -> Shape:
        """Return the shape of the real objects."""
        return (None, *inputs_shape[1:])

    def call(self, inputs: Tensor, real: Tensor) -> Tensor:
        """Gather."""
        return ops.take(inputs, _places(real) // real.shape[1], axis=0)


@registered
class Unpack(keras.layers.Layer):
    """Undo `Pack`: `(real objects, ...)` and `real` to `(events, objects, ...)`, 0 for padding."""

    def compute_output_shape(self, inputs_shape: Shape, real_shape: Shape) -> Shape:
        """Return the shape with the axes of events and objects."""
        return (*real_shape, *inputs_shape[1:])

    def call(self, inputs: Tensor, real: Tensor) -> Tensor:
        """Scatter."""
        objects, inner = real.shape[1], inputs.shape[1:]
        shape = (ops.shape(real)[0] * objects, *inner)
        found = ops.scatter(ops.expand_dims(_places(real), 1), inputs, shape)
        return ops.reshape(found, (-1, objects, *inner))


@registered
class Pool(keras.layers.Layer):
    """Pool the real objects of each event: `(real objects, n)` and `real` to `(events, n)`.

    An event without any has 0.
    """

    def __init__(self, pooling: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pooling = pooling

    def compute_output_shape(self, inputs_shape: Shape, real_shape: Shape) -> Shape:
        """Return the shape with one row for each event."""
        return (real_shape[0], *inputs_shape[1:])

    def call(self, inputs: Tensor, real: Tensor) -> Tensor:
        """Pool."""
        return pooled(inputs, real, self.pooling)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for saving."""
        return {**super().get_config(), "pooling": self.pooling}


def packed(inputs: Tensor, real: Tensor) -> Tensor:
    """Do what `Pack` does."""
    return ops.take(ops.reshape(inputs, (-1, *inputs.shape[2:])), _places(real), axis=0)


def pooled(rows: Tensor, real: Tensor, pooling: str) -> Tensor:
    """Do what `Pool` does."""
    pool = ops.segment_max if pooling == "max" else ops.segment_sum
    events = real.shape[0] if _all_real.get() else None
    found = pool(rows, _places(real) // real.shape[1], events, sorted=events is None)
    # There are no segments for events after the last one with objects.
    missing = ops.shape(real)[0] - ops.shape(found)[0]
    found = ops.pad(found, [[0, missing], *[[0, 0]] * (len(found.shape) - 1)])
    count = ops.sum(ops.cast(real, found.dtype), axis=1, keepdims=True)
    if pooling == "max":
        return ops.where(count > 0, found, ops.zeros_like(found))
    return found / ops.maximum(count, 1.0) if pooling == "mean" else found


@contextmanager
def all_real() -> Iterator[None]:
    """Let layers that are called take all objects for real, so that shapes are known at once."""
    before = _all_real.set(True)
    try:
        yield
    finally:
        _all_real.reset(before)


def _places(real: Tensor) -> Tensor:
    """Positions of the real objects among those of all events, `(real objects,) int32`."""
    if _all_real.get():
        return ops.arange(prod(real.shape), dtype="int32")
    return ops.cast(ops.nonzero(ops.reshape(real, (-1,)))[0], "int32")


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


class _Drawing(keras.layers.Layer):
    """A layer that draws anew at each call, in training and outside of it.

    `seed_generator.state` says which draws come next. It is among the variables of a model
    (`non_trainable_variables`), but no weight of it, and it is saved with the weights.
    """

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed, name="generator")

    def save_own_variables(self, store: Any) -> None:
        """Save the state of the generator."""
        store["state"] = ops.convert_to_numpy(self.seed_generator.state)

    def load_own_variables(self, store: Any) -> None:
        """Restore the state of the generator."""
        self.seed_generator.state.assign(store["state"])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for saving."""
        return {**super().get_config(), "seed": self.seed}


@registered
class Noise(_Drawing, Zeros):
    """Draws of N(0, 1) of the shape `output` for each event, anew at each call."""

    def __init__(self, output: tuple[int, ...], seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, output=output, **kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        """Draw."""
        shape = (ops.shape(inputs)[0], *self.event_shape)
        return keras.random.normal(shape, dtype="float32", seed=self.seed_generator)


@registered
class Hide(_Drawing):
    """Put 0 in the place of what is drawn, anew at each call.

    Called with a list of tensors, `(events, rows, ...)` or `(events,)`; returns the like. Each row,
    or number an event, is hidden as a whole, with the probability in `shares` of its tensor.
    """

    def __init__(self, shares: Sequence[float], seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.shares = list(shares)

    def compute_output_shape(self, inputs_shape: list[Shape]) -> list[Shape]:
        """Return the shapes of what comes in."""
        return inputs_shape

    def call(self, inputs: list[Tensor]) -> list[Tensor]:
        """Draw, and hide."""
        return [self._hidden(x, share) for x, share in zip(inputs, self.shares, strict=True)]

    def _hidden(self, x: Tensor, share: float) -> Tensor:
        rows = x.shape[1:2]
        drawn = keras.random.uniform(
            (ops.shape(x)[0], *rows), dtype="float32", seed=self.seed_generator
        )
        gone = ops.reshape(drawn < share, (-1, *rows, *(1,) * len(x.shape[2:])))
        return ops.where(gone, ops.zeros_like(x), x)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for saving."""
        return {**super().get_config(), "shares": self.shares}
