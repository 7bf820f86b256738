"""A step of DARTS in units of one forward-backward pass of its supernet, on a train batch of 1,200.

    python scripts/bench_search.py [steps]

The supernet has the five candidates of both tasks. Times are medians of compiled epochs of some
steps, in one process, in turn; tracing and compiling, the first call, are shown by themselves.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

_RECIPE = "recipes/htautau_darts.yaml"
_BATCH = 1200
_ROUNDS = 5
_RATE = 1e-3


def prepare(steps: int) -> tuple[Any, Any, Any]:
    """The supernet of the recipe, freshly initialised, and so many batches of train and valid."""
    from msml.chain import WEIGHT
    from msml.data.dataset import load_split
    from msml.models.build import build
    from msml.recipe import load
    from msml.recipe.expand import expand
    from msml.recipe.schema import TrainRecipe
    from msml.strategies.supernet import Supernet
    from msml.training.epoch import Stream, to_device

    recipe = load(_RECIPE, TrainRecipe)
    tasks = expand(recipe.values)
    inputs = {"tau_momentum": [(2, 4), (2, 16, 16, 3)], "higgs_id": [(2, 3)]}
    outputs = {"tau_momentum": (2, 3), "higgs_id": (1,)}
    models = {
        task: {
            name: build(spec.model, inputs[task], outputs[task], spec.args, 1)
            for name, spec in tasks[task].candidates.items()
        }
        for task in tasks
    }
    supernet = Supernet(tasks, models, epsilon=1.0)
    path = recipe.locate("data.file", recipe.values.data.file)

    def stream(name: str, batch: int) -> Stream:
        split = load_split(recipe.values.data, name, supernet.inputs.columns(), path)
        columns = {**split.columns, WEIGHT: split.weight}
        return Stream(to_device({n: c[: steps * batch] for n, c in columns.items()}), batch)

    return supernet, stream("train", _BATCH), stream("valid", _BATCH // 3)


def kinds(supernet: Any) -> dict[str, Any]:
    """The steps that are timed."""
    from msml.chain import weighted_total
    from msml.recipe.schema_training import Fit
    from msml.strategies.darts.alphas import Alphas
    from msml.strategies.darts.step import DartsStep, Objective
    from msml.training.environment import tensorflow
    from msml.training.steps import make_optimizer
    from msml.weighting.rule import make_weighting, tasks_of

    tf = tensorflow()
    shares = {"tau_momentum": 0.5, "higgs_id": 0.5}
    objective = Objective(supernet, shares)
    alphas = Alphas(supernet).variables
    weights = make_optimizer(Fit(), supernet.variables, "float32")
    of_alphas = make_optimizer(Fit(), alphas, "float32")
    draws = tf.Variable([0, 0])
    fixed = make_weighting({"name": "fixed"}, tasks_of(supernet.inputs, shares, 0))

    def darts(rate: float | None, exact: bool, optimizer: Any = of_alphas) -> Any:
        return DartsStep(objective, alphas, weights, optimizer, rate, exact, draws, fixed)

    def one_pass(train: Any, _valid: Any) -> Any:
        """Nothing but a gradient of all weights; a sum of it keeps it from being left out."""
        from msml.strategies.supernet import Given

        values = [tf.convert_to_tensor(v.value) for v in supernet.variables]
        now = [tf.convert_to_tensor(a.value) for a in alphas]
        given = Given(train)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            losses = objective.losses(values, now, given)
            whole = weighted_total(list(shares.values()), losses.parts)
        gradients = tape.gradient(whole, values)
        return tf.stack([*losses.reported, tf.add_n([tf.reduce_sum(g) for g in gradients])])

    return {
        "one forward-backward pass": one_pass,
        "weights only": darts(None, True, None),
        "first order": darts(None, True),
        "second order, exact": darts(_RATE, True),
        "second order, difference": darts(_RATE, False),
    }


def main() -> None:
    """Time each kind of step, and print the ratios."""
    from msml.training.environment import tensorflow

    tensorflow()
    from msml.training.epoch import compile_epoch

    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    supernet, train, valid = prepare(steps)
    orders = [np.arange(stream.events, dtype=np.int32) for stream in (train, valid)]
    losses = len(supernet.losses) + 1
    epochs: dict[str, Callable[[], Any]] = {}
    first: dict[str, float] = {}
    for name, step in kinds(supernet).items():
        epoch = compile_epoch(step, train, valid, losses=losses, xla=False)
        epochs[name] = lambda epoch=epoch: epoch(*orders)
        began = time.perf_counter()
        epochs[name]()
        first[name] = time.perf_counter() - began
    seconds: dict[str, list[float]] = {name: [] for name in epochs}
    cpu: dict[str, list[float]] = {name: [] for name in epochs}
    for _ in range(_ROUNDS):
        for name, epoch in epochs.items():
            began, busy = time.perf_counter(), time.process_time()
            epoch()
            seconds[name].append((time.perf_counter() - began) / steps)
            cpu[name].append((time.process_time() - busy) / steps)
    unit, busy_unit = (float(np.median(t["one forward-backward pass"])) for t in (seconds, cpu))
    table = Table(title=f"a step of DARTS, {_BATCH} train and {_BATCH // 3} valid events", box=None)
    for heading in ("step", "time [s]", "passes", "CPU passes", "first call [s]"):
        table.add_column(heading, justify="right")
    for name, times in seconds.items():
        time_, busy = float(np.median(times)), float(np.median(cpu[name]))
        row = f"{time_:.3f}", f"{time_ / unit:.2f}", f"{busy / busy_unit:.2f}"
        table.add_row(name, *row, f"{first[name]:.1f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
