"""The training loop: epochs, early stopping, checkpoints and exact resume."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from msml.data.kinematics import Array
from msml.errors import DataError, DivergedError, StoppedError
from msml.recipe.schema_training import Fit
from msml.training.checkpoint import assign, check_fit, load_arrays, save_arrays, variable_arrays
from msml.training.epoch import EpochResult

_SECONDS_BETWEEN_CHECKPOINTS = 10.0


@dataclass
class History:
    """What happened, epoch by epoch.

    Attributes:
        train: Mean losses on train by epoch, by name.
        valid: The same on valid.
        notes: What else there was to note after each epoch.
        best_epoch: Epoch whose weights are kept, from 0; -1 before the first.
        best: The monitored loss there.
        waited: Epochs since.
    """

    train: list[dict[str, float]] = field(default_factory=list)
    valid: list[dict[str, float]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = -1
    best: float = float("inf")
    waited: int = 0

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.valid)

    def by_epoch(self) -> list[dict[str, Any]]:
        """Losses on train and valid of each epoch, with what else there was to note."""
        return [
            {"train": train, "valid": valid, **notes}
            for train, valid, notes in zip(self.train, self.valid, self.notes, strict=True)
        ]


@dataclass(frozen=True)
class Trainee:
    """What is trained.

    Attributes:
        key: Name of it, for messages.
        losses: Names of the losses; the last is monitored.
        weights: The variables whose best values are kept, by name.
        state: All other variables that training changes: optimizer, random numbers.
        train: One epoch of training; it gets the epoch's number, from 0.
        valid: One pass over the valid split.
        notes: What else to keep of an epoch.
        counts: Whether the weights after the last epoch can be the best.
        enough: Whether to end before the patience does.
    """

    key: str
    losses: tuple[str, ...]
    weights: Mapping[str, Any]
    state: Mapping[str, Any]
    train: Callable[[int], EpochResult]
    valid: Callable[[], Array]
    notes: Callable[[], dict[str, Any]] = dict
    counts: Callable[[History], bool] = lambda history: True
    enough: Callable[[History], bool] = lambda history: False


@dataclass(frozen=True)
class Watch:
    """How the world follows and interrupts training.

    Attributes:
        resumed: Called before the first epoch with the epochs already done.
        epoch: Called after each epoch with the history so far.
        stop: Says whether to save and stop.
    """

    resumed: Callable[[int], None] = lambda epochs: None
    epoch: Callable[[History], None] = lambda history: None
    stop: Callable[[], str | None] = lambda: None


def fit(trainee: Trainee, settings: Fit, checkpoint: Path, watch: Watch) -> History:
    """Train until the monitored loss has not improved for `patience` epochs; keep the best weights.

    An interrupted call leaves a checkpoint; the same call then continues and ends with the same
    weights, bit for bit.

    Args:
        trainee: What is trained.
        settings: Epochs and patience.
        checkpoint: Where the state is kept meanwhile; it goes at the end.
        watch: Progress and interruption.

    Raises:
        DivergedError: If a loss is not finite; the checkpoint keeps the last good state.
        StoppedError: If asked to stop; the checkpoint has the state.
    """
    (history,) = _fit(trainee, settings, checkpoint, [watch], stacked=False)
    return history


def fit_replicas(
    trainee: Trainee, settings: Fit, checkpoint: Path, watches: Sequence[Watch]
) -> list[History]:
    """Train replicas at once, as `fit` does one: each stops by itself and keeps its best weights.

    All variables of `trainee.weights` and all losses have a first axis of replicas. It goes on
    until the last one stops. Arguments and errors as of `fit`, with a watch for each replica.
    """
    return _fit(trainee, settings, checkpoint, watches, stacked=True)


def _fit(
    trainee: Trainee, settings: Fit, checkpoint: Path, watches: Sequence[Watch], *, stacked: bool
) -> list[History]:
    histories, best = _resume(trainee, checkpoint, len(watches))
    for history, watch in zip(histories, watches, strict=True):
        watch.resumed(history.epochs)
    saved = time.monotonic()
    while going := [n for n, each in enumerate(histories) if _goes_on(trainee, each, settings)]:
        epoch = histories[going[0]].epochs
        before = variable_arrays({**trainee.weights, **trainee.state})
        result = trainee.train(epoch)
        valid = trainee.valid() if result.bad_batch < 0 else None
        if valid is None or not np.isfinite(valid[..., -1]).all():
            assign({**trainee.weights, **trainee.state}, before, str(checkpoint))
            _save(trainee, histories, best, checkpoint)
            raise DivergedError(_diverged(trainee, epoch, result.bad_batch, checkpoint))
        of_train, of_valid = np.atleast_2d(result.losses), np.atleast_2d(valid)
        for number in going:
            _record(trainee, histories[number], of_train[number], of_valid[number])
        better = [number for number in going if histories[number].best_epoch == epoch]
        if better:
            best = _kept(best, variable_arrays(trainee.weights), better if stacked else None)
        for number in going:
            watches[number].epoch(histories[number])
        reason = next(filter(None, (watch.stop() for watch in watches)), None)
        if reason or time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS:
            _save(trainee, histories, best, checkpoint)
            saved = time.monotonic()
        if reason:
            raise StoppedError(f"{reason}: saved in epoch {epoch + 1} of {trainee.key}")
    assign(trainee.weights, best, str(checkpoint))
    return histories


def _goes_on(trainee: Trainee, history: History, settings: Fit) -> bool:
    more = history.epochs < settings.epochs and history.waited < settings.patience
    return more and not trainee.enough(history)


def _kept(
    best: dict[str, Array], now: dict[str, Array], better: list[int] | None
) -> dict[str, Array]:
    """Put the present weights of some replicas, or all there are, in the place of their best."""
    if better is None:
        return now
    mixed = {name: values.copy() for name, values in best.items()}
    for name, values in now.items():
        mixed[name][better] = values[better]
    return mixed


def _diverged(trainee: Trainee, epoch: int, batch: int, checkpoint: Path) -> str:
    """Say where a loss is not finite; `batch` is -1 where it is the one on valid."""
    where = f"in epoch {epoch + 1}, batch {batch + 1}"
    if batch < 0:
        where = f"on valid after epoch {epoch + 1}"
    return (
        f"{trainee.key}: the loss is not finite {where}; the state before that epoch is kept in "
        f"{checkpoint}; try a lower learning rate or clip_norm"
    )


def _record(trainee: Trainee, history: History, train: Array, valid: Array) -> None:
    """Add an epoch; only a strictly lower loss is an improvement."""
    history.train.append(dict(zip(trainee.losses, map(float, train), strict=True)))
    history.valid.append(dict(zip(trainee.losses, map(float, valid), strict=True)))
    history.notes.append(trainee.notes())
    if not trainee.counts(history):
        return
    monitored = float(valid[-1])
    if monitored < history.best:
        history.best, history.best_epoch, history.waited = monitored, history.epochs - 1, 0
    else:
        history.waited += 1


def _save(
    trainee: Trainee, histories: Sequence[History], best: Mapping[str, Array], path: Path
) -> None:
    arrays = {
        **{f"weights/{k}": v for k, v in variable_arrays(trainee.weights).items()},
        **{f"state/{k}": v for k, v in variable_arrays(trainee.state).items()},
        **{f"best/{k}": v for k, v in best.items()},
    }
    about = {"key": trainee.key, "histories": [asdict(history) for history in histories]}
    save_arrays(path, arrays, about)


def _resume(trainee: Trainee, path: Path, count: int) -> tuple[list[History], dict[str, Array]]:
    """Take up a checkpoint where there is one."""
    if not path.exists():
        return [History() for _ in range(count)], variable_arrays(trainee.weights)
    arrays, about = load_arrays(path)
    try:
        key, histories = about["key"], [History(**each) for each in about["histories"]]
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: not a complete checkpoint ({error})") from error
    if key != trainee.key:
        raise DataError(f"{path}: checkpoint of {key}, expected {trainee.key}")
    if len(histories) != count:
        raise DataError(f"{path}: checkpoint of {len(histories)} replicas, expected {count}")
    best = _group(arrays, "best")
    check_fit(trainee.weights, best, str(path))
    assign(trainee.weights, _group(arrays, "weights"), str(path))
    assign(trainee.state, _group(arrays, "state"), str(path))
    return histories, best


def _group(arrays: Mapping[str, Array], name: str) -> dict[str, Array]:
    prefix = f"{name}/"
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
