"""SPOS: each batch trains one path through the candidates; then all paths are ranked on valid."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil, prod
from typing import Annotated, Any, Literal

import numpy as np

from msml.chain import WEIGHT, Chain
from msml.data.kinematics import Array
from msml.domains import Count, Domain
from msml.recipe.expand import TOTAL
from msml.recipe.messages import Problem
from msml.recipe.optimizers import check_optimizer
from msml.recipe.schema_training import Fit
from msml.registry import strategies
from msml.runs import layout
from msml.stages.selection import Selection
from msml.stages.session import Session
from msml.stages.training import moved, optimise, steps_of, use_xla
from msml.strategies.evolution import Evolution, Genes, evolve
from msml.strategies.paths import Paths
from msml.strategies.pretrained import keep_chain, pretrained_models
from msml.strategies.ranking import Record, Score, ranked_by, standing, undetermined
from msml.strategies.sampling import draw
from msml.strategies.shared import SharedWeights, rank_supernet, ranked
from msml.strategies.supernet import Supernet
from msml.training.checkpoint import assign, load_arrays
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, Step, Stream, Tensor, generator, to_device
from msml.training.fit import History, Trainee
from msml.training.measure import measurement
from msml.training.steps import make_optimizer
from msml.training.variables import Models, model_seed, models_variables, numbered
from msml.weighting.diagnosis import Notes, chain_diagnosis, weighting_notes
from msml.weighting.rule import make_weighting, tasks_of
from msml.weighting.step import epochs

_KEY = "search/spos"
NO_DUMMIES = (
    "it passes on nothing of its input, and in a single path all others are trained on what it "
    "passes on, which spoils their weights"
)


def adam() -> dict[str, Any]:
    """Return the paper's optimizer."""
    return {"name": "adam", "learning_rate": 1e-3}


@dataclass(frozen=True, kw_only=True)
class PathTraining:
    """How candidates are trained on single paths.

    Attributes:
        optimizer: Of each candidate.
        batch_size: Train events of a step.
        epochs: Most passes over the events.
        patience: Epochs without improvement on valid after which it stops.
    """

    optimizer: dict[str, Any] = field(default_factory=adam)
    batch_size: Count = 100
    epochs: Count = 100
    patience: Count = 20

    @property
    def fit(self) -> Fit:
        """The same for the loop."""
        return Fit(self.optimizer, self.batch_size, self.epochs, self.patience)

    def problems(self) -> Iterator[Problem]:
        """Yield the arguments whose values make no sense."""
        yield from check_optimizer("optimizer", self.optimizer)

    def trainings(self, candidates: Sequence[int], posttrain: Fit) -> tuple[Fit, list[float]]:
        """Train each candidate in its share of the paths."""
        return self.fit, [1 / known for known in candidates]


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
        paths = trainable_paths(session, pretrained_models(session), self.fit)
        history = _trained(session, paths, self.fit, self.sampling)
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


def trainable_paths(session: Session, models: Models, settings: Fit) -> Paths:
    """Give each candidate an optimizer of its own."""
    supernet = Supernet(session.tasks, models, epsilon=0.0)
    optimizers = {
        task: {
            name: make_optimizer(settings, model.trainable_variables, session.precision)
            for name, model in candidates.items()
        }
        for task, candidates in models.items()
    }
    task_weights = session.task_weights
    seed = model_seed(session.values.seed, "search/weighting")
    weighting = make_weighting(
        session.values.weighting, tasks_of(supernet.inputs, task_weights, seed)
    )
    return Paths(supernet, task_weights, optimizers, weighting)


def training_variables(paths: Paths) -> dict[str, Any]:
    """The variables of all optimizers by task, name and position, and those of the weighting."""
    return {
        f"{task}/{name}/{number}": variable
        for task, optimizers in (paths.optimizers or {}).items()
        for name, optimizer in optimizers.items()
        for number, variable in numbered(optimizer.variables).items()
    } | (paths.weighting.variables if paths.weighting else {})


def path_notes(paths: Paths, train: Stream) -> Notes:
    """How the weighting sees the tasks on the path of the first candidates by name."""
    weighting = paths.weighting
    assert weighting is not None
    models = {task: paths.supernet.models[task][names[0]] for task, names in paths.names.items()}
    chain = Chain(paths.supernet.tasks, models)
    return weighting_notes(
        weighting, list(models), train, lambda: chain_diagnosis(chain, weighting)
    )


def covering(counts: list[int]) -> list[tuple[int, ...]]:
    """Paths by candidates' numbers, as many as the largest count, that cover all candidates."""
    return [tuple(i % count for count in counts) for i in range(max(counts))]


def make_covering_step(paths: Paths) -> Step:
    """Measure the mean losses of paths that cover all candidates, and of their totals."""
    tf = tensorflow()
    chosen = covering([len(names) for names in paths.names.values()])

    def step(batch: Batch) -> Tensor:
        return tf.add_n([paths.losses(batch, numbers) for numbers in chosen]) / len(chosen)

    return step


def _trained(session: Session, paths: Paths, settings: Fit, sampling: Any) -> History:
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
    xla = use_xla(session, supernet.candidates, steps_of(settings, stream.events))

    def step(batch: Batch, *drawn: Batch) -> Tensor:
        return paths.descend(batch, [one["number"][0] for one in drawn])

    steps, seed = ceil(stream.events / settings.batch_size), session.values.seed
    drawn = partial(_drawn, paths, sampling, steps, seed)
    measure = make_covering_step(paths)
    assert paths.weighting is not None
    moving, motions = moved(session, session.values.posttrain, step, [model_seed(seed, _KEY)])
    trainee = Trainee(
        key=_KEY,
        losses=losses,
        weights=weights,
        state=training_variables(paths) | motions,
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
        valid=measurement(measure, valid, supernet.candidates, len(losses), xla),
        notes=path_notes(paths, stream),
    )
    return optimise(session, trainee, settings, path, {"xla": xla})


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
