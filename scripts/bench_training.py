"""One epoch of msml's engine against `keras.Model.fit`: same models, events and batch size.

    python scripts/bench_training.py [epochs]

Each side runs in a process of its own: Keras as a user would run it, with TensorFlow's own
defaults, from arrays in memory; msml with its settings. Times are medians without the first epoch.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sides import apart, engine, median_seconds

_RECIPE = "recipes/base/htautau.yaml"
_EVENTS = 10_000
_BATCH = 100
_SINGLE = [
    ("tau_momentum", "mlp"),
    ("tau_momentum", "cnn"),
    ("tau_momentum", "sf"),
    ("higgs_id", "mlp"),
    ("higgs_id", "lstm"),
    ("higgs_id", "mass"),
]
_CHAIN = {"tau_momentum": "cnn", "higgs_id": "lstm"}
_WEIGHTS = {"tau_momentum": 0.5, "higgs_id": 0.5}


def work() -> Iterator[tuple[str, dict[str, str], str]]:
    """What is timed, and msml's precision: each candidate alone, and a connected chain."""
    for task, name in _SINGLE:
        yield f"{task} {name}", {task: name}, "float32"
    yield "chain cnn+lstm", _CHAIN, "float32"
    if _has_bfloat16():
        yield "tau_momentum cnn, bfloat16", {"tau_momentum": "cnn"}, "mixed_bfloat16"
        yield "chain cnn+lstm, bfloat16", _CHAIN, "mixed_bfloat16"


def _has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16, as Linux tells."""
    path = Path("/proc/cpuinfo")
    return path.exists() and "avx512_bf16" in path.read_text()


def prepare() -> tuple[Any, dict[str, Any]]:
    """Tasks and training events of the base recipe."""
    from msml.chain import WEIGHT
    from msml.data.dataset import load_split
    from msml.recipe import load
    from msml.recipe.expand import expand
    from msml.recipe.schema import TrainRecipe

    recipe = load(_RECIPE, TrainRecipe)
    columns = ["jets", "calo_images", "taus", "label"]
    path = recipe.locate("data.file", recipe.values.data.file)
    split = load_split(recipe.values.data, "train", columns, path)
    arrays = {name: array[:_EVENTS] for name, array in split.columns.items()}
    return expand(recipe.values), {**arrays, WEIGHT: split.weight[:_EVENTS]}


def models_of(tasks: Any, chosen: dict[str, str], precision: str = "float32") -> dict[str, Any]:
    """Build the candidates."""
    from msml.models.build import build

    inputs = {"tau_momentum": [(2, 4), (2, 16, 16, 3)], "higgs_id": [(2, 3)]}
    outputs = {"tau_momentum": (2, 3), "higgs_id": (1,)}
    return {
        task: build(
            tasks[task].candidates[name].model, inputs[task], outputs[task], {}, 1, precision
        )
        for task, name in chosen.items()
    }


def time_msml(
    tasks: Any, arrays: dict[str, Any], chosen: dict[str, str], precision: str
) -> Callable[[], None]:
    """One epoch of msml's engine."""
    from msml.chain import Chain

    chain = Chain(tasks, models_of(tasks, chosen, precision))
    weights = _WEIGHTS if len(chosen) > 1 else dict.fromkeys(chosen, 1.0)
    return engine(chain, weights, arrays, _BATCH, xla="cnn" not in chosen.values())


def time_keras(
    tasks: Any, arrays: dict[str, Any], chosen: dict[str, str], _precision: str
) -> Callable[[], None]:
    """One epoch of `fit` in float32 of the same model, connected by the functional interface."""
    import keras

    from msml.registry import losses

    models = models_of(tasks, chosen)
    first = models[next(iter(models))]
    outputs: dict[str, Any] = {}
    tensors = first.inputs
    for task, model in models.items():
        tensors = model(tensors if len(tensors) > 1 else tensors[0])
        outputs[task] = tensors
        tensors = [tensors]
    whole = keras.Model(first.inputs, list(outputs.values()))

    def loss(task: str) -> Callable[[Any, Any], Any]:
        spec = tasks[task]
        function = losses.get(spec.loss).function
        return lambda target, output: function(target, output, **spec.loss_args)

    whole.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=[loss(task) for task in chosen],
        loss_weights=[_WEIGHTS[task] if len(chosen) > 1 else 1.0 for task in chosen],
    )
    alone = next(iter(chosen)) == "higgs_id"
    x = arrays["taus"] if alone else [arrays["jets"], arrays["calo_images"]]
    y = [arrays[tasks[task].target] for task in chosen]
    return lambda: (whole.fit(x, y, batch_size=_BATCH, epochs=1, verbose=0), None)[1]


def measure(side: str, number: int, epochs: int) -> None:
    """Time one piece of work in this process, and print seconds."""
    _, chosen, precision = list(work())[number]
    if side == "msml":
        from msml.training.environment import tensorflow

        tensorflow()
    tasks, arrays = prepare()
    epoch = {"msml": time_msml, "keras": time_keras}[side](tasks, arrays, chosen, precision)
    print(json.dumps(median_seconds(epoch, epochs)))


def main() -> None:
    """Run both sides of everything in turn, and print the ratios."""
    if len(sys.argv) > 3:
        measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
        return
    epochs = sys.argv[1] if len(sys.argv) > 1 else "7"
    table = Table(title=f"one epoch of {_EVENTS} events, batch {_BATCH}", box=None)
    for heading in ("trained", "fit [s]", "msml [s]", "fit/msml"):
        table.add_column(heading, justify="right")
    for number, (name, *_) in enumerate(work()):
        seconds = {}
        for side in ("keras", "msml"):
            seconds[side] = apart(__file__, side, str(number), epochs)
        ratio = seconds["keras"] / seconds["msml"]
        table.add_row(name, f"{seconds['keras']:.3f}", f"{seconds['msml']:.4f}", f"{ratio:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
