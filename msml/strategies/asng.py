"""ASNG: a distribution over paths learns from their losses on valid while one path trains."""

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

import numpy as np

from msml.data.kinematics import Array
from msml.recipe.messages import Problem
from msml.recipe.schema import Fit
from msml.registry import strategies
from msml.stages.session import Session
from msml.stages.training import TOTAL, measurement, optimise, use_xla
from msml.strategies.darts import keep_chain, pretrained_supernet, streams, supernet_variables
from msml.strategies.natural import Distribution
from msml.strategies.paths import Paths
from msml.strategies.selection import Selection
from msml.strategies.spos import NO_DUMMIES, check_paths, optimizer_variables, trainable_paths
from msml.training.environment import tensorflow
from msml.training.epoch import (
    Batch,
    Step,
    Stream,
    Tensor,
    compile_epoch,
    generator,
    shuffled,
    to_device,
)
from msml.training.fit import History, Trainee

_KEY = "search/asng"
_ADAM = {"name": "adam", "learning_rate": 1e-3}
_UNIFORM = 2**16  # different random numbers


def _check(arguments: Mapping[str, Any]) -> Iterator[Problem]:
    yield from check_paths(arguments)
    if arguments["samples"] < 2:
        yield "samples", f"expected 2 or more, got {arguments['samples']}"
    if not 0 < arguments["step"] < np.inf:
        yield "step", f"expected a number above 0, got {arguments['step']:g}"
    if not 0 < arguments["margin"] < 1:
        yield "margin", f"expected a number between 0 and 1, got {arguments['margin']:g}"


@strategies.register("asng", check=_check, no_dummies=NO_DUMMIES)
def asng(
    session: Session,
    *,
    samples: int = 2,
    step: float = 1.0,
    margin: float = 0.1,
    optimizer: dict[str, Any] = _ADAM,
    batch_size: int = 100,
    epochs: int = 100,
    patience: int = 20,
) -> Selection:
    """Train paths drawn from a distribution that moves to the better ones; its mode is chosen.

    Args:
        session: The run.
        samples: λ, paths that are compared on each batch of valid.
        step: δ, length of the distribution's first step.
        margin: Probability shared evenly among the candidates of a task.
        optimizer: Of each candidate.
        batch_size: Train events of a step; valid events go along in proportion.
        epochs: Most passes over the events.
        patience: Epochs after which it stops without improvement of the mode on valid.

    Source: Akimoto et al. 2019, arXiv:1905.08537; one path a batch as in SPOS.
    """
    settings = Fit(optimizer, batch_size, epochs, patience)
    supernet = pretrained_supernet(session, epsilon=0.0)
    paths = trainable_paths(session, supernet, settings)
    names = paths.names
    distribution = Distribution({t: len(known) for t, known in names.items()}, step, margin)
    train, valid = streams(session, supernet, batch_size)
    numbers = Stream(_uniform_numbers(), (1 + samples) * len(names))
    losses, xla = (*names, TOTAL), use_xla(session, supernet.candidates)
    work = make_asng_step(paths, distribution)
    epoch = compile_epoch(work, train, valid, numbers, losses=len(losses), xla=xla)
    seed, count = session.values.seed, ceil(train.events / batch_size) * numbers.batch_size

    def drawn(epoch: int) -> list[Array]:
        return [generator(seed, f"{_KEY}/paths", epoch).integers(_UNIFORM, size=count)]

    def mode(batch: Batch) -> Tensor:
        return paths.losses(batch, distribution.mode())

    trainee = Trainee(
        key=_KEY,
        losses=losses,
        weights=supernet_variables(supernet)
        | {f"share/{task}": share for task, share in distribution.shares.items()},
        state=optimizer_variables(paths) | distribution.state,
        train=shuffled(epoch, [train.events, valid.events], seed, _KEY, drawn),
        valid=measurement(mode, valid.columns, supernet.candidates, len(losses), xla),
        notes=lambda: {"distribution": _named(paths, distribution)},
    )
    path = session.directory.file("search", "supernet.h5")
    history = optimise(session, trainee, settings, path, {"xla": xla})
    return _selection(session, paths, history)


def make_asng_step(paths: Paths, distribution: Distribution) -> Step:
    """Train a sampled path on train; compare others on valid, and move the distribution."""
    tf = tensorflow()

    def step(train: Batch, valid: Batch, draws: Batch) -> Tensor:
        uniform = tf.reshape(draws["uniform"], [-1, len(paths.names)])
        numbers = distribution.sample(uniform)
        losses = paths.descend(train, tf.unstack(numbers[0]))
        compared = [tf.unstack(one) for one in tf.unstack(numbers[1:])]
        found = [paths.losses(valid, one)[-1] for one in compared]
        distribution.update(numbers[1:], tf.stack(found))
        return losses

    return step


def _uniform_numbers() -> dict[str, Tensor]:
    """Numbers of U(0, 1) to draw from, evenly spread."""
    return to_device({"uniform": ((np.arange(_UNIFORM) + 0.5) / _UNIFORM).astype(np.float32)})


def _named(paths: Paths, distribution: Distribution) -> dict[str, dict[str, float]]:
    """Probabilities by task and candidate."""
    return {
        task: dict(zip(names, distribution.shares[task].numpy().tolist(), strict=True))
        for task, names in paths.names.items()
    }


def _selection(session: Session, paths: Paths, history: History) -> Selection:
    """Choose the mode of the restored epoch's distribution; ties go to the first by name."""
    final = history.notes[history.best_epoch]["distribution"]
    chosen = {task: max(shares, key=lambda name: shares[name]) for task, shares in final.items()}
    keep_chain(session, paths.supernet, chosen)
    return Selection(
        strategy="asng",
        by="distribution",
        chosen=chosen,
        undetermined=[
            task
            for task, shares in final.items()
            if list(shares.values()).count(max(shares.values())) > 1
        ],
        trained=False,
        gradient_passes=float(history.epochs * len(paths.names)),
        distribution=final,
        epochs=[
            {"train": train, "valid": valid, **notes}
            for train, valid, notes in zip(history.train, history.valid, history.notes, strict=True)
        ],
        best_epoch=history.best_epoch + 1,
    )
