"""Training one chain, whatever stage it belongs to."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from msml.chain import WEIGHT, Chain
from msml.data.kinematics import Array
from msml.errors import DataError
from msml.models.build import build
from msml.recipe.schema import Fit
from msml.stages.session import Session
from msml.training.checkpoint import assign, load_arrays, save_arrays, variable_arrays
from msml.training.epoch import Step, Stream, Tensor, compile_epoch, shuffled
from msml.training.fit import History, Trainee, Watch, fit
from msml.training.steps import make_loss_step, make_optimizer
from msml.weighting.diagnosis import chain_diagnosis, weighting_notes
from msml.weighting.rule import make_weighting, tasks_of
from msml.weighting.step import make_weighted_step, with_epoch_end

# Events measured at once; the result depends on it in the last digit only.
_EVALUATION_BATCH = 1000
_NOISE_SEED = 0x5EED
TOTAL = "total"


@dataclass(frozen=True)
class Unit:
    """One training: a chain, its weights v_t, and where its results go.

    Attributes:
        key: Name of it.
        chain: What is trained.
        weights: Task weight of each task of the chain.
        settings: How it is trained.
        folder: Where `weights.h5` and `metrics.json` go.
        added: Columns besides those of the data, by split: outputs of tasks trained before.
        shuffle: What decides the order of the events; the key where empty.
        weighting: What weighs the losses, as in the recipe; `fixed` uses the weights v_t.
    """

    key: str
    chain: Chain
    weights: Mapping[str, float]
    settings: Fit
    folder: Path
    added: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    shuffle: str = ""
    weighting: Mapping[str, Any] = field(default_factory=lambda: {"name": "fixed"})


def build_model(session: Session, task: str, candidate: str, *, fresh: str = "") -> Any:
    """Build a candidate; its initial weights follow from seed, task and candidate.

    Args:
        session: The run.
        task: The task.
        candidate: The candidate.
        fresh: Anything but the empty text gives other weights than pre-training starts from.
    """
    spec = session.tasks[task].candidates[candidate]
    inputs, output = session.shapes(task)
    seed = model_seed(session.values.seed, task, candidate, fresh)
    return build(spec.model, inputs, output, spec.args, seed, session.precision)


def model_seed(seed: int, *names: str) -> int:
    """A seed for each model of a run, by name: the order of candidates does not matter."""
    words = [word for name in names for word in (len(name), *name.encode())]
    return int(np.random.SeedSequence([seed, *words]).generate_state(1)[0])


def model_variables(chain: Chain) -> dict[str, Any]:
    """All variables of a chain's models by task and position; layers' own names count up."""
    return {
        f"{task}/{number}": variable
        for task, model in chain.models.items()
        for number, variable in numbered(model.variables).items()
    }


def use_xla(session: Session, models: Iterable[Any]) -> bool:
    """XLA by a fixed rule: not for convolutions on a CPU, whose gradients it makes far slower.

    Nor for pooling by maxima anywhere, of whose gradient it has no deterministic form.
    """
    if session.values.xla is not None:
        return session.values.xla
    kinds = {type(layer).__name__ for model in models for layer in model._flatten_layers()}
    if any(kind.startswith("MaxPooling") for kind in kinds):
        return False
    return session.environment.gpu or not any("Conv" in kind for kind in kinds)


def train(session: Session, unit: Unit) -> History:
    """Train a chain on train with early stopping on valid, and keep the result in its folder."""
    chain = unit.chain
    columns = [*chain.columns(), WEIGHT]
    tensors = {name: _columns(session, unit, name, columns) for name in ("train", "valid")}
    optimizer = make_optimizer(unit.settings, chain.variables(), session.precision)
    seed = model_seed(session.values.seed, unit.shuffle or unit.key)
    weighting = make_weighting(unit.weighting, tasks_of(chain, unit.weights, seed))
    names = (*chain.models, TOTAL)
    xla = use_xla(session, chain.models.values())
    stream = Stream(tensors["train"], unit.settings.batch_size)
    step = make_weighted_step(chain, weighting, optimizer, unit.weights)
    epoch = compile_epoch(step, stream, losses=len(names), xla=xla)
    order = unit.shuffle or unit.key
    trainee = Trainee(
        key=unit.key,
        losses=names,
        weights=model_variables(chain),
        state={
            **numbered(optimizer.variables),
            **{f"weighting/{name}": v for name, v in weighting.state.items()},
        },
        train=shuffled(
            with_epoch_end(epoch, weighting), [stream.events], session.values.seed, order
        ),
        notes=weighting_notes(
            weighting, names[:-1], stream, lambda: chain_diagnosis(chain, weighting)
        ),
        valid=validation(session, chain, unit.weights, tensors["valid"]),
    )
    # Nothing changes from epoch to epoch where there is nothing to train.
    settings = unit.settings if chain.variables() else replace(unit.settings, epochs=1)
    return optimise(session, trainee, settings, unit.folder / "weights.h5", {"xla": xla})


def optimise(
    session: Session, trainee: Trainee, settings: Fit, path: Path, about: Mapping[str, Any]
) -> History:
    """Fit what is trained, or go on with it, and keep its best weights and history in a file."""
    checkpoint = path.parent / "checkpoint.h5"
    history = fit(trainee, settings, checkpoint, _watch(session, trainee.key, settings))
    about = {"key": trainee.key, "history": asdict(history), **about}
    save_arrays(path, variable_arrays(trainee.weights), about)
    checkpoint.unlink(missing_ok=True)
    return history


def numbered(variables: Iterable[Any]) -> dict[str, Any]:
    """Name variables by their position."""
    return {f"{number:03d}": variable for number, variable in enumerate(variables)}


def validation(
    session: Session, chain: Chain, weights: Mapping[str, float], tensors: Mapping[str, Tensor]
) -> Callable[[], Array]:
    """Compile the measurement of a chain's losses on a split.

    Noise is drawn from the same seed every time, or the best epoch would be a lucky draw.
    """
    step = make_loss_step(chain, weights)
    xla = use_xla(session, chain.models.values())
    return measurement(step, tensors, chain.models.values(), len(chain.models) + 1, xla)


def measurement(
    step: Step, tensors: Mapping[str, Tensor], models: Iterable[Any], losses: int, xla: bool
) -> Callable[[], Array]:
    """Compile a pass over a split that changes nothing; noise is the same every time."""
    stream = Stream(tensors, _EVALUATION_BATCH)
    measure = compile_epoch(step, stream, losses=losses, xla=xla)
    order = np.arange(stream.events, dtype=np.int32)
    known = list(models)

    def run() -> Array:
        with fixed_noise(known):
            return measure(order).losses

    return run


@contextmanager
def fixed_noise(models: Iterable[Any]) -> Iterator[None]:
    """Let the random numbers of models start from one seed for a while."""
    states = numbered(
        v for m in models for v in m.variables if id(v) not in {id(w) for w in m.weights}
    )
    before = variable_arrays(states)
    for variable in states.values():
        variable.assign(np.full(variable.shape, _NOISE_SEED, variable.dtype))
    try:
        yield
    finally:
        assign(states, before, "random state")


def predict(session: Session, chain: Chain, split: str) -> dict[str, Array]:
    """Outputs of a chain's tasks on a split, `(events, ...) float32`."""
    return predictor(chain)(session.on_device(split))


