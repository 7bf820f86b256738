"""ASNG: a distribution over paths learns from their losses on valid while one path trains."""

from dataclasses import dataclass
from math import ceil
from typing import Annotated

import numpy as np

from msml.data.kinematics import Array
from msml.domains import Domain, Positive, Probability
from msml.recipe.expand import TOTAL
from msml.registry import strategies
from msml.runs import layout
from msml.stages.selection import Selection
from msml.stages.session import Session
from msml.stages.training import moved, optimise, steps_of, use_xla
from msml.strategies.pretrained import keep_chain, pretrained_models, streams
from msml.strategies.single_path.natural import Distribution
from msml.strategies.single_path.paths import Paths
from msml.strategies.single_path.steps import TrainedPaths
from msml.strategies.single_path.training import (
    NO_DUMMIES,
    PathTraining,
    covering_losses,
    path_notes,
    trainable_paths,
    with_judged,
)
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, Step, Stream, Tensor, generator, to_device
from msml.training.fit import History, Trainee
from msml.training.measure import measurement
from msml.training.variables import model_seed, models_variables
from msml.weighting.step import epochs

_KEY = "search/asng"
_UNIFORM = 2**16  # different random numbers


@strategies.register("asng", title="ASNG", no_dummies=NO_DUMMIES)
@dataclass(frozen=True, kw_only=True)
class Asng(PathTraining):
    """Train paths drawn from a distribution that moves to the better ones; its mode is chosen.

    Attributes:
        samples: λ, paths that are compared on each batch of valid.
        step: δ, length of the distribution's first step.
        margin: Probability shared evenly among the candidates of a task.

    Early stopping goes by the mode. Source: Akimoto et al. 2019, arXiv:1905.08537; one path a batch
    as in SPOS.
    """

    samples: Annotated[int, Domain(2, 1000)] = 2
    step: Positive = 1.0
    margin: Probability = 0.1

    def search(self, session: Session) -> Selection:
        """Search in a run whose candidates are pre-trained."""
        paths = trainable_paths(session, pretrained_models(session), self)
        counts = {task: len(known) for task, known in paths.names.items()}
        distribution = Distribution(counts, self.step, self.margin)
        path = layout.supernet(session.directory.path)
        trainee, xla = self._trainee(session, paths, distribution)
        history = optimise(session, trainee, self.fit, path, {"xla": xla})
        return _selection(session, paths, history)

    def _trainee(
        self, session: Session, paths: TrainedPaths, distribution: Distribution
    ) -> tuple[Trainee, bool]:
        names, candidates = paths.names, paths.supernet.candidates
        train, valid = streams(session, self.batch_size)
        numbers = Stream(_uniform_numbers(), (1 + self.samples) * len(names))
        losses = (*names, TOTAL)
        xla = use_xla(session, candidates, steps_of(self.fit, train.events))
        seed, count = session.values.seed, ceil(train.events / self.batch_size) * numbers.batch_size

        def drawn(epoch: int) -> list[Array]:
            return [generator(seed, f"{_KEY}/paths", epoch).integers(_UNIFORM, size=count)]

        def measured(batch: Batch) -> Tensor:
            losses = paths.losses(batch, distribution.mode())
            return with_judged(paths, losses, lambda: covering_losses(paths, batch))

        weighed = path_notes(paths, train)
        seen = len(losses) + paths.stopping.judged
        step, draws = moved(
            session,
            session.values.posttrain,
            make_asng_step(paths, distribution),
            [model_seed(seed, _KEY)],
        )
        shares = {f"share/{task}": share for task, share in distribution.shares.items()}
        trainee = Trainee(
            key=_KEY,
            losses=losses,
            weights=models_variables(paths.supernet.models) | shares,
            state=paths.variables | distribution.state | draws,
            train=epochs(
                step,
                [train, valid],
                seed,
                _KEY,
                losses=len(losses),
                xla=xla,
                weighting=paths.weighting,
                drawn_streams=[numbers],
                drawn=drawn,
            ),
            valid=measurement(measured, valid.columns, candidates, seen, xla),
            notes=lambda: {"distribution": _named(paths, distribution), **weighed()},
        )
        return paths.stopping.within(trainee), xla


def make_asng_step(paths: TrainedPaths, distribution: Distribution) -> Step:
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


def _selection(session: Session, paths: TrainedPaths, history: History) -> Selection:
    """Choose the mode of the restored epoch's distribution; ties go to the first by name."""
    final = history.notes[history.best_epoch]["distribution"]
    chosen = {task: max(shares, key=lambda name: shares[name]) for task, shares in final.items()}
    keep_chain(session, paths.supernet.models, chosen)
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
        gradient_passes=float(history.epochs * paths.passes),
        distribution=final,
        epochs=history.by_epoch(),
        best_epoch=history.best_epoch + 1,
    )
