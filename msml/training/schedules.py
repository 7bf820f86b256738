"""Learning rate and momentum as functions of the epochs done: closed forms, which have no state.

A registered schedule is a function of the optimizer's learning rate, the most epochs of the
training, and arguments of the recipe; lengths are in epochs, and may be parts of one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from typing import Annotated, Any, Literal

from msml.domains import Domain, Fraction, NotNegative, Positive
from msml.errors import RecipeError
from msml.recipe.schema_training import Fit
from msml.registry import schedules

Tensor = Any
Rate = Callable[[Tensor], Tensor]
Factor = Annotated[float, Domain(1)]

_MOVABLE = ("adam", "adamax", "adamw", "lion", "nadam")
"""Optimizers of Keras whose momentum, `beta_1`, may change; that of `sgd` is fixed in its graph."""


@dataclass(frozen=True)
class Schedule:
    """What an optimizer does when; functions of the epochs done, a float32 scalar.

    Attributes:
        learning_rate: The learning rate.
        momentum: The momentum, or the decay of the mean gradient; where None it stays.
    """

    learning_rate: Rate
    momentum: Rate | None = None


@schedules.register("constant")
def constant(rate: float, epochs: int, *, warmup: NotNegative = 0.0) -> Schedule:
    """The optimizer's learning rate, after a linear rise from 0 over `warmup` epochs."""
    return Schedule(_warmed(lambda epoch: rate, warmup))


@schedules.register("cosine")
def cosine(
    rate: float,
    epochs: int,
    *,
    length: Positive | None = None,
    multiply: Factor = 1.0,
    end: NotNegative = 0.0,
    every: Literal["batch", "epoch"] = "batch",
    warmup: NotNegative = 0.0,
) -> Schedule:
    """From the optimizer's learning rate down to `end` along half a cosine, again and again.

    Args:
        rate: The optimizer's learning rate.
        epochs: Most epochs of the training.
        length: Epochs of the first cycle; all where None.
        multiply: How many times longer each cycle is than the one before.
        end: Learning rate at the end of a cycle.
        every: Whether the rate changes with each `batch` or with each `epoch` only.
        warmup: Epochs of a linear rise from 0, as a factor.

    Source: Loshchilov and Hutter, 1608.03983, eq. 5.
    """
    from keras import ops

    starts, lengths = [0.0], [float(length or epochs)]
    while starts[-1] + lengths[-1] < epochs:
        starts.append(starts[-1] + lengths[-1])
        lengths.append(lengths[-1] * multiply)

    def at(epoch: Tensor) -> Tensor:
        done = ops.floor(epoch) if every == "epoch" else epoch
        cycle = ops.sum(ops.cast(done >= ops.convert_to_tensor(starts), "int32")) - 1
        gone = (done - ops.take(starts, cycle)) / ops.take(lengths, cycle)
        return _along(rate, end, ops.minimum(gone, 1.0))

    return Schedule(_warmed(at, warmup))


@schedules.register("one_cycle")
def one_cycle(
    rate: float,
    epochs: int,
    *,
    rise: Positive | None = None,
    start: NotNegative | None = None,
    end: NotNegative = 0.0,
    high: Fraction | None = 0.95,
    low: Fraction | None = 0.85,
) -> Schedule:
    """One cycle over all epochs, along half cosines: the learning rate up and down.

    The momentum goes the other way. No training should stop earlier: its last epochs matter.

    Args:
        rate: The optimizer's learning rate, the highest.
        epochs: Epochs of the training.
        rise: Epochs until the highest; 0.3 of all where None.
        start: Learning rate at the start; a hundredth of the highest where None.
        end: Learning rate at the end.
        high: Momentum at start and end; where null it stays what the optimizer has.
        low: Momentum in between.

    Raises:
        RecipeError: The rise takes longer than the training, or one momentum is missing.

    Source: Smith, 1803.09820; the cosines are fastai's.
    """
    from keras import ops

    rising, first = rise or 0.3 * epochs, rate / 100 if start is None else start
    if rising >= epochs:
        raise RecipeError(f"rise: expected fewer than the {epochs} epochs of training, got {rise}")
    if (high is None) != (low is None):
        raise RecipeError("high and low: expected both, or null for both")

    def between(ends: tuple[float, float, float]) -> Rate:
        def at(epoch: Tensor) -> Tensor:
            up = _along(ends[0], ends[1], epoch / rising)
            gone = ops.minimum((epoch - rising) / (epochs - rising), 1.0)
            return ops.where(epoch < rising, up, _along(ends[1], ends[2], gone))

        return at

    momentum = None if high is None or low is None else between((high, low, high))
    return Schedule(between((first, rate, end)), momentum)


