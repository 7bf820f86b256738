"""Training chains of one form, many of them in one graph where that can be."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from msml.data.kinematics import Array
from msml.files import fingerprint
from msml.runs import layout
from msml.stages.training import (
    Training,
    batches_of,
    keep,
    moved,
    stream_of,
    train,
    use_xla,
    watch_of,
)
from msml.training.averaging import averaged
from msml.training.environment import side_by_side
from msml.training.epoch import Stream
from msml.training.fit import History, Trainee, fit_replicas
from msml.training.measure import EVALUATION_BATCH
from msml.training.replicas import (
    alike,
    make_replica_loss_step,
    make_replica_step,
    replica_epochs,
    replica_measurement,
    shuffled_replicas,
    stack,
    stackable,
)
from msml.training.steps import make_optimizer
from msml.training.variables import model_variables, numbered


def train_all(trainings: Sequence[Training], at_once: int | None = None) -> list[History]:
    """Train chains of one form with the same settings, and keep the results in their folders.

    What was trained before is not trained again.

    Args:
        trainings: Trainings that differ in weights, events and draws only, of one run or of runs
            that differ in nothing else.
        at_once: How many are trained in one graph; where None, all that can be.
    """
    most = min(at_once or len(trainings), len(trainings))
    if most > 1:
        if reason := one_by_one(trainings):
            progress = trainings[0].session.progress
            progress.done(f"{trainings[0].key}: trained one by one: {reason}")
        else:
            _train_groups(trainings, most)
    return [train(training) for training in trainings]


def _train_groups(trainings: Sequence[Training], most: int) -> None:
    """Train chains in groups of so many at most; where threads are left, groups side by side."""
    lanes = side_by_side()
    size = min(most, -(-len(trainings) // lanes))
    groups = [trainings[first : first + size] for first in range(0, len(trainings), size)]
    left = [g for g in groups if not all((t.folder / layout.WEIGHTS).exists() for t in g)]
    for first in range(0, len(left), lanes):
        trainings[0].session.check_stop()
        ready = [_ready(group) for group in left[first : first + lanes]]
        with ThreadPoolExecutor(lanes) as pool:
            list(pool.map(lambda train_group: train_group(), ready))


def one_by_one(trainings: Sequence[Training]) -> str:
    """Say why some trainings cannot be one graph; empty where they can."""
    first = trainings[0]
    if first.weighting["name"] != "fixed":
        return f"the weighting '{first.weighting['name']}' is of one training"
    if first.session.precision == "mixed_float16":
        return "mixed_float16 scales the loss of one training"
    if any(first.added.values()):
        return "their inputs are what models before them give, which differs"
    streams = _streams(trainings, "train")
    if any(isinstance(column, np.memmap) for column in streams[0].columns.values()):
        return "the events do not fit into memory"
    if not alike([_rows(stream) for stream in streams], first.settings.batch_size):
        return "their numbers of batches differ"
    return stackable(first.chain, first.settings)


def _ready(group: Sequence[Training]) -> Callable[[], None]:
    """Make what trains some chains in one graph, and keeps the results in their folders."""
    first, session, settings = group[0], group[0].session, group[0].settings
    stacked = stack([training.chain for training in group])
    streams = {split: _streams(group, split) for split in ("train", "valid")}
    rows = {split: [_rows(stream) for stream in several] for split, several in streams.items()}
    steps = batches_of(settings, len(rows["train"][0]))
    about: Any = {
        "losses": len(first.losses),
        "xla": use_xla(session, first.chain.networks(), steps * settings.epochs),
    }
    optimizer = make_optimizer(
        replace(settings, clip_norm=None), list(stacked.weights), session.precision, steps
    )
    step = make_replica_step(stacked, first.task_weights, optimizer, settings.clip_norm)
    step, draws = moved(session, settings, step, [each.seed for each in group])
    columns = {split: several[0].columns for split, several in streams.items()}
    epoch = replica_epochs(step, columns["train"], rows["train"], settings.batch_size, **about)
    measure = make_replica_loss_step(stacked, first.task_weights)
    seeds = [(training.session.values.seed, training.order) for training in group]
    train_epoch, raw = averaged(
        shuffled_replicas(epoch, rows["train"], seeds), list(stacked.weights), settings.average
    )
    trainee = Trainee(
        key=f"{first.key} and {len(group) - 1} more",
        losses=first.losses,
        weights=stacked.variables,
        state=numbered(optimizer.variables) | draws | raw,
        train=train_epoch,
        valid=replica_measurement(measure, columns["valid"], rows["valid"], **about),
    )
    facts = [[str(each.folder), each.session.values.seed, each.order] for each in group]
    checkpoint = layout.together(first.folder, fingerprint(facts)[:8])
    watches = [watch_of(each.session, each.key, settings) for each in group]

    def run() -> None:
        histories = fit_replicas(trainee, settings, checkpoint, watches)
        stacked.give([training.chain for training in group])
        kept = {"xla": about["xla"], "replicas": len(group)}
        for training, history in zip(group, histories, strict=True):
            weights = model_variables(training.chain)
            keep(training.folder / layout.WEIGHTS, training.key, weights, history, kept)
        checkpoint.unlink(missing_ok=True)

    return run


def _streams(group: Sequence[Training], split: str) -> list[Stream]:
    """What each sees as a split; the columns are those of the first, which are the same."""
    first = group[0]
    size = first.settings.batch_size if split == "train" else EVALUATION_BATCH
    return [stream_of(replace(each, session=first.session), split, size) for each in group]


def _rows(stream: Stream) -> Array:
    return stream.found(np.arange(stream.events, dtype=np.int32))
