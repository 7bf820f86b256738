"""A plugin of models with state besides their weights, of any task."""

PLUGIN = """\
import keras

from msml.models.inputs import declare, flat, model, predicted
from msml.registry import models


@models.register("with_norm")
def with_norm(*inputs, output):
    given = declare(inputs)
    x = keras.layers.Dense(6, name="hidden")(flat(given[:1], None))
    x = keras.layers.BatchNormalization(momentum=0.9, name="norm")(x)
    return model("with_norm", given, predicted(keras.ops.tanh(x), output))


@models.register("with_dropout")
def with_dropout(*inputs, output):
    given = declare(inputs)
    x = keras.layers.Dense(6, "tanh", name="hidden")(flat(given[:1], None))
    x = keras.layers.Dropout(0.3, name="dropout")(x)
    return model("with_dropout", given, predicted(x, output))


class Lazy(keras.Model):
    def __init__(self, shape):
        super().__init__(name="lazy")
        self.event_shape = shape

    def build(self, shapes):
        first = shapes[0] if isinstance(shapes, list) else shapes
        self.hidden = [keras.layers.Dense(6), keras.layers.BatchNormalization()]
        self.drop = keras.layers.Dropout(0.3)
        self.last = keras.layers.Dense(self.event_shape[-1], dtype="float32")
        self.flatten = keras.layers.Reshape((-1, first[-1]))
        self.fold = keras.layers.Reshape(self.event_shape, dtype="float32")

    def call(self, inputs):  # its layers learn of training from Keras
        x = self.flatten(inputs[0] if isinstance(inputs, list) else inputs)
        for layer in self.hidden:
            x = layer(x)
        x = self.last(self.drop(keras.ops.tanh(x)))
        return x if len(self.event_shape) > 1 else keras.ops.mean(x, axis=1)


@models.register("lazy")
def lazy(*inputs, output):
    return Lazy(output)
"""
