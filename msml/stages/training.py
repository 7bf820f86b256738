"""Training one chain, whatever stage it belongs to."""

from collections.abc import Mapping
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
from msml.training.epoch import Tensor, compile_epoch
from msml.training.fit import History, Trainee, Watch, fit
from msml.training.steps import make_loss_step, make_optimizer
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
        key: Name of it; also decides the order of the events.
        chain: What is trained.
        weights: Task weight of each task of the chain.
        settings: How it is trained.
        folder: Where `weights.h5` and `metrics.json` go.
        added: Columns besides those of the data, by split: outputs of tasks trained before.
        weighting: What weighs the losses, as in the recipe; `fixed` uses the weights v_t.
    """

    key: str
    chain: Chain
    weights: Mapping[str, float]
    settings: Fit
    folder: Path
    added: Mapping[str, Mapping[str, Tensor]]
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
        f"{task}/{number:03d}": variable
        for task, model in chain.models.items()
        for number, variable in enumerate(model.variables)
    }


def use_xla(session: Session, chain: Chain) -> bool:
    """XLA by a fixed rule: not for convolutions on a CPU, whose gradients it makes far slower."""
    if session.values.xla is not None:
        return session.values.xla
    kinds = {
        type(layer).__name__ for model in chain.models.values() for layer in model._flatten_layers()
    }
    return session.environment.gpu or not any("Conv" in kind for kind in kinds)


def train(session: Session, unit: Unit) -> History:
    """Train a chain on train with early stopping on valid, and keep the result in its folder."""
    chain = unit.chain
    columns = [*chain.columns(), WEIGHT]
    tensors = {name: _columns(session, unit, name, columns) for name in ("train", "valid")}
    optimizer = make_optimizer(unit.settings, chain.variables(), session.precision)
    seed = model_seed(session.values.seed, unit.key)
    weighting = make_weighting(unit.weighting, tasks_of(chain, unit.weights, seed))
    names = (*chain.models, TOTAL)
    xla = use_xla(session, chain)
    epoch = compile_epoch(
        make_weighted_step(chain, weighting, optimizer, unit.weights),
        tensors["train"],
        unit.settings.batch_size,
        losses=len(names),
        xla=xla,
    )
    trainee = Trainee(
        key=unit.key,
        losses=names,
        weights=model_variables(chain),
        state={
            **{f"{i:03d}": v for i, v in enumerate(optimizer.variables)},
            **{f"weighting/{name}": v for name, v in weighting.state.items()},
        },
        events=len(session.split("train")),
        train=with_epoch_end(epoch, weighting),
        valid=validation(session, chain, unit.weights, tensors["valid"]),
    )
    history = fit(
        trainee,
        # Nothing changes from epoch to epoch where there is nothing to train.
        unit.settings if chain.variables() else replace(unit.settings, epochs=1),
        session.values.seed,
        unit.folder / "checkpoint.h5",
        _watch(session, unit),
    )
    save_arrays(
        unit.folder / "weights.h5",
        variable_arrays(trainee.weights),
        {"key": unit.key, "xla": xla, "history": asdict(history)},
    )
    (unit.folder / "checkpoint.h5").unlink(missing_ok=True)
    return history


def validation(
    session: Session, chain: Chain, weights: Mapping[str, float], tensors: Mapping[str, Tensor]
) -> Any:
    """Compile the measurement of a chain's losses on a split.

    Noise is drawn from the same seed every time, or the best epoch would be a lucky draw.
    """
    measure = compile_epoch(
        make_loss_step(chain, weights),
        tensors,
        _EVALUATION_BATCH,
        losses=len(chain.models) + 1,
        xla=use_xla(session, chain),
    )
    order = np.arange(len(next(iter(tensors.values()))), dtype=np.int32)
    noise = random_state(chain)

    def run() -> Array:
        before = variable_arrays(noise)
        for variable in noise.values():
            variable.assign(np.full(variable.shape, _NOISE_SEED, variable.dtype))
        losses = measure(order).losses
        assign(noise, before, "random state")
        return losses

    return run


def random_state(chain: Chain) -> dict[str, Any]:
    """States of the random numbers of a chain's models."""
    weights = {id(v) for model in chain.models.values() for v in model.weights}
    return {name: v for name, v in model_variables(chain).items() if id(v) not in weights}


def predict(session: Session, chain: Chain, split: str) -> dict[str, Array]:
    """Outputs of a chain's tasks on a split, `(events, ...) float32`."""
    from msml.training.environment import tensorflow

    tf = tensorflow()
    tensors = session.on_device(split)
    columns = {name: tensors[name] for name in chain.columns()}
    compiled = tf.function(lambda batch: chain.outputs(batch, training=False), autograph=False)
    noise = random_state(chain)
    before = variable_arrays(noise)
    for variable in noise.values():
        variable.assign(np.full(variable.shape, _NOISE_SEED, variable.dtype))
    events = len(session.split(split))
    blocks = [
        compiled({name: t[i : i + _EVALUATION_BATCH] for name, t in columns.items()})
        for i in range(0, events, _EVALUATION_BATCH)
    ]
    assign(noise, before, "random state")
    return {task: np.concatenate([b[task].numpy() for b in blocks]) for task in chain.models}


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


def _watch(session: Session, unit: Unit) -> Watch:
    """Log and show each epoch."""

    def epoch(history: History) -> None:
        facts = {
            "unit": unit.key,
            "epoch": history.epochs,
            "train": history.train[-1],
            "valid": history.valid[-1],
            "best": history.best,
            "best_epoch": history.best_epoch + 1,
            "patience_left": unit.settings.patience - history.waited,
        }
        session.directory.log(facts)
        session.progress.epoch(unit.key, {**facts, "epochs": unit.settings.epochs})

    return Watch(
        resumed=lambda epochs: session.directory.forget(unit.key, epochs),
        epoch=epoch,
        stop=session.progress.stop,
    )