def make_schedule(settings: Fit) -> Schedule:
    """Make the schedule of a training.

    Raises:
        RecipeError: Its arguments do not fit together, or the optimizer has no momentum to move.
    """
    arguments = {key: value for key, value in settings.schedule.items() if key != "name"}
    function = schedules.get(settings.schedule["name"]).function
    rate = settings.optimizer.get("learning_rate", 1e-3)
    made: Schedule = function(rate, settings.epochs, **arguments)
    if made.momentum is not None and settings.optimizer["name"] not in _MOVABLE:
        message = f"the momentum of '{settings.optimizer['name']}' cannot change"
        raise RecipeError(f"{message}; expected high and low null, or one of {', '.join(_MOVABLE)}")
    return made


def follow(optimizer: Any, settings: Fit, steps: int) -> Any:
    """Let a built optimizer follow the schedule of its settings, where that is not constant."""
    if settings.schedule == {"name": "constant"}:
        return optimizer
    return Scheduled(optimizer, make_schedule(settings), steps)


class Scheduled:
    """An optimizer whose rates follow a schedule; they depend on the number of its steps alone."""

    def __init__(self, optimizer: Any, schedule: Schedule, steps: int) -> None:
        """Move the rates of a built optimizer.

        Args:
            optimizer: A Keras optimizer, perhaps one that scales the loss.
            schedule: The schedule.
            steps: Steps of an epoch.
        """
        import keras

        self._optimizer, self._schedule, self._steps = optimizer, schedule, steps
        self._inner = getattr(optimizer, "inner_optimizer", optimizer)
        self._momentum = None
        if schedule.momentum is not None:
            self._momentum = keras.Variable(0.0, dtype="float32", name="momentum")
            self._inner.beta_1 = self._momentum

    @property
    def variables(self) -> list[Any]:
        """The optimizer's variables."""
        found: list[Any] = self._optimizer.variables
        return found

    @property
    def iterations(self) -> Any:
        """The number of steps taken, a variable."""
        return self._inner.iterations

    def scale_loss(self, loss: Tensor) -> Tensor:
        """Scale a loss as the optimizer wants it."""
        return self._optimizer.scale_loss(loss)

    def apply(self, gradients: list[Tensor], variables: list[Any]) -> None:
        """Set the rates, and take a step."""
        from keras import ops

        epoch = ops.cast(self._inner.iterations, "float32") / self._steps
        self._inner.learning_rate = self._schedule.learning_rate(epoch)
        if self._momentum is not None and self._schedule.momentum is not None:
            self._momentum.assign(self._schedule.momentum(epoch))
        self._optimizer.apply(gradients, variables)


def _along(first: float, last: float, gone: Tensor) -> Tensor:
    """Go from one number to another along half a cosine; `gone` is the part of the way."""
    from keras import ops

    return last + 0.5 * (first - last) * (1 + ops.cos(pi * gone))


def _warmed(rate: Rate, warmup: float) -> Rate:
    from keras import ops

    if not warmup:
        return rate
    return lambda epoch: rate(epoch) * ops.minimum(epoch / warmup, 1.0)
