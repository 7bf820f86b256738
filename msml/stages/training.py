"""Training one chain, whatever stage it belongs to."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from msml.chain import WEIGHT, Chain
from msml.data.kinematics import Array
from msml.ensemble import Predictor
from msml.errors import DataError, RecipeError
from msml.models.build import build
from msml.models.hidden import hiding
from msml.recipe.expand import TOTAL
from msml.recipe.schema_training import Fit
from msml.runs import layout
from msml.stages.session import Session
from msml.stages.setup import Setup
from msml.training.augmentation import augmented, momenta
from msml.training.averaging import averaged
from msml.training.checkpoint import load_arrays, save_arrays, variable_arrays
from msml.training.epoch import Step, Stream, Tensor
from msml.training.fit import History, Trainee, Watch, fit
from msml.training.measure import EVALUATION_BATCH, Outputs, measurement, predictor
from msml.training.start import begin
from msml.training.steps import make_loss_step, make_optimizer
from msml.training.variables import load_weights, model_seed, model_variables, numbered
from msml.weighting.diagnosis import chain_diagnosis, weighting_notes
from msml.weighting.rule import make_weighting, tasks_of
from msml.weighting.step import epochs, make_chain_step

# Steps of a training after which compiling by XLA has paid for itself on a CPU.
_WORTH_COMPILING = 40_000


@dataclass(frozen=True)
class Training:
    """One training: a chain, its weights v_t, and where its results go.

    Attributes:
        session: The run that it belongs to.
        key: Name of it.
        chain: What is trained.
        task_weights: Task weight of each task of the chain.
        settings: How it is trained.
        folder: Where `weights.h5` goes.
        added: Columns besides those of the data, by split: outputs of tasks trained before.
        shuffle: What decides the order of the events; the key where empty.
        weighting: What weighs the losses, as in the recipe; `fixed` uses the weights v_t.
        folds: Rows of the train split that take the places of the splits `train` and `valid`.
    """

    session: Session
    key: str
    chain: Chain
    task_weights: Mapping[str, float]
    settings: Fit
    folder: Path
    added: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    shuffle: str = ""
    weighting: Mapping[str, Any] = field(default_factory=lambda: {"name": "fixed"})
    folds: Mapping[str, Array] = field(default_factory=dict)

    @property
    def order(self) -> str:
        """What decides, with the seed, the order of the events, and what else is drawn."""
        return self.shuffle or self.key

    @property
    def seed(self) -> int:
        """Seed of what it draws besides the order of the events."""
        return model_seed(self.session.values.seed, self.order)

    @property
    def losses(self) -> tuple[str, ...]:
        """Names of the losses; the last is monitored."""
        return (*self.chain.models, TOTAL)


def build_model(
    session: Setup, task: str, candidate: str, *, fresh: str = "", precision: str = ""
) -> Any:
    """Build a candidate; its initial weights follow from seed, task and candidate.

    Those that it starts from another run with are as they are there.

    Args:
        session: The run.
        task: The task.
        candidate: The candidate.
        fresh: Anything but the empty text gives other weights than pre-training starts from.
        precision: A Keras policy; the run's where empty.
    """
    spec = session.tasks[task].candidates[candidate]
    inputs, output = session.shapes(task)
    seed = model_seed(session.values.seed, task, candidate, fresh)
    seen = session.tasks[task].output
    about = (precision or session.precision, seen, session.masks(task), session.each(task))
    model = build(spec.model, inputs, output, spec.args, seed, *about)
    if hide := session.tasks[task].hide:
        shares = [hide.get(name, 0.0) for name in session.tasks[task].inputs]
        model = hiding(model, inputs, shares, seed)
    if spec.start is not None and (task, candidate) in session.starts:
        try:
            begin(model, spec.start, session.starts[task, candidate])
        except RecipeError as error:
            key = f"tasks.{task}.candidates.{spec.source}.start"
            raise RecipeError([f"{key}: {problem}" for problem in error.problems]) from error
    return model


def use_xla(session: Session, models: Iterable[Any], steps: int) -> bool:
    """XLA by a fixed rule: not for convolutions on a CPU, whose gradients it makes far slower.

    Nor for pooling by maxima anywhere, of whose gradient it has no deterministic form, nor where
    objects are packed, as their number differs from batch to batch; nor, on a CPU, where a training
    ends before the time to compile it is won back.

    Args:
        session: The run.
        models: What is trained or measured.
        steps: Most steps that there will be.
    """
    if session.values.xla is not None:
        return session.values.xla
    kinds = {type(layer).__name__ for model in models for layer in model._flatten_layers()}
    if "Pack" in kinds or any(kind.startswith("MaxPooling") for kind in kinds):
        return False
    worth = steps >= _WORTH_COMPILING and not any("Conv" in kind for kind in kinds)
    return session.environment.gpu or worth


def batches_of(settings: Fit, events: int) -> int:
    """Steps of an epoch."""
    return -(-events // settings.batch_size)


def steps_of(settings: Fit, events: int) -> int:
    """Most steps of a training."""
    return settings.epochs * batches_of(settings, events)


def train(training: Training) -> History:
    """Train a chain on train with early stopping on valid, and keep the result in its folder.

    Where that was done, it gets the weights that are there.
    """
    if (path := training.folder / layout.WEIGHTS).exists():
        return _restored(training.chain, path)
    session, chain, names = training.session, training.chain, training.losses
    stream = stream_of(training, "train", training.settings.batch_size)
    valid = stream_of(training, "valid", EVALUATION_BATCH)
    steps = batches_of(training.settings, stream.events)
    optimizer = make_optimizer(training.settings, chain.variables(), session.precision, steps)
    drawn = tasks_of(chain, training.task_weights, training.seed)
    weighting = make_weighting(training.weighting, drawn)
    xla = use_xla(session, chain.models.values(), steps_of(training.settings, stream.events))
    step = make_chain_step(chain, training.task_weights, optimizer, weighting)
    step, draws = moved(session, training.settings, step, [training.seed])
    about: Any = {"losses": len(names), "xla": xla, "weighting": weighting}
    epoch = epochs(step, [stream], session.values.seed, training.order, **about)
    epoch, raw = averaged(epoch, chain.variables(), training.settings.average)
    trainee = Trainee(
        key=training.key,
        losses=names,
        weights=model_variables(chain),
        state=numbered(optimizer.variables) | weighting.variables | draws | raw,
        train=epoch,
        valid=validation(session, chain, training.task_weights, valid, training.settings.epochs),
        notes=weighting_notes(
            weighting, list(chain.models), stream, lambda: chain_diagnosis(chain, weighting)
        ),
    )
    # Nothing changes from epoch to epoch where there is nothing to train.
    settings = training.settings if chain.variables() else replace(training.settings, epochs=1)
    return optimise(session, trainee, settings, path, {"xla": xla})


def moved(
    session: Session, settings: Fit, step: Step, seeds: Sequence[int]
) -> tuple[Step, dict[str, Any]]:
    """Let a step see events as the settings move them; with the variables of that.

    Args:
        session: The run.
        settings: Of the training; a search moves events as `posttrain` does.
        step: What it does with a batch of train, and of others, which stay as they are.
        seeds: Of the draws, one for each replica.
    """
    if settings.augment is None:
        return step, {}
    known = momenta(settings.augment, session.columns, session.pipelines)
    return augmented(step, settings.augment, known, seeds)


def optimise(
    session: Session, trainee: Trainee, settings: Fit, path: Path, about: Mapping[str, Any]
) -> History:
    """Fit what is trained, or go on with it, and keep its best weights and history in a file."""
    checkpoint = path.parent / layout.CHECKPOINT
    history = fit(trainee, settings, checkpoint, watch_of(session, trainee.key, settings))
    keep(path, trainee.key, trainee.weights, history, about)
    checkpoint.unlink(missing_ok=True)
    return history


def keep(
    path: Path, key: str, weights: Mapping[str, Any], history: History, about: Mapping[str, Any]
) -> None:
    """Write the result of a training into a file."""
    known = {"key": key, "history": asdict(history), **about}
    save_arrays(path, variable_arrays(weights), known)


def _restored(chain: Chain, path: Path) -> History:
    """Give a chain the weights of its training."""
    load_weights(chain, path)
    _, about = load_arrays(path)
    try:
        return History(**about["history"])
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: no history of a training ({error})") from error


def validation(
    session: Session,
    chain: Predictor,
    task_weights: Mapping[str, float],
    events: Stream,
    passes: int = 1,
) -> Callable[[], Array]:
    """Compile the measurement of a chain's losses on a split, for so many passes.

    Noise is drawn from the same seed every time, or the best epoch would be a lucky draw.
    """
    step, models = make_loss_step(chain, task_weights), chain.networks()
    xla = use_xla(session, models, passes * -(-events.events // EVALUATION_BATCH))
    return measurement(step, events.columns, models, len(chain.models) + 1, xla, events.rows)


def predict(session: Session, chain: Predictor, split: str) -> dict[str, Outputs]:
    """Outputs of a chain's tasks on a split, by name."""
    return predictor(chain)(session.on_device(split))


def stream_of(training: Training, split: str, batch_size: int) -> Stream:
    """What a training sees as a split."""
    source = "train" if training.folds else split
    available = {**training.session.on_device(source), **training.added.get(source, {})}
    columns = {name: available[name] for name in (*training.chain.columns(), WEIGHT)}
    return Stream(columns, batch_size, training.folds.get(split))


def watch_of(session: Session, key: str, settings: Fit) -> Watch:
    """Log and show each epoch."""

    def epoch(history: History) -> None:
        facts = {
            "unit": key,
            "epoch": history.epochs,
            "train": history.train[-1],
            "valid": history.valid[-1],
            **history.notes[-1],
            "best": history.best,
            "best_epoch": history.best_epoch + 1 or None,
            "patience_left": settings.patience - history.waited,
        }
        session.directory.log(facts)
        session.progress.epoch(key, {**facts, "epochs": settings.epochs})

    return Watch(
        resumed=lambda epochs: session.directory.forget(key, epochs),
        epoch=epoch,
        stop=session.progress.stop,
    )
