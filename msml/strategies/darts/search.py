"""DARTS: all candidates mixed in shares that follow from α; α sees valid, the weights see train."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from msml.data.kinematics import Array
from msml.data.schema import COLUMNS
from msml.recipe.expand import TOTAL
from msml.registry import strategies
from msml.runs import layout
from msml.stages.selection import Selection
from msml.stages.session import Session
from msml.stages.training import moved, optimise
from msml.strategies.darts.alphas import Alphas
from msml.strategies.darts.choice import (
    by_ranking,
    scores_of_alpha,
    scores_of_removal,
    selection,
)
from msml.strategies.darts.known import constant, resident, with_outputs
from msml.strategies.darts.monitor import entropies, hessian_measurement, ranking_stays
from msml.strategies.darts.settings import DartsSettings
from msml.strategies.darts.step import DartsStep, Objective, make_supernet_loss_step, values
from msml.strategies.judging import count_alone, judged
from msml.strategies.pretrained import keep_chain, pretrained_models, streams
from msml.strategies.ranking import ranked_by
from msml.strategies.relaxation import Relaxation
from msml.strategies.shared import rank_supernet
from msml.strategies.stopping import Stopping
from msml.strategies.supernet import Candidate, Given, Supernet
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, EpochResult, Step, Stream, Tensor
from msml.training.fit import History, Trainee
from msml.training.measure import measurement
from msml.training.steps import make_optimizer
from msml.training.variables import model_seed, models_variables, numbered
from msml.weighting.diagnosis import Diagnosis, make_diagnosis, weighting_notes
from msml.weighting.rule import make_weighting, tasks_of
from msml.weighting.step import epochs

KEY = "search/darts"


@strategies.register("darts", title="DARTS")
@dataclass(frozen=True, kw_only=True)
class Darts(DartsSettings):
    """Train the mixture of all candidates, and choose those of the largest α.

    Source: paper, section 3.1 and algorithm 1; perturbation: Wang et al., 2108.04392.
    """

    def search(self, session: Session) -> Selection:
        """Search in a run whose candidates are pre-trained."""
        return DartsSearch(session, self).run()


class DartsSearch:
    """One search.

    Args:
        session: The run.
        settings: The strategy of its recipe.
    """

    def __init__(self, session: Session, settings: DartsSettings) -> None:
        tf = tensorflow()
        self._session, self._settings = session, settings
        self._tau = tf.Variable(settings.temperature)
        self.supernet = Supernet(
            session.tasks,
            pretrained_models(session),
            settings.epsilon,
            Relaxation(settings.relaxation, self._tau),
            _angles(session) if settings.mix == "circular" else {},
        )
        self.alphas = Alphas(self.supernet)
        task_weights, patience = session.task_weights, settings.candidate_patience
        models = self.supernet.models
        self._stopping = Stopping(models, patience, settings.epochs)
        self.objective = Objective(self.supernet, task_weights)
        self._train, self._valid = self._streams()
        self._optimizer = make_optimizer(settings.fit, self.supernet.variables, session.precision)
        self._alpha_optimizer = make_optimizer(settings.alpha_fit, self.alphas.variables, "float32")
        self._draws = tf.Variable([0, model_seed(session.values.seed, KEY) % 2**31], dtype="int32")
        # XLA compiles a second-order epoch for minutes and gains little at large batches; it has no
        # gamma distribution.
        self._xla = bool(session.values.xla) and settings.relaxation != "dirichlet"
        self._weighting = make_weighting(
            session.values.weighting,
            tasks_of(self.supernet.inputs, task_weights, model_seed(session.values.seed, KEY)),
        )
        self.losses = (*self.supernet.losses, TOTAL)
        self._learning = self._learn()

    def measure(self) -> Array:
        """The `losses` on valid, and where candidates stop those that judge them."""
        return self._now.measure()

    @property
    def _now(self) -> "_Learning":
        """What is compiled, anew where fewer candidates learn."""
        if self._learning.stopped != self._stopping.stopped:
            self._learning = self._learn()
        return self._learning

    def _learn(self) -> "_Learning":
        supernet = replace(self.supernet, stopped=self._stopping.stopped)
        # Where events are moved anew each time, so are outputs.
        if self._session.values.posttrain.augment is None and resident(self._train):
            supernet = replace(supernet, known=constant(supernet, supernet.stopped))
            self._train = with_outputs(supernet, self._train)
            self._valid = with_outputs(supernet, self._valid)
        objective = replace(self.objective, supernet=supernet)
        alone = self._settings.candidate_patience is not None
        measure = measurement(
            make_supernet_loss_step(objective, self.alphas.variables, alone=alone),
            self._valid.columns,
            supernet.candidates,
            len(self.losses) + (count_alone(supernet) if alone else 0),
            self._xla,
        )
        return _Learning(objective, measure)

    def run(self) -> Selection:
        """Train, choose, and keep the weights of the chosen chain."""
        settings, path = self._settings, layout.supernet(self._session.directory.path)
        history = optimise(self._session, self._trainee(), settings.fit, path, {"xla": self._xla})
        self._tau.assign(settings.tau(history.best_epoch))
        found = self._chosen(history)
        keep_chain(self._session, self.supernet.models, found.chosen)
        return found

    def _streams(self) -> tuple[Stream, Stream]:
        """Events that the weights descend on, and events that α descends on and that judge."""
        return streams(self._session, self._settings.batch_size)

    def _trainee(self) -> Trainee:
        settings, stopping = self._settings, self._stopping
        kinds = {"warm-up": None, "search": self._alpha_optimizer}
        moving = {name: self._moved(optimizer, name) for name, optimizer in kinds.items()}
        draws = {f"{n} {key}": v for n, (_, known) in moving.items() for key, v in known.items()}

        def train(number: int) -> EpochResult:
            self._tau.assign(settings.tau(number))
            name = "warm-up" if number < settings.warmup else "search"
            compiled = self._now.epochs
            if name not in compiled:
                compiled[name] = self._epochs(moving[name][0])
            return compiled[name](number)

        def enough(history: History) -> bool:
            count = settings.stable_epochs
            alphas = [note["alpha"] for note in history.notes[settings.warmup :]]
            return count is not None and ranking_stays(alphas, count)

        trainee = Trainee(
            key=KEY,
            losses=self.losses,
            weights=models_variables(self.supernet.models) | self.alphas.by_task(),
            state=numbered(
                [*self._optimizer.variables, *self._alpha_optimizer.variables, self._draws]
            )
            | self._weighting.variables
            | draws,
            train=train,
            valid=self.measure,
            notes=self._notes(),
            counts=lambda history: history.epochs > settings.warmup,
            enough=enough,
        )
        return stopping.within(trainee, self._judged)

    def _judged(self, losses: Array) -> Array:
        own, alone = losses[: len(self.supernet.candidates)], losses[len(self.losses) :]
        return judged(self.supernet, self.objective.task_weights, own, alone)

    def _moved(self, alpha_optimizer: Any | None, name: str) -> tuple[Step, dict[str, Any]]:
        """What happens with a batch of train and one of valid; with what its draws change."""

        def step(train: Batch, valid: Batch) -> Tensor:
            return self._step(alpha_optimizer)(train, valid)

        session = self._session
        seeds = [model_seed(session.values.seed, KEY, name)]
        return moved(session, session.values.posttrain, step, seeds)

    def _epochs(self, step: Step) -> Callable[[int], EpochResult]:
        return epochs(
            step,
            [self._train, self._valid],
            self._session.values.seed,
            KEY,
            losses=len(self.losses),
            xla=self._xla,
            weighting=self._weighting,
            of_tasks=self._task_losses,
        )

    def _step(self, alpha_optimizer: Any | None) -> DartsStep:
        settings = self._settings
        return DartsStep(
            objective=self._learning.objective,
            alphas=self.alphas.variables,
            optimizer=self._optimizer,
            alpha_optimizer=alpha_optimizer,
            rate=settings.rate if settings.order == "second" else None,
            exact=settings.derivative == "exact",
            draws=self._draws,
            weighting=self._weighting,
        )

    def _task_losses(self, losses: Array) -> Array:
        """What the tasks' weights are trained for, from the losses of an epoch."""
        return np.array(self.supernet.task_objectives(list(losses[:-1])))

    def _notes(self) -> Callable[[], dict[str, Any]]:
        curvature: Callable[[], float] | None = None
        if self._settings.hessian:
            curvature = hessian_measurement(
                self.objective, self.alphas.variables, self._valid.columns, self._xla
            )
        tasks = list(self.supernet.models)
        weighed = weighting_notes(self._weighting, tasks, self._train, self._diagnosis)

        def notes() -> dict[str, Any]:
            shares = self.alphas.shares()
            found: dict[str, Any] = {"alpha": self.alphas.values(), "entropy": entropies(shares)}
            return found | weighed() | ({"hessian": curvature()} if curvature else {})

        return notes

    def _diagnosis(self) -> Diagnosis:
        """How the tasks pull at the weights of all candidates, each with its own sum of losses."""
        supernet, objective = self.supernet, self.objective

        def measure(batch: Batch) -> list[Tensor]:
            given, alphas = Given(batch, training=False), values(self.alphas.variables)
            return objective.losses(values(supernet.variables), alphas, given).parts

        return make_diagnosis(list(supernet.models), measure, supernet.variables, self._weighting)

    def _passes(self, history: History) -> float:
        """Count the weight gradients of a search, as `Selection` does.

        One for each step of the weights, or one for each task where the weighting looks at those;
        in second order also one on train and one on valid for each step of α. Those that have
        stopped need none.
        """
        each = len(self.supernet.models) if self._weighting.on_gradients else 1
        ahead = 1 + self._valid.events / self._train.events
        found, learning = 0.0, len(self.supernet.candidates)
        for number, notes in enumerate(history.notes):
            virtual = self._settings.order == "second" and number >= self._settings.warmup
            found += learning * (each + (ahead if virtual else 0))
            learning = notes.get("learning", learning)
        return found

    def _chosen(self, history: History) -> Selection:
        settings, passes = self._settings, self._passes(history)
        scores = scores_of_alpha(self.alphas, history)
        if settings.select_by == "perturbation":
            total = self.losses.index(TOTAL)
            scores = scores_of_removal(self.alphas, scores, lambda: float(self.measure()[total]))
        if settings.select_by == "supernet":
            ranking = rank_supernet(self._session, self.supernet.models)
            return by_ranking(ranking, ranked_by(self._session), scores, history, passes)
        return selection(settings.select_by, scores, history, passes)


@dataclass(frozen=True)
class _Learning:
    """A supernet in which some candidates have stopped, and what is compiled of it.

    Attributes:
        objective: Its loss.
        measure: Measures its losses on valid.
        epochs: Of each kind that was asked for.
    """

    objective: Objective
    measure: Callable[[], Array]
    epochs: dict[str, Callable[[int], EpochResult]] = field(default_factory=dict)

    @property
    def stopped(self) -> Collection[Candidate]:
        """The candidates that have stopped."""
        return self.objective.supernet.stopped


def _angles(session: Session) -> dict[str, int]:
    """Where a task's output has an angle."""
    found = {}
    for task, spec in session.tasks.items():
        components = COLUMNS[spec.target].components if spec.target in COLUMNS else ()
        if "phi" in components:
            found[task] = components.index("phi")
    return found
