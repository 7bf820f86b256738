"""The learning-rate range test: the loss of each step while the learning rate rises.

Smith, 1506.01186, section 3.3; here the rate rises by a constant factor from step to step.
"""

from dataclasses import dataclass
from math import log

import numpy as np

from msml.data.kinematics import Array
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, Step, Stream, Tensor, compile_epoch
from msml.training.schedules import Schedule, Scheduled

_SMOOTHED = 0.2  # decades of the rate over which a loss is averaged
_STRETCH = 0.5  # decades of the rate in which the steepest descent is looked for
_TIMES = 4.0  # its lowest: a loss that has diverged


@dataclass(frozen=True)
class Rise:
    """How the learning rate rises.

    Attributes:
        low: In the first step.
        high: In the last step.
        steps: Number of steps.
    """

    low: float
    high: float
    steps: int

    @property
    def rates(self) -> Array:
        """The learning rate of each step, `(steps,) float64`."""
        return np.geomspace(self.low, self.high, self.steps)

    @property
    def smoothing(self) -> float:
        """Steps over which a loss is averaged."""
        decades = np.log10(self.high / self.low)
        return max(1.0, float(_SMOOTHED * (self.steps - 1) / decades))

    def of(self, optimizer: object) -> Scheduled:
        """Let the rate of a built optimizer rise."""
        from keras import ops

        factor = log(self.high / self.low) / (self.steps - 1)
        return Scheduled(
            optimizer, Schedule(lambda step: ops.exp(log(self.low) + factor * step)), steps=1
        )


class RangeTest:
    """A compiled range test. Whoever runs it sets all variables before."""

    def __init__(
        self, step: Step, optimizer: Scheduled, steps: int, stream: Stream, losses: int, xla: bool
    ) -> None:
        """Compile the steps into one graph.

        Args:
            step: What trains on a batch; the last of its losses is kept.
            optimizer: What it trains with.
            steps: Number of steps.
            stream: The events.
            losses: Number of losses that it returns.
            xla: Whether XLA compiles it.
        """
        tf = tensorflow()
        self._kept = tf.Variable(tf.zeros(steps))

        def keeping(batch: Batch) -> Tensor:
            # A step that float16 leaves out is no step: the next one has its rate, and its place.
            place = tf.cast(optimizer.iterations, tf.int32)
            values = step(batch)
            self._kept.assign(tf.where(tf.range(steps) == place, values[-1], self._kept))
            return values

        self._run = compile_epoch(keeping, stream, losses=losses, xla=xla)

    def __call__(self, order: Array) -> Array:
        """Take the steps.

        Args:
            order: The events in their order, a batch for each step.

        Returns:
            The loss before each step, `(steps,) float32`; NaN where it was not taken.
        """
        self._kept.assign(np.full(self._kept.shape, np.nan, np.float32))
        self._run(order)
        found: Array = self._kept.numpy()
        return found


@dataclass(frozen=True)
class Curve:
    """The smoothed loss against the learning rate, as far as it counts.

    Attributes:
        rates: Learning rates, `(points,) float64`.
        mean: The loss there, mean of all repeats, `(points,) float64`.
        low: One standard deviation of the repeats below it; of one alone the same.
        high: The same above it.
        diverges: The rate from which on the loss does not count, where there is one.
        minimum: The rate of the lowest loss; None where that does not fall.
        steepest: The rate around which the loss falls most before that.
    """

    rates: Array
    mean: Array
    low: Array
    high: Array
    diverges: float | None
    minimum: float | None
    steepest: float | None


def smoothed(values: Array, steps: float) -> Array:
    """Average along the last axis with weights that fall exponentially, corrected for the start.

    Args:
        values: `(..., steps)`.
        steps: Mean number of steps that are averaged.
    """
    from scipy.signal import lfilter

    kept = 1 - 1 / steps
    weights = 1 - kept ** np.arange(1, values.shape[-1] + 1)
    found: Array = lfilter([1 - kept], [1, -kept], values.astype(np.float64), axis=-1) / weights
    return found


def curve(losses: Array, rise: Rise) -> Curve:
    """Find learning rates from the losses of each step.

    Losses above 0 are seen by their logarithms, as some differ by decades from batch to batch. The
    logarithms of the rates are smoothed as the losses are, which lag behind as much. A loss counts
    until it is not finite in some repeat, or has risen too far above its lowest: to four times
    that; or, where losses need not be above 0, by three times what it is or has fallen.

    Args:
        losses: `(repeats, steps)`.
        rise: The rates.
    """
    positive = not (losses <= 0).any()
    with np.errstate(invalid="ignore", over="ignore"):
        each = smoothed(np.log(losses) if positive else losses, rise.smoothing)
        center = each.mean(axis=0)
        spread = each.std(axis=0, ddof=1) if len(each) > 1 else 0 * center
        band = np.stack([center, center - spread, center + spread])
    places = smoothed(np.log10(rise.rates), rise.smoothing)
    first, end = int(rise.smoothing), _until(~np.isfinite(center))  # before, few are averaged
    minimum = steepest = None
    if first < end:
        lowest = first + int(np.argmin(center[first:end]))
        known = slice(first, lowest + 1)
        fall = falling(places[known], center[known])
        scale = max(abs(center[lowest]), fall[0] - fall[-1])
        far = log(_TIMES) if positive else (_TIMES - 1) * scale
        end = lowest + _until(center[lowest:end] > center[lowest] + far)
        if fall[0] > fall[-1]:
            minimum = float(10 ** places[lowest])
            steepest = float(10 ** _steepest(places[known], fall))
    diverges = float(rise.rates[end]) if end < rise.steps else None
    mean, low, high = np.exp(band[:, :end]) if positive else band[:, :end]
    return Curve(10 ** places[:end], mean, low, high, diverges, minimum, steepest)


def falling(places: Array, values: Array) -> Array:
    """Fit values by a curve that only falls: the noise of batches, which is as steep, is gone."""
    from sklearn.isotonic import IsotonicRegression

    found: Array = IsotonicRegression(increasing=False).fit_transform(places, values)
    return found


def _steepest(places: Array, fall: Array) -> float:
    """Return the place around which a curve falls most within a stretch."""
    half = min(_STRETCH, float(places[-1] - places[0])) / 2
    inside = places[(places >= places[0] + half) & (places <= places[-1])]
    drop = np.interp(inside - half, places, fall) - np.interp(inside + half, places, fall)
    return float(inside[np.argmax(drop)])


def _until(wrong: Array) -> int:
    """Return the place of the first True, or how many there are where there is none."""
    return int(np.argmax(wrong)) if wrong.any() else len(wrong)
