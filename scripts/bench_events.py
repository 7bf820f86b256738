"""How fast events are made: where the time goes, against bare Pythia, and with more workers.

    python scripts/bench_events.py [accepted events of each process]

Times are processor seconds of one process; the scaling is wall time of `msml generate`.
"""

import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from msml.recipe import load
from msml.simulation.generator import Generator
from msml.simulation.job import generate, pileup_pool
from msml.simulation.pileup import Pool
from msml.simulation.seeds import batch_seeds
from msml.simulation.selections import Seen, build_selection
from msml.simulation.settings import EventRecipe
from msml.simulation.shard import BATCH, EventSimulation
from msml.simulation.truth import find_truth

_RECIPE = "recipes/events/htautau.yaml"
_STEPS = ("Pythia", "truth", "detector", "jets", "images")


class Clock:
    """Adds up processor time by name."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def __call__(self, name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        """Make a call and count its time."""
        began = time.process_time()
        result = call(*arguments)
        self.seconds[name] += time.process_time() - began
        return result


def split(recipe: EventRecipe, process: str, pool: Pool, wanted: int) -> dict[str, float]:
    """Seconds an accepted event by step."""
    selection = build_selection(recipe)
    generator = Generator.of(recipe, process, selection.veto)
    simulation = EventSimulation(recipe, selection, pool)
    clock = Clock()
    accepted = 0
    while accepted < wanted:
        seed, random = batch_seeds(recipe.seed, process, 0, generator.attempts // BATCH)
        events = clock("Pythia", generator.batch, BATCH, seed)
        truth = clock("truth", find_truth, events)
        worth = np.flatnonzero(selection.worth(truth))
        truth = truth.take(worth)
        particles = clock("truth", generator.stable_particles, events[worth])
        measurement, interactions = clock(
            "detector", simulation.detect, particles, len(worth), random
        )
        flow, jets = clock("jets", simulation.cluster, measurement, len(worth))
        seen = Seen(truth, measurement, jets, random)
        columns = clock("images", simulation.select, seen, flow, interactions)
        accepted += len(columns["rho"])
    return {step: clock.seconds[step] / accepted for step in _STEPS}


def bare_pythia(recipe: EventRecipe, process: str, events: int) -> float:
    """Seconds an event of Pythia alone, without veto."""
    generator = Generator.of(recipe, process)
    began = time.process_time()
    made = sum(len(generator.batch(BATCH, 1 + i)) for i in range(events // BATCH))
    return (time.process_time() - began) / made


def wall_time(events: int, workers: int) -> float:
    """Wall seconds of `msml generate` with the pile-up pool at hand."""
    with tempfile.TemporaryDirectory() as folder:
        output = f"output={Path(folder) / 'events.h5'}"
        shard = f"shard_size={max(1, events // 10)}"
        recipe = load(_RECIPE, EventRecipe, [f"events={events}", shard, output])
        began = time.perf_counter()
        generate(recipe, workers)
        return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    recipe = load(_RECIPE, EventRecipe).values
    cores = len(os.sched_getaffinity(0))
    pool = Pool.load(pileup_pool(recipe, cores))

    table = Table(title="milliseconds an accepted event, one core")
    for heading in ("process", *_STEPS, "total", "events/s", "bare Pythia events/s", "ratio"):
        table.add_column(heading, justify="right")
    total: defaultdict[str, float] = defaultdict(float)
    for process in recipe.processes:
        steps = split(recipe, process, pool, wanted)
        bare = bare_pythia(recipe, process, 2 * wanted)
        rate = 1 / sum(steps.values())
        numbers = [1e3 * steps[step] for step in _STEPS]
        table.add_row(
            process,
            *(f"{n:.1f}" for n in [*numbers, sum(numbers), rate, 1 / bare]),
            f"{rate * bare:.2f}",
        )
        for step in _STEPS:
            total[step] += steps[step]
    console = Console()
    console.print(table)
    ours = sum(total[step] for step in ("detector", "jets", "images"))
    share = ours / sum(total.values())
    console.print(f"detector, jets and images: {share:.0%} of the time over all processes")
    if cores > 1:
        one, many = wall_time(3 * wanted, 1), wall_time(3 * wanted, cores)
        console.print(f"{cores} workers are {one / many:.2f} times as fast as 1")


if __name__ == "__main__":
    main()
