"""A model of one object, applied to each object of an event with the same weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from msml.models.inputs import Shape, declare
from msml.models.outputs import named

if TYPE_CHECKING:
    import keras

Tensor = Any


@dataclass(frozen=True)
class Each:
    """The objects that the models of a task are applied to, one by one.

    An input with an axis of objects is given to the model without it. Any other is of the event,
    and the same for all of its objects.

    Attributes:
        objects: How many an event has, padding included.
        real: Which input says which of them are real; None where all are. The model does not get
            it.
    """

    objects: int
    real: int | None

    def of_one(self, shapes: Sequence[Shape]) -> list[Shape]:
        """Shapes of what the model of one object gets, from those of the task's inputs."""
        return [
            shape[1:] if self._of_objects(shape) else tuple(shape) for shape in self.given(shapes)
        ]

    def given(self, inputs: Sequence[Any]) -> list[Any]:
        """Leave out of anything that there is for each input what the model does not get."""
        return [each for i, each in enumerate(inputs) if i != self.real]

    def apply(self, model: "keras.Model", shapes: Sequence[Shape]) -> "keras.Model":
        """Make a model of events from one of objects.

        Only real objects are computed. The outputs are 0 for padding, which changes nothing.

        Args:
            model: Of `of_one(shapes)`.
            shapes: Of the task's inputs, without the event axis.
        """
        import keras
        from keras import ops

        from msml.models.layers import Pack, Spread, Unpack

        inputs = declare(shapes)
        if self.real is None:
            like = next(x for x in inputs if self._of_objects(x.shape[1:]))
            flat = ops.reshape(like, (-1, self.objects, prod(like.shape[2:])))
            real = ops.ones_like(flat[..., 0], dtype="bool")
        else:
            real = ops.not_equal(inputs[self.real], 0)
        rows = [
            (Pack if self._of_objects(x.shape[1:]) else Spread)(dtype="float32")(x, real)
            for x in self.given(inputs)
        ]
        found = named(model(rows if len(rows) > 1 else rows[0]))
        outputs = {name: Unpack(dtype="float32")(each, real) for name, each in found.items()}
        return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs, name=model.name)

    def _of_objects(self, shape: Shape) -> bool:
        return tuple(shape[:1]) == (self.objects,)