def predictor(chain: Chain) -> Callable[[Mapping[str, Tensor]], dict[str, Array]]:
    """Compile a chain: a function of columns that returns its tasks' outputs, as `predict`."""
    from msml.training.environment import tensorflow

    tf = tensorflow()
    compiled = tf.function(lambda batch: chain.outputs(batch, training=False), autograph=False)

    def run(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
        columns = {name: tensors[name] for name in chain.columns()}
        events = len(next(iter(columns.values())))
        with fixed_noise(chain.models.values()):
            blocks = [
                compiled({name: t[i : i + _EVALUATION_BATCH] for name, t in columns.items()})
                for i in range(0, events, _EVALUATION_BATCH)
            ]
        return {task: np.concatenate([b[task].numpy() for b in blocks]) for task in chain.models}

    return run


def load_weights(chain: Chain, path: Path, tasks: Mapping[str, str] | None = None) -> None:
    """Set a chain's weights to those of a file that `train` wrote.

    Args:
        chain: The chain.
        path: The file.
        tasks: Read only these tasks.

    Raises:
        DataError: If they do not fit.
    """
    arrays, _ = load_arrays(path)
    wanted = {
        name: variable
        for name, variable in model_variables(chain).items()
        if tasks is None or name.partition("/")[0] in tasks
    }
    if not wanted and chain.variables():
        raise DataError(f"{path}: no weights of {', '.join(chain.models)}")
    assign(wanted, arrays, str(path))


def _columns(session: Session, unit: Unit, split: str, names: list[str]) -> dict[str, Tensor]:
    available = {**session.on_device(split), **unit.added.get(split, {})}
    return {name: available[name] for name in names}


def _watch(session: Session, key: str, settings: Fit) -> Watch:
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
