"""DARTS: all candidates mixed in shares that follow from α; α sees valid, the weights see train."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from msml.data.kinematics import Array
from msml.data.schema import COLUMNS
from msml.domains import Count, Natural, NotNegative, Positive
from msml.recipe.expand import TOTAL
from msml.recipe.messages import Problem
from msml.recipe.optimizers import check_optimizer
from msml.recipe.schema_training import Fit
from msml.registry import strategies
from msml.runs import layout
from msml.stages.selection import Selection
from msml.stages.session import Session
from msml.stages.training import moved, optimise
from msml.strategies.alphas import Alphas
from msml.strategies.darts_choice import by_ranking, scores_of_alpha, scores_of_removal, selection
from msml.strategies.darts_monitor import entropies, hessian_measurement, ranking_stays
from msml.strategies.darts_step import DartsStep, Objective, make_supernet_loss_step, values
from msml.strategies.pretrained import keep_chain, pretrained_models, streams
from msml.strategies.ranking import ranked_by
from msml.strategies.relaxation import Kind, Relaxation
from msml.strategies.shared import rank_supernet
from msml.strategies.supernet import Given, Supernet
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, EpochResult, Stream, Tensor
from msml.training.fit import History, Trainee
from msml.training.measure import measurement
from msml.training.steps import make_optimizer
from msml.training.variables import model_seed, models_variables, numbered
from msml.weighting.diagnosis import Diagnosis, make_diagnosis, weighting_notes
from msml.weighting.rule import make_weighting, tasks_of
from msml.weighting.step import epochs

KEY = "search/darts"


def _adam() -> dict[str, Any]:
    return {"name": "adam", "learning_rate": 1e-3}


# A step, in forward-backward passes of the supernet: scripts/bench_search.py.
_PASSES = {"first": 1.14, "second": 3.05}


@strategies.register("darts", title="DARTS")
@dataclass(frozen=True, kw_only=True)
class Darts:
    """Train the mixture of all candidates, and choose those of the largest α.

    Attributes:
        order: Whether α descends the valid loss as it is, or after a virtual step of the weights.
        derivative: How the mixed derivative of second order is taken.
        rate: ζ, the rate of the virtual step.
        epsilon: ε, the weight of each candidate's own loss.
        relaxation: How shares follow from α; see `Relaxation`.
        temperature: τ of the relaxation.
        final_temperature: τ in the last epoch, reached by equal factors; null for no change.
        mix: Whether angles are mixed as numbers, as in the paper, or on the circle.
        warmup: First epochs in which α stays.
        optimizer: Of the weights.
        alpha_optimizer: Of α.
        batch_size: Train events of a step; valid events go along in proportion.
        epochs: Most passes over the events.
        patience: Epochs without improvement of the mixture on valid after which it stops.
        stable_epochs: Stop, too, when the ranking by α was the same after so many epochs.
        clip_norm: Largest global norm of the gradients, of weights and of α each.
        hessian: Whether to log the largest eigenvalue of the Hessian of the valid loss by α.
        select_by: What chooses: the largest α; the candidate whose removal hurts the valid loss
            most; or the best combination with the shared weights, ranked by `select`.

    Source: paper, section 3.1 and algorithm 1; perturbation: Wang et al., 2108.04392.
    """

    order: Literal["first", "second"] = "second"
    derivative: Literal["exact", "difference"] = "exact"
    rate: NotNegative = 1e-3
    epsilon: NotNegative = 1.0
    relaxation: Kind = "softmax"
    temperature: Positive = 1.0
    final_temperature: Positive | None = None
    mix: Literal["linear", "circular"] = "linear"
    warmup: Natural = 0
    optimizer: dict[str, Any] = field(default_factory=_adam)
    alpha_optimizer: dict[str, Any] = field(default_factory=_adam)
    batch_size: Count = 1200
    epochs: Count = 100
    patience: Count = 20
    stable_epochs: Count | None = None
    clip_norm: Positive | None = None
    hessian: bool = False
    select_by: Literal["alpha", "perturbation", "supernet"] = "alpha"

    @property
    def fit(self) -> Fit:
        """How the weights are trained."""
        return Fit(self.optimizer, self.batch_size, self.epochs, self.patience, self.clip_norm)

    @property
    def alpha_fit(self) -> Fit:
        """How α is trained."""
        return Fit(self.alpha_optimizer, clip_norm=self.clip_norm)

    def problems(self) -> Iterator[Problem]:
        """Yield the arguments whose values make no sense."""
        yield from check_optimizer("optimizer", self.optimizer)
        yield from check_optimizer("alpha_optimizer", self.alpha_optimizer)
        if self.warmup >= self.epochs:
            yield "warmup", f"expected 0 or more and fewer than epochs, got {self.warmup}"

    def trainings(self, candidates: Sequence[int], posttrain: Fit) -> tuple[Fit, list[float]]:
        """Train all candidates at once, in as many passes as a step takes."""
        return self.fit, [_PASSES[self.order]] * len(candidates)

    def search(self, session: Session) -> Selection:
        """Search in a run whose candidates are pre-trained."""
        return DartsSearch(session, self).run()

    def tau(self, epoch: int) -> float:
        """Temperature in an epoch, from 0."""
        if self.final_temperature is None or self.epochs == 1:
            return self.temperature
        done = epoch / (self.epochs - 1)
        return float(self.temperature * (self.final_temperature / self.temperature) ** done)


class DartsSearch:
    """One search.

    Args:
        session: The run.
        settings: The strategy of its recipe.
    """

    def __init__(self, session: Session, settings: Darts) -> None:
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
        task_weights = session.task_weights
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
        self.measure = measurement(
            make_supernet_loss_step(self.objective, self.alphas.variables),
            self._valid.columns,
            self.supernet.candidates,
            len(self.losses),
            self._xla,
        )

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
        settings = self._settings
        warm, of_warm = self._epoch(None, "warm-up")
        search, of_search = self._epoch(self._alpha_optimizer, "search")

        def train(epoch: int) -> EpochResult:
            self._tau.assign(settings.tau(epoch))
            return (warm if epoch < settings.warmup else search)(epoch)

        def enough(history: History) -> bool:
            count = settings.stable_epochs
            alphas = [note["alpha"] for note in history.notes[settings.warmup :]]
            return count is not None and ranking_stays(alphas, count)

        return Trainee(
            key=KEY,
            losses=self.losses,
            weights=models_variables(self.supernet.models) | self.alphas.by_task(),
            state=numbered(
                [*self._optimizer.variables, *self._alpha_optimizer.variables, self._draws]
            )
            | self._weighting.variables
            | of_warm
            | of_search,
            train=train,
            valid=self.measure,
            notes=self._notes(),
            warmup=settings.warmup,
            enough=enough,
        )

    def _epoch(
        self, alpha_optimizer: Any | None, name: str
    ) -> tuple[Callable[[int], EpochResult], dict[str, Any]]:
        """Compile epochs of a kind; with the variables of what they draw."""
        session, seed = self._session, self._session.values.seed
        seeds = [model_seed(seed, KEY, name)]
        step = self._step(alpha_optimizer)
        moving, draws = moved(session, session.values.posttrain, step, seeds)
        epoch = epochs(
            moving,
            [self._train, self._valid],
            seed,
            KEY,
            losses=len(self.losses),
            xla=self._xla,
            weighting=self._weighting,
            of_tasks=self._task_losses,
        )
        return epoch, {f"{name} {key}": variable for key, variable in draws.items()}

    def _step(self, alpha_optimizer: Any | None) -> DartsStep:
        settings = self._settings
        return DartsStep(
            objective=self.objective,
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

    def _passes(self, epochs: int) -> float:
        """Count the weight gradients of some epochs, as `Selection` does.

        One for each step of the weights, or one for each task where the weighting looks at those;
        in second order also one on train and one on valid for each step of α.
        """
        each = len(self.supernet.models) if self._weighting.on_gradients else 1
        found = float(each * epochs)
        if self._settings.order == "second":
            searched = max(0, epochs - self._settings.warmup)
            found += searched * (1 + self._valid.events / self._train.events)
        return found * len(self.supernet.candidates)

    def _chosen(self, history: History) -> Selection:
        settings, passes = self._settings, self._passes(history.epochs)
        scores = scores_of_alpha(self.alphas, history)
        if settings.select_by == "perturbation":
            scores = scores_of_removal(self.alphas, scores, lambda: float(self.measure()[-1]))
        if settings.select_by == "supernet":
            ranking = rank_supernet(self._session, self.supernet.models)
            return by_ranking(ranking, ranked_by(self._session), scores, history, passes)
        return selection(settings.select_by, scores, history, passes)


def _angles(session: Session) -> dict[str, int]:
    """Where a task's output has an angle."""
    found = {}
    for task, spec in session.tasks.items():
        components = COLUMNS[spec.target].components if spec.target in COLUMNS else ()
        if "phi" in components:
            found[task] = components.index("phi")
    return found
