"""How long a sweep may take: its work times what a step of each model takes on this machine."""

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

import numpy as np

from msml.chain import WEIGHT, Chain, frozen, output_column
from msml.recipe import load
from msml.recipe.schema import TrainRecipe
from msml.stages.session import Session
from msml.stages.training import build_model, steps_of, use_xla
from msml.sweep.plan import Plan
from msml.sweep.timing import passing, prepare, seconds_of
from msml.sweep.work import PARTS, Example, Trained, Work, work
from msml.training.environment import tensorflow
from msml.training.epoch import Stream, compile_epoch
from msml.training.steps import make_optimizer
from msml.weighting.rule import make_weighting, tasks_of
from msml.weighting.step import make_chain_step

LAUNCH = 5e-6
"""Seconds that a GPU needs at least for an operation, however small: to launch a kernel."""
_STEPS = 8
# Operations that launch nothing.
_FREE = (
    *("Const", "Placeholder", "Identity", "IdentityN", "NoOp", "ReadVariableOp", "Shape"),
    *("Reshape", "ExpandDims", "Squeeze", "StridedSlice", "Pack", "BroadcastGradientArgs"),
    *("PartitionedCall", "StatefulPartitionedCall", "ConcatOffset"),
)


@dataclass(frozen=True)
class Step:
    """One step of training of one model.

    Attributes:
        seconds: On this machine, with the threads of a unit.
        operations: Operations of its graph that a GPU would launch.
    """

    seconds: float
    operations: int


@dataclass(frozen=True)
class Part:
    """A part of the work.

    Attributes:
        name: `pretrain`, `search` or `posttrain`.
        passes: Passes of one model over the train split.
        seconds: On this machine, with the threads of a unit, one unit after the other.
        launches: Seconds that a GPU would need to launch all operations.
    """

    name: str
    passes: float
    seconds: float
    launches: float


@dataclass(frozen=True)
class Estimate:
    """How long a sweep may take.

    Attributes:
        parts: Its parts.
        uncounted: Strategies whose searches are left out, as they do not say what they train.
    """

    parts: list[Part]
    uncounted: list[str]


def estimate(plan: Plan) -> Estimate:
    """Estimate the work of all points of a plan, done or not.

    A step of each model is timed, in a process with the threads of a unit.
    """
    units = {unit.directory: unit.overrides for unit in plan.units if not unit.prepares}
    overrides = list(units.values())
    found = work(load(plan.recipe, TrainRecipe, list(each)) for each in overrides)
    with ProcessPoolExecutor(1, get_context("spawn"), prepare, (plan.threads,)) as pool:
        steps = pool.submit(time_steps, plan.recipe, overrides, found.examples).result()
    return Estimate([_part(name, found, steps) for name in PARTS], sorted(found.uncounted))


def _part(name: str, found: Work, steps: Mapping[Trained, Step]) -> Part:
    counts = found.steps[name].items()
    return Part(
        name=name,
        passes=found.passes[name],
        seconds=sum(count * steps[each].seconds for each, count in counts),
        launches=sum(count * steps[each].operations * LAUNCH for each, count in counts),
    )


def time_steps(
    recipe: str, overrides: Sequence[Sequence[str]], examples: Mapping[Trained, Example]
) -> dict[Trained, Step]:
    """Time a training step of each model on events of its recipe."""
    sessions: dict[int, Session] = {}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for trained, example in examples.items():
            if example.recipe not in sessions:
                sessions[example.recipe] = passing(recipe, overrides[example.recipe], folder)
            found[trained] = _time(sessions[example.recipe], example, trained.batch_size)
    return found


def _time(session: Session, example: Example, batch_size: int) -> Step:
    task, given = example.task, frozen(session.tasks, example.task)
    models = {task: build_model(session, task, example.candidate)}
    chain = Chain(session.tasks, models, frozenset(given))
    events = {**session.on_device("train"), **_outputs(session, given, batch_size)}
    some = {name: events[name][:batch_size] for name in [*chain.columns(), WEIGHT]}
    fit = replace(session.values.pretrain, batch_size=batch_size)
    optimizer = make_optimizer(fit, chain.variables(), session.precision)
    fixed = make_weighting({"name": "fixed"}, tasks_of(chain, {task: 1.0}, 0))
    step = make_chain_step(chain, {task: 1.0}, optimizer, fixed)
    operations = _operations(step, some)
    total = steps_of(fit, len(session.split("train")))
    xla = use_xla(session, chain.models.values(), total)
    epoch = compile_epoch(step, Stream(some, batch_size), losses=2, xla=xla)
    order = np.tile(np.arange(batch_size, dtype=np.int32), _STEPS)
    return Step(seconds_of(lambda: epoch(order)) / _STEPS, operations)


def _outputs(session: Session, tasks: Sequence[str], events: int) -> dict[str, Any]:
    """Zeros in the place of what frozen tasks give."""
    return {
        output_column(task, name): np.zeros((events, *shape), np.float32)
        for task in tasks
        for name, shape in session.output_shapes(task).items()
    }


def _operations(step: Any, batch: Mapping[str, Any]) -> int:
    """Count the operations of a step, also those in functions that it calls."""
    graph = tensorflow().function(step, autograph=False).get_concrete_function(dict(batch)).graph
    definition = graph.as_graph_def()
    inner = [node for function in definition.library.function for node in function.node_def]
    return sum(node.op not in _FREE for node in [*definition.node, *inner])
