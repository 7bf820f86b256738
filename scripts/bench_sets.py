"""One epoch of the hierarchical study in msml's engine against `keras.Model.fit` with masks.

    python scripts/bench_sets.py [epochs]

The same layers, events and batch size. Keras as a user would write it: dense layers on padded
arrays, means that leave padding out, and a loss that does. Each side runs in a process of its own.
Times are medians without the first epoch. The most memory that msml's process took is printed too.
"""

import json
import resource
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sides import apart, engine, median_seconds

_RECIPE = "recipes/base/hierarchy.yaml"
_EVENTS, _BATCH = 6000, 256
_JETS, _PARTS = 8, 50


def arrays() -> dict[str, Any]:
    """The first train events of the shipped sample."""
    from msml.data.dataset import load_split
    from msml.recipe import load
    from msml.recipe.schema import TrainRecipe

    recipe = load(_RECIPE, TrainRecipe)
    names = ["constituents", "constituents_real", "all_jets", "all_jets_real"]
    path = recipe.locate("data.file", recipe.values.data.file)
    split = load_split(recipe.values.data, "train", [*names, "all_jets_tau", "label"], path)
    return {name: array[:_EVENTS] for name, array in split.columns.items()}


def time_msml() -> Callable[[], None]:
    """One epoch of msml's engine, with the chain of the recipe."""
    from msml.chain import WEIGHT, Chain
    from msml.models.build import build
    from msml.models.each import Each
    from msml.recipe.expand import TaskSpec
    from msml.training.environment import tensorflow

    tensorflow()
    real = {"each": "all_jets", "real": "all_jets_real", "mask": "all_jets_real"}
    jets = ("constituents", "constituents_real", "all_jets_real")
    event = ("all_jets", "tau_id.feature", "all_jets_real")
    tasks = {
        "tau_id": TaskSpec("tau_id", jets, "all_jets_tau", 1, "bce_logits", {}, (), {}, **real),
        "higgs_id": TaskSpec("higgs_id", event, "label", 1, "bce_logits", {}, (), {}),
    }
    shapes = [(_JETS, _PARTS, 3), (_JETS, _PARTS), (_JETS,)]
    of_jets = {"masks": (False, True, True), "each": Each(_JETS, 2)}
    of_event = {"masks": (False, False, True)}
    models = {
        "tau_id": build("tau_deepsets", shapes, (_JETS, 1), {}, 1, **of_jets),
        "higgs_id": build(
            "event_deepsets", [(_JETS, 4), (_JETS, 16), (_JETS,)], (1,), {}, 1, **of_event
        ),
    }
    events = {**arrays(), WEIGHT: np.ones(_EVENTS, np.float32)}
    weights = {"tau_id": 1.0, "higgs_id": 1.0}
    return engine(Chain(tasks, models), weights, events, _BATCH, xla=False)


def time_keras() -> Callable[[], None]:
    """One epoch of `fit` of the same layers on padded arrays."""
    import keras
    from keras import ops

    dense = keras.layers.Dense

    def mean(x: Any, mask: Any) -> Any:
        weight = ops.expand_dims(mask, -1)
        return ops.sum(x * weight, axis=-2) / ops.maximum(ops.sum(weight, axis=-2), 1.0)

    def described(x: Any, mask: Any) -> Any:
        for _ in range(3):
            x = dense(32, "relu")(x)
        whole = ops.expand_dims(dense(32)(mean(x, mask)), -2)
        return mean(ops.relu(dense(32)(x) - whole), mask)

    def stack(x: Any, units: tuple[int, ...]) -> Any:
        for width in units:
            x = dense(width, "relu")(x)
        return x

    parts = keras.Input((_JETS, _PARTS, 3))
    present = keras.Input((_JETS, _PARTS))
    jets = keras.Input((_JETS, 4))
    real = keras.Input((_JETS,))
    feature = stack(dense(24)(described(parts, present)), (128, 128, 16))
    tau = dense(1)(stack(feature, (64, 32)))
    seen = described(keras.layers.Concatenate()([jets, feature]), real)
    event = dense(1)(stack(seen, (64, 32)))
    model = keras.Model([parts, present, jets, real], [tau, event])

    def of_jets(target: Any, logit: Any) -> Any:
        label, mask = target[..., 0], target[..., 1]
        loss = keras.losses.binary_crossentropy(label[..., None], logit, from_logits=True)
        return ops.sum(loss * mask) / ops.maximum(ops.sum(mask), 1.0)

    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=[of_jets, keras.losses.BinaryCrossentropy(from_logits=True)],
    )
    data = arrays()
    names = ("constituents", "constituents_real", "all_jets", "all_jets_real")
    x = [data[name] for name in names]
    y = [np.stack([data["all_jets_tau"], data["all_jets_real"]], axis=-1), data["label"]]
    return lambda: (model.fit(x, y, batch_size=_BATCH, epochs=1, verbose=0), None)[1]


def measure(side: str, epochs: int) -> None:
    """Time one side in this process, and print seconds and the most memory it took."""
    epoch = {"msml": time_msml, "keras": time_keras}[side]()
    seconds = median_seconds(epoch, epochs)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps([seconds, memory]))


def main() -> None:
    """Run both sides in turn, and print the ratio."""
    if len(sys.argv) > 2:
        measure(sys.argv[1], int(sys.argv[2]))
        return
    epochs = sys.argv[1] if len(sys.argv) > 1 else "7"
    found = {side: apart(__file__, side, epochs) for side in ("keras", "msml")}
    table = Table(title=f"one epoch of {_EVENTS} events with jets, batch {_BATCH}", box=None)
    for heading in ("trained", "fit [s]", "msml [s]", "fit/msml", "msml [MB]"):
        table.add_column(heading, justify="right")
    (fit, _), (ours, memory) = found["keras"], found["msml"]
    row = ("tau_id + higgs_id", f"{fit:.3f}", f"{ours:.4f}", f"{fit / ours:.1f}", f"{memory:.0f}")
    table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
