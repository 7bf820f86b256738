"""DARTS: all candidates mixed by softmax(α), α trained on valid and weights on train."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np

from msml.chain import WEIGHT, Chain
from msml.errors import DataError
from msml.recipe.fits import check_fit
from msml.recipe.messages import Problem
from msml.recipe.schema import Fit
from msml.registry import strategies
from msml.stages.pretrain import pretrained
from msml.stages.search import chain_weights
from msml.stages.session import Session
from msml.stages.training import (
    TOTAL,
    build_model,
    measurement,
    model_variables,
    numbered,
    optimise,
    use_xla,
)
from msml.strategies.darts_step import Objective, make_darts_step, make_supernet_loss_step
from msml.strategies.selection import Selection
from msml.strategies.supernet import Supernet
from msml.training.checkpoint import assign, load_arrays, save_arrays, variable_arrays
from msml.training.epoch import EpochResult, Stream, compile_epoch, shuffled
from msml.training.fit import History, Trainee
from msml.training.steps import make_optimizer

_KEY = "search/darts"
_ADAM = {"name": "adam", "learning_rate": 1e-3}


def _check(arguments: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with arguments of the right types."""
    names = ("optimizer", "batch_size", "epochs", "patience", "clip_norm")
    yield from check_fit(Fit(**{name: arguments[name] for name in names}))
    for key, message in check_fit(Fit(arguments["alpha_optimizer"])):
        yield f"alpha_{key}", message
    for key in ("epsilon", "rate"):
        if not 0 <= arguments[key] < np.inf:
            yield key, f"expected 0 or more, got {arguments[key]:g}"
    if not 0 <= arguments["warmup"] < arguments["epochs"]:
        yield "warmup", f"expected 0 or more and fewer than epochs, got {arguments['warmup']}"


@strategies.register("darts", check=_check)
def darts(
    session: Session,
    *,
    order: Literal["first", "second"] = "second",
    derivative: Literal["exact", "difference"] = "exact",
    rate: float = 1e-3,
    epsilon: float = 1.0,
    warmup: int = 0,
    optimizer: dict[str, Any] = _ADAM,
    alpha_optimizer: dict[str, Any] = _ADAM,
    batch_size: int = 1200,
    epochs: int = 100,
    patience: int = 20,
    clip_norm: float | None = None,
) -> Selection:
    """Train the mixture of all candidates, and choose those of the largest α.

    Args:
        session: The run.
        order: Whether α descends the valid loss as it is, or after a virtual step of the weights.
        derivative: How the mixed derivative of second order is taken.
        rate: ζ, the rate of the virtual step.
        epsilon: ε, the weight of each candidate's own loss.
        warmup: First epochs in which α stays.
        optimizer: Of the weights.
        alpha_optimizer: Of α.
        batch_size: Train events of a step; valid events go along in proportion.
        epochs: Most passes over the events.
        patience: Epochs without improvement of the mixture on valid after which it stops.
        clip_norm: Largest global norm of the gradients, of weights and of α each.

    Source: paper, section 3.1 and algorithm 1.
    """
    settings = Fit(optimizer, batch_size, epochs, patience, clip_norm)
    supernet = pretrained_supernet(session, epsilon)
    alphas = zero_alphas(supernet)
    objective = Objective(supernet, {t: spec.weight for t, spec in session.tasks.items()})
    train, valid = streams(session, supernet, batch_size)
    of_weights = make_optimizer(settings, supernet.variables, session.precision)
    alpha_settings = Fit(alpha_optimizer, clip_norm=clip_norm)
    of_alphas = make_optimizer(alpha_settings, list(alphas.values()), "float32")
    xla, losses = use_xla(session, supernet.candidates), (*supernet.losses, TOTAL)

    def compiled(optimizer_of_alphas: Any | None) -> Callable[[int], EpochResult]:
        step = make_darts_step(
            objective,
            list(alphas.values()),
            of_weights,
            optimizer_of_alphas,
            rate if order == "second" else None,
            exact=derivative == "exact",
        )
        epoch = compile_epoch(step, train, valid, losses=len(losses), xla=xla)
        return shuffled(epoch, [train.events, valid.events], session.values.seed, _KEY)

    warm, search = compiled(None), compiled(of_alphas)
    measure = make_supernet_loss_step(objective, list(alphas.values()))
    trainee = Trainee(
        key=_KEY,
        losses=losses,
        weights=supernet_variables(supernet) | {f"alpha/{t}": a for t, a in alphas.items()},
        state=numbered([*of_weights.variables, *of_alphas.variables]),
        train=lambda epoch: (warm if epoch < warmup else search)(epoch),
        valid=measurement(measure, valid.columns, supernet.candidates, len(losses), xla),
        notes=lambda: {"alpha": named_alphas(supernet, alphas)},
        warmup=warmup,
    )
    path = session.directory.file("search", "supernet.h5")
    history = optimise(session, trainee, settings, path, {"xla": xla})
    passes = 2 + valid.events / train.events if order == "second" else 1
    models = len(supernet.candidates)
    return _selection(session, supernet, history, passes * models * history.epochs)


