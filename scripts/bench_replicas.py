"""Seeds of a recipe trained at once against one after another: candidates of `quick.yaml`.

    python scripts/bench_replicas.py [seeds] [epochs]

An epoch of each candidate, as pre-training has it: of as many chains as there are seeds, one after
the other, and of all in one graph. Each side runs in a process of its own. Times are medians
without the first epoch; starting a process, which a sweep saves as well, is not in them.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sides import apart, engine, median_seconds

_RECIPE = "recipes/quick.yaml"
_SHOWN = {"alone": "one by one [s]", "together": "at once [s]"}


def work() -> list[tuple[str, str]]:
    """Tasks and candidates."""
    from msml.recipe import load
    from msml.recipe.expand import expand
    from msml.recipe.schema import TrainRecipe

    tasks = expand(load(_RECIPE, TrainRecipe).values)
    return [(task, name) for task, spec in tasks.items() for name in spec.candidates]


def epoch_of(side: str, task: str, name: str, seeds: int) -> Callable[[], None]:
    """An epoch of all seeds of one candidate."""
    from msml.chain import WEIGHT
    from msml.data.dataset import load_split
    from msml.recipe import load
    from msml.recipe.schema import TrainRecipe
    from msml.training.environment import tensorflow

    tensorflow()
    recipe = load(_RECIPE, TrainRecipe)
    chains = made(task, name, seeds)
    path = recipe.locate("data.file", recipe.values.data.file)
    split = load_split(recipe.values.data, "train", chains[0].columns(), path)
    arrays = {**split.columns, WEIGHT: split.weight}
    size = recipe.values.pretrain.batch_size
    if side == "together":
        return stacked(chains, task, arrays, size)
    each = [engine(chain, {task: 1.0}, arrays, size, xla=False) for chain in chains]
    return lambda: ([epoch() for epoch in each], None)[1]


def made(task: str, name: str, seeds: int) -> list[Any]:
    """The chain of each seed."""
    from tempfile import TemporaryDirectory

    from msml.stages.pretrain import alone
    from msml.sweep.timing import passing

    with TemporaryDirectory() as folder:
        session = passing(_RECIPE, [], folder)
        return [alone(session, task, name, f"seed {seed}") for seed in range(seeds)]


def stacked(chains: list[Any], task: str, arrays: dict[str, Any], size: int) -> Callable[[], None]:
    """An epoch of all chains in one graph."""
    from msml.recipe.schema_training import Fit
    from msml.training.epoch import to_device
    from msml.training.replicas import make_replica_step, replica_epochs, shuffled_replicas, stack
    from msml.training.steps import make_optimizer

    one = stack(chains)
    optimizer = make_optimizer(Fit(), list(one.weights), "float32")
    step = make_replica_step(one, {task: 1.0}, optimizer, None)
    rows = [np.arange(len(next(iter(arrays.values()))), dtype=np.int32)] * len(chains)
    epoch = replica_epochs(step, to_device(arrays), rows, size, losses=2, xla=False)
    run = shuffled_replicas(epoch, rows, [(seed, "bench") for seed in range(len(chains))])
    numbers = iter(range(1000))
    return lambda: (run(next(numbers)), None)[1]


def main() -> None:
    """Run both sides of everything in turn, and print the ratios."""
    if len(sys.argv) > 3:
        side, task, name, seeds, epochs = sys.argv[1:]
        print(json.dumps(median_seconds(epoch_of(side, task, name, int(seeds)), int(epochs))))
        return
    seeds, epochs = [*sys.argv[1:], *("20", "3")[len(sys.argv) - 1 :]]
    table = Table(title=f"one epoch of {seeds} seeds, candidates of {_RECIPE}", box=None)
    for heading in ("candidate", *_SHOWN.values(), "ratio"):
        table.add_column(heading, justify="right")
    for task, name in work():
        found = {side: apart(__file__, side, task, name, seeds, epochs) for side in _SHOWN}
        ratio = found["alone"] / found["together"]
        table.add_row(f"{task} {name}", *(f"{found[s]:.3f}" for s in _SHOWN), f"{ratio:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
