"""How many seeds are best trained at once: tried on this machine, once for a sweep."""

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import numpy as np

from msml.chain import WEIGHT, Chain, frozen
from msml.recipe.expand import Chosen
from msml.recipe.schema_training import Fit
from msml.stages.session import Session
from msml.stages.sharing import joint_folders, pretrained_tasks
from msml.stages.training import build_model
from msml.sweep.timing import passing, prepare, seconds_of
from msml.training.epoch import Stream, compile_epoch
from msml.training.replicas import make_replica_step, replica_epochs, stack, stackable
from msml.training.steps import make_optimizer
from msml.weighting.rule import make_weighting, tasks_of
from msml.weighting.step import make_chain_step

_STEPS = 8


def most_at_once(recipe: str, overrides: Sequence[str], stage: str, most: int, threads: int) -> int:
    """Find the largest number of replicas, a power of two, that more do not train faster.

    Args:
        recipe: A recipe.
        overrides: What makes one of the points.
        stage: What is done at each point.
        most: No more than these.
        threads: Threads of a unit.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), prepare, (threads,)) as pool:
        return pool.submit(_tried, recipe, list(overrides), stage, most).result()


def _tried(recipe: str, overrides: Sequence[str], stage: str, most: int) -> int:
    """Double the number as long as a replica takes no more time for it."""
    with tempfile.TemporaryDirectory() as folder:
        session = passing(recipe, overrides, folder)
        count, seconds = 1, _seconds(session, stage, 1)
        while 2 * count <= most and seconds:
            more = _seconds(session, stage, 2 * count)
            if more > seconds:
                break
            count, seconds = 2 * count, more
    return count


def _seconds(session: Session, stage: str, count: int) -> float:
    """Seconds of a replica for a step of all that can be trained at once; 0 where nothing can."""
    return sum(_step(session, *each, count) for each in _trained(session, stage)) / count


def _trained(session: Session, stage: str) -> Iterator[tuple[Chosen, Fit]]:
    """Candidates of tasks that are trained together, and the settings; one of many chains."""
    for task in pretrained_tasks(session.values):
        for name in session.tasks[task].candidates:
            if not frozen(session.tasks, task):
                yield {task: name}, session.values.pretrain
    for chosen, _ in joint_folders(session.values, stage)[:1]:
        yield chosen, session.values.posttrain


def _step(session: Session, chosen: Chosen, fit: Fit, count: int) -> float:
    """Seconds of one step of so many replicas; 0 where their layers cannot be one graph."""
    chains = [_chain(session, chosen) for _ in range(count)]
    chain, weights = chains[0], dict.fromkeys(chosen, 1.0)
    if stackable(chain, fit):
        return 0.0
    events = session.on_device("train")
    columns = {name: events[name] for name in [*chain.columns(), WEIGHT]}
    size = min(fit.batch_size, len(session.split("train")))
    rows = np.tile(np.arange(size, dtype=np.int32), _STEPS)
    known: Any = {"losses": len(chosen) + 1, "xla": False}
    if count == 1:
        optimizer = make_optimizer(fit, chain.variables(), session.precision)
        fixed = make_weighting({"name": "fixed"}, tasks_of(chain, weights, 0))
        plain = make_chain_step(chain, weights, optimizer, fixed)
        epoch = compile_epoch(plain, Stream(columns, size), **known)
        return seconds_of(lambda: epoch(rows)) / _STEPS
    stacked = stack(chains)
    optimizer = make_optimizer(
        replace(fit, clip_norm=None), list(stacked.weights), session.precision
    )
    step = make_replica_step(stacked, weights, optimizer, fit.clip_norm)
    together = replica_epochs(step, columns, [rows] * count, size, **known)
    orders = [np.arange(len(rows))] * count
    return seconds_of(lambda: together(orders)) / _STEPS


def _chain(session: Session, chosen: Chosen) -> Chain:
    models = {task: build_model(session, task, name) for task, name in chosen.items()}
    return Chain(session.tasks, models)