def pretrained_supernet(session: Session, epsilon: float) -> Supernet:
    """Build the supernet with the weights of the pre-trained candidates."""
    models = {
        task: {name: build_model(session, task, name) for name in spec.candidates}
        for task, spec in session.tasks.items()
    }
    supernet = Supernet(session.tasks, models, epsilon)
    for task, candidates in models.items():
        for name, model in candidates.items():
            path, _ = pretrained(session, task, name)
            variables = {f"{task}/{n}": v for n, v in numbered(model.variables).items()}
            assign(variables, load_arrays(path)[0], str(path))
    return supernet


def streams(session: Session, supernet: Supernet, batch_size: int) -> tuple[Stream, Stream]:
    """Train and valid events of each step, the latter in proportion to the sizes of the splits.

    Raises:
        DataError: If there are more train batches than valid events.
    """
    columns = [*supernet.inputs.columns(), WEIGHT]
    train, valid = (
        {name: session.on_device(split)[name] for name in columns} for split in ("train", "valid")
    )
    events = len(session.split("train")), len(session.split("valid"))
    beside = batch_size * events[1] // events[0]
    if batch_size >= events[0]:
        beside = events[1]
    if beside < 1:
        raise DataError(
            f"{session.data_file}: {events[1]} valid events are fewer than the train batches of "
            f"{batch_size}; expected a larger strategy.batch_size"
        )
    return Stream(train, batch_size), Stream(valid, beside)


def supernet_variables(supernet: Supernet) -> dict[str, Any]:
    """All variables of the candidates by task, name and position."""
    return {
        f"{task}/{name}/{number}": variable
        for task, models in supernet.models.items()
        for name, model in models.items()
        for number, variable in numbered(model.variables).items()
    }


def zero_alphas(supernet: Supernet) -> dict[str, Any]:
    """Architecture weights of each task, `(candidates,) float32` zeros: all candidates alike."""
    import keras

    return {
        task: keras.Variable(np.zeros(len(models), np.float32), name=f"alpha_{task}")
        for task, models in supernet.models.items()
    }


def named_alphas(supernet: Supernet, alphas: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Values of α by task and candidate."""
    return {
        task: dict(zip(models, alphas[task].numpy().tolist(), strict=True))
        for task, models in supernet.models.items()
    }


def _selection(session: Session, supernet: Supernet, history: History, passes: float) -> Selection:
    """Choose by α of the restored epoch; ties go to the lower own loss on valid there."""
    best = history.best_epoch
    alphas, valid = history.notes[best]["alpha"], history.valid[best]
    alpha = {
        task: {
            name: {"alpha": value, "share": share, "valid_loss": valid[f"{task}/{name}"]}
            for (name, value), share in zip(values.items(), _softmax(values), strict=True)
        }
        for task, values in alphas.items()
    }
    chosen = {
        task: min(found, key=lambda name: (-found[name]["alpha"], found[name]["valid_loss"], name))
        for task, found in alpha.items()
    }
    top = {
        task: [v for v in values.values() if v == max(values.values())]
        for task, values in alphas.items()
    }
    keep_chain(session, supernet, chosen)
    return Selection(
        strategy="darts",
        by="alpha",
        chosen=chosen,
        undetermined=[task for task, values in top.items() if len(values) > 1],
        trained=False,
        gradient_passes=passes,
        alpha=alpha,
        epochs=[
            {"train": train, "valid": valid, **notes}
            for train, valid, notes in zip(history.train, history.valid, history.notes, strict=True)
        ],
        best_epoch=best + 1,
    )


def keep_chain(session: Session, supernet: Supernet, chosen: Mapping[str, str]) -> None:
    """Keep the weights of the chosen candidates, for post-training to go on with."""
    models = {task: supernet.models[task][name] for task, name in chosen.items()}
    arrays = variable_arrays(model_variables(Chain(supernet.tasks, models)))
    save_arrays(chain_weights(session), arrays, {"chain": dict(chosen)})


def _softmax(values: Mapping[str, float]) -> list[float]:
    powers = np.exp(np.array(list(values.values())) - max(values.values()))
    return (powers / powers.sum()).tolist()
