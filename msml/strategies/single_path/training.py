"""What searches that train one path a batch share: settings, optimizers, what is measured."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from msml.chain import Chain, weighted_total
from msml.domains import Count
from msml.recipe.messages import Problem
from msml.recipe.optimizers import check_optimizer
from msml.recipe.schema_training import Fit
from msml.stages.session import Session
from msml.strategies.judging import reached
from msml.strategies.single_path.paths import Paths
from msml.strategies.single_path.steps import TrainedPaths
from msml.strategies.stopping import Stopping
from msml.strategies.supernet import Supernet
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, Stream, Tensor
from msml.training.steps import make_optimizer
from msml.training.variables import Models, model_seed
from msml.weighting.diagnosis import Notes, chain_diagnosis, weighting_notes
from msml.weighting.rule import make_weighting, tasks_of

NO_DUMMIES = (
    "it passes on nothing of its input, and in a single path all others are trained on what it "
    "passes on, which spoils their weights"
)


@dataclass(frozen=True, kw_only=True)
class PathTraining:
    """How candidates are trained on single paths.

    Attributes:
        optimizer: Of each candidate.
        batch_size: Train events of a step.
        epochs: Most passes over the events.
        patience: Epochs without improvement on valid after which it stops.
        candidate_patience: Epochs without improvement on valid after which a candidate keeps the
            weights of its best epoch, while the others learn; when none does, training stops. It is
            judged in one path, by the losses of its task and of those that its output reaches.
            Null: all learn to the end.
    """

    optimizer: dict[str, Any] = field(default_factory=lambda: Fit().optimizer)
    batch_size: Count = 100
    epochs: Count = 100
    patience: Count = 20
    candidate_patience: Count | None = None

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


def trainable_paths(session: Session, models: Models, settings: PathTraining) -> TrainedPaths:
    """Give each candidate an optimizer of its own."""
    supernet = Supernet(session.tasks, models, epsilon=0.0)
    optimizers = {
        task: {
            name: make_optimizer(settings.fit, model.trainable_variables, session.precision)
            for name, model in candidates.items()
        }
        for task, candidates in models.items()
    }
    task_weights = session.task_weights
    seed = model_seed(session.values.seed, "search/weighting")
    weighting = make_weighting(
        session.values.weighting, tasks_of(supernet.inputs, task_weights, seed)
    )
    stopping = Stopping(models, settings.candidate_patience, settings.epochs)
    return TrainedPaths(supernet, task_weights, optimizers, weighting, stopping)


def path_notes(paths: TrainedPaths, train: Stream) -> Notes:
    """How the weighting sees the tasks on the path of the first candidates by name."""
    weighting = paths.weighting
    models = {task: paths.supernet.models[task][names[0]] for task, names in paths.names.items()}
    chain = Chain(paths.supernet.tasks, models)
    return weighting_notes(
        weighting, list(models), train, lambda: chain_diagnosis(chain, weighting)
    )


def covering(counts: list[int]) -> list[tuple[int, ...]]:
    """Paths by candidates' numbers, as many as the largest count, that cover all candidates."""
    return [tuple(i % count for count in counts) for i in range(max(counts))]


def covering_losses(paths: Paths, batch: Batch) -> list[Tensor]:
    """Losses of paths that together cover all candidates, `(tasks + 1,)` each."""
    counts = [len(names) for names in paths.names.values()]
    return [paths.losses(batch, numbers) for numbers in covering(counts)]


def with_judged(paths: TrainedPaths, losses: Tensor, covered: Callable[[], list[Tensor]]) -> Tensor:
    """Add to losses those by which candidates stop, if any ever does.

    Args:
        paths: The paths.
        losses: What else is measured, `(n,)`.
        covered: Gives the `covering_losses`.
    """
    tf, stopping = tensorflow(), paths.stopping
    if stopping.patience is None:
        return losses
    later, names = reached(paths.supernet.tasks), list(paths.names)
    found, known = [], covered()
    for task, name in stopping.candidates:
        path, seen = known[paths.names[task].index(name)], [task, *later[task]]
        shares = [paths.task_weights[each] for each in seen]
        seen_losses = [path[names.index(each)] for each in seen]
        # What no loss sees does not learn.
        found.append(weighted_total(shares, seen_losses) if any(shares) else tf.zeros([]))
    return tf.concat([losses, tf.stack(found)], axis=0)
