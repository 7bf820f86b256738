"""SPOS: each batch trains one path through the candidates; then all paths are ranked on valid."""

from dataclasses import dataclass
from functools import partial
from math import ceil, prod
from typing import Annotated, Any, Literal

import numpy as np

from msml.chain import WEIGHT
from msml.data.kinematics import Array
from msml.domains import Domain
from msml.recipe.expand import TOTAL
from msml.registry import strategies
from msml.runs import layout
from msml.stages.selection import Selection
from msml.stages.session import Session
from msml.stages.training import moved, optimise, steps_of, use_xla
from msml.strategies.pretrained import keep_chain, pretrained_models
from msml.strategies.ranking import Record, Score, ranked_by, standing, undetermined
from msml.strategies.shared import SharedWeights, rank_supernet, ranked
from msml.strategies.single_path.evolution import Evolution, Genes, evolve
from msml.strategies.single_path.paths import Paths
from msml.strategies.single_path.sampling import draw
from msml.strategies.single_path.steps import TrainedPaths
from msml.strategies.single_path.training import (
    NO_DUMMIES,
    PathTraining,
    covering_losses,
    path_notes,
    trainable_paths,
    with_judged,
)
from msml.training.checkpoint import assign, load_arrays
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, Step, Stream, Tensor, generator, to_device
from msml.training.fit import History, Trainee
from msml.training.measure import measurement
from msml.training.variables import model_seed, models_variables
from msml.weighting.step import epochs

_KEY = "search/spos"


@strategies.register("spos", title="SPOS", no_dummies=NO_DUMMIES)
@dataclass(frozen=True, kw_only=True)
class Spos(PathTraining):
    """Train one path a batch with weights that paths share, and choose the best path on valid.

    Attributes:
        sampling: Whether paths are drawn by chance, or so that each candidate of a task is
            trained equally often.
        choice: Whether all paths are measured at the end, or those that evolution finds.
        exhaustive_up_to: With more paths than these it is evolution in any case.

    Early stopping goes by the mean over paths that together cover all candidates. Source: paper,
    section 3.2 and algorithm 2.
    """

    sampling: Literal["uniform", "fair"] = "uniform"
    choice: Literal["exhaustive", "evolution"] = "exhaustive"
    exhaustive_up_to: Annotated[int, Domain(1, 10**6)] = 1000

    def search(self, session: Session) -> Selection:
        """Search in a run whose candidates are pre-trained."""
        paths = trainable_paths(session, pretrained_models(session), self)
        history = _trained(session, paths, self)
        combinations = prod(map(len, paths.names.values()))
        if self.choice == "evolution" or combinations > self.exhaustive_up_to:
            ranking, by = _evolved(session, paths), f"{ranked_by(session)}, evolution"
        else:
            ranking, by = rank_supernet(session, paths.supernet.models), ranked_by(session)
        chosen = dict(ranking[0]["chain"])
        keep_chain(session, paths.supernet.models, chosen)
        return Selection(
            strategy="spos",
            by=f"{by}, shared weights",
            chosen=chosen,
            undetermined=undetermined(ranking),
            trained=False,
            gradient_passes=float(history.epochs * paths.passes),
            ranking=ranking,
            epochs=history.by_epoch(),
            best_epoch=history.best_epoch + 1,
        )


def _trained(session: Session, paths: TrainedPaths, settings: Spos) -> History:
    """Train the paths, unless that was done; the weights are those of the best epoch."""
    supernet = paths.supernet
    path = layout.supernet(session.directory.path)
    weights = models_variables(supernet.models)
    if path.exists():  # what follows takes long where there are many paths
        arrays, about = load_arrays(path)
        assign(weights, arrays, str(path))
        return History(**about["history"])
    columns = [*supernet.inputs.columns(), WEIGHT]
    train, valid = ({n: session.on_device(s)[n] for n in columns} for s in ("train", "valid"))
    stream = Stream(train, settings.batch_size)
    draws = [
        Stream(to_device({"number": np.arange(len(names), dtype=np.int32)}), 1)
        for names in paths.names.values()
    ]
    losses = (*paths.names, TOTAL)
    xla = use_xla(session, supernet.candidates, steps_of(settings.fit, stream.events))

    def step(batch: Batch, *drawn: Batch) -> Tensor:
        return paths.descend(batch, [one["number"][0] for one in drawn])

    steps, seed = ceil(stream.events / settings.batch_size), session.values.seed
    drawn = partial(_drawn, paths, settings.sampling, steps, seed)
    count = len(losses) + paths.stopping.judged
    moving, motions = moved(session, session.values.posttrain, step, [model_seed(seed, _KEY)])
    trainee = Trainee(
        key=_KEY,
        losses=losses,
        weights=weights,
        state=paths.variables | motions,
        train=epochs(
            moving,
            [stream],
            seed,
            _KEY,
            losses=len(losses),
            xla=xla,
            weighting=paths.weighting,
            drawn_streams=draws,
            drawn=drawn,
        ),
        valid=measurement(make_covering_step(paths), valid, supernet.candidates, count, xla),
        notes=path_notes(paths, stream),
        enough=lambda history: settings.candidate_patience is not None,  # none learns any more
    )
    trainee = paths.stopping.within(trainee)
    return optimise(session, trainee, settings.fit, path, {"xla": xla})


def make_covering_step(paths: TrainedPaths) -> Step:
    """Measure the mean losses of paths that cover all candidates, and of their totals."""
    tf = tensorflow()

    def step(batch: Batch) -> Tensor:
        found = covering_losses(paths, batch)
        return with_judged(paths, tf.add_n(found) / len(found), lambda: found)

    return step


def _drawn(paths: Paths, sampling: Any, steps: int, seed: int, epoch: int) -> list[Array]:
    """Candidates of each task that an epoch's steps train."""
    return [
        draw(sampling, len(names), steps, seed, f"{_KEY}/{task}", epoch)
        for task, names in paths.names.items()
    ]


def _evolved(session: Session, paths: Paths) -> list[Record]:
    """Rank the paths that an evolutionary search measures."""
    shared = SharedWeights(session, paths.supernet.models)
    scores: dict[Genes, Score] = {}

    def chain(genes: Genes) -> dict[str, str]:
        return {t: names[i] for (t, names), i in zip(paths.names.items(), genes, strict=True)}

    def measure(generation: list[Genes]) -> list[Any]:
        scores.update({genes: shared.score(chain(genes), replicas=False) for genes in generation})
        return [standing(session, chain(genes), scores[genes]) for genes in generation]

    sizes = [len(names) for names in paths.names.values()]
    evolve(sizes, measure, generator(session.values.seed, f"{_KEY}/evolution", 0), Evolution())
    return ranked(session, shared, [chain(genes) for genes in scores], list(scores.values()))
