"""What benchmarks of training share: an epoch of the engine, sides in processes of their own."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def engine(
    chain: Any,
    weights: dict[str, float],
    arrays: dict[str, Any],
    batch: int,
    xla: bool,
    settings: Any = None,
) -> Callable[[], None]:
    """One epoch of msml's engine on some events, in another order each time; Adam by default."""
    from msml.chain import WEIGHT
    from msml.recipe.schema_training import Fit
    from msml.training.epoch import Stream, compile_epoch, epoch_order, to_device
    from msml.training.steps import make_optimizer
    from msml.weighting.rule import make_weighting, tasks_of
    from msml.weighting.step import make_chain_step

    optimizer = make_optimizer(settings or Fit(), chain.variables(), "float32")
    tensors = to_device({name: arrays[name] for name in [*chain.columns(), WEIGHT]})
    fixed = make_weighting({"name": "fixed"}, tasks_of(chain, weights, 0))
    step = make_chain_step(chain, weights, optimizer, fixed)
    stream = Stream(tensors, batch)
    epoch = compile_epoch(step, stream, losses=len(weights) + 1, xla=xla)
    numbers = iter(range(1000))
    return lambda: (epoch(epoch_order(stream.events, 1, "bench", next(numbers))), None)[1]


def median_seconds(epoch: Callable[[], None], epochs: int) -> float:
    """Median time of some epochs, after a first one."""
    epoch()
    seconds = []
    for _ in range(epochs):
        began = time.perf_counter()
        epoch()
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def now() -> Any:
    """Seconds by the clock, and those of all cores that this process has used."""
    return np.array([time.perf_counter(), time.process_time()])


def apart(script: str, *arguments: str, python: str | Path = sys.executable) -> Any:
    """Run a script in a process of its own; what it prints last is JSON."""
    command = [python, script, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])
