"""Training of graph networks in msml's engine against `keras.Model.fit`: events a second.

    python scripts/bench_graphs.py [epochs]

The same layers, events, batch size and optimizer. Keras as a user would write it, after the
formulas: a matrix for each object, a mean over objects, and for attention the numbers of all pairs,
their leaky ReLU and a sum; `fit` with its defaults. msml compiles with XLA, as it does on a GPU and
in long trainings. Each side runs in a process of its own; times are medians without the first
epoch, and of two turns the shorter.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sides import apart, engine, median_seconds

_OBJECTS, _HEADS, _TURNS = 6, 4, 2
_SIZES = {"small": (64, 3, 256, 40), "full": (256, 6, 2048, 2)}  # units, layers, batch, batches
_MODELS = ("graph_network", "graph_attention")
_SGD = {"learning_rate": 1e-2, "momentum": 0.9}
_L2 = 5e-5


def arrays(events: int) -> dict[str, Any]:
    """Numbers as good as any, and classes."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(events, _OBJECTS, 5)).astype(np.float32)
    return {"objects": values, "label": rng.integers(0, 2, events).astype(np.float32)}


def time_msml(name: str, size: str) -> Callable[[], None]:
    """One epoch of msml's engine."""
    from msml.chain import WEIGHT, Chain
    from msml.models.build import build
    from msml.recipe.expand import TaskSpec
    from msml.recipe.schema_training import Fit
    from msml.training.environment import tensorflow

    tensorflow()
    units, layers, batch, batches = _SIZES[size]
    events = arrays(batch * batches)
    task = TaskSpec("which", ("objects",), "label", 1, "cross_entropy", {}, (), {}, classes=2)
    model = build(name, [(_OBJECTS, 5)], (2,), {"units": units, "layers": layers}, 1)
    weight = {WEIGHT: np.ones(batch * batches, np.float32)}
    settings = Fit(optimizer={"name": "sgd", "l2": _L2, **_SGD})
    chain = Chain({"which": task}, {"which": model})
    return engine(chain, {"which": 1.0}, {**events, **weight}, batch, xla=True, settings=settings)


def time_keras(name: str, size: str) -> Callable[[], None]:
    """One epoch of `fit` of the same layers."""
    import keras
    from keras import ops

    units, layers, batch, batches = _SIZES[size]
    penalty = keras.regularizers.L2(_L2 / 2)

    class Attention(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            width = shape[-1] // _HEADS
            self.score = self.add_weight(shape=(_HEADS, width), regularizer=penalty)

        def call(self, inputs: Any) -> Any:
            parts = ops.reshape(inputs, (-1, _OBJECTS, _HEADS, units // _HEADS))
            pairs = ops.leaky_relu(ops.expand_dims(parts, 1) + ops.expand_dims(parts, 2), 0.2)
            shares = ops.softmax(ops.sum(pairs * self.score, axis=-1), axis=1)
            found = ops.einsum("bjih,bjhd->bihd", shares, parts)
            return ops.reshape(found, (-1, _OBJECTS, units))

    def matrix(x: Any) -> Any:
        return keras.layers.Dense(units, use_bias=False, kernel_regularizer=penalty)(x)

    def normal(x: Any) -> Any:
        regular = {"gamma_regularizer": penalty, "beta_regularizer": penalty}
        return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, **regular)(x)

    inputs = x = keras.Input((_OBJECTS, 5))
    for number in range(layers):
        each, own = matrix(x), x if number else matrix(x)
        attend = name == "graph_attention"
        seen = Attention()(each) if attend else ops.mean(each, axis=1, keepdims=True)
        x = keras.layers.ReLU()(normal(seen + own))
    last = keras.layers.Dense(2, kernel_regularizer=penalty, bias_regularizer=penalty)
    model = keras.Model(inputs, last(ops.mean(x, axis=1)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(**_SGD), loss=loss)
    events = arrays(batch * batches)
    x, y = events["objects"], events["label"]
    return lambda: (model.fit(x, y, batch_size=batch, epochs=1, verbose=0), None)[1]


def measure(side: str, name: str, size: str, epochs: int) -> None:
    """Time one side in this process, and print events a second."""
    epoch = {"msml": time_msml, "keras": time_keras}[side](name, size)
    _, _, batch, batches = _SIZES[size]
    print(json.dumps(batch * batches / median_seconds(epoch, epochs)))


def main() -> None:
    """Run both sides of everything in turn, and print the ratios."""
    if len(sys.argv) > 2:
        measure(*sys.argv[1:4], int(sys.argv[4]))
        return
    epochs = sys.argv[1] if len(sys.argv) > 1 else "4"
    table = Table(title="training, events a second", box=None)
    for heading in ("model", "size", "batch", "fit", "msml", "msml/fit"):
        table.add_column(heading, justify="right")
    for name in _MODELS:
        for size, (units, layers, batch, _) in _SIZES.items():
            sides = [side for _ in range(_TURNS) for side in ("keras", "msml")]
            found = [apart(__file__, side, name, size, epochs) for side in sides]
            fit, ours = max(found[::2]), max(found[1::2])
            numbers = (f"{fit:,.0f}", f"{ours:,.0f}", f"{ours / fit:.1f}")
            table.add_row(name, f"{layers} x {units}", str(batch), *numbers)
    Console().print(table)


if __name__ == "__main__":
    main()
