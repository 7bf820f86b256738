"""Permutation importance: what a task loses where an input is that of other events."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from msml.checks.features import Feature, features
from msml.data.kinematics import Array
from msml.metrics import estimate, replicate_means
from msml.stages.explanation.frozen import Change, FrozenTask
from msml.stages.losses import Measure

_SEED = 0x5EED1


def importances(
    frozen: FrozenTask,
    measure: Callable[[Array], Measure],
    sign: int,
    repeats: int,
    bootstrap: tuple[int, int],
    before_each: Callable[[], None] = lambda: None,
) -> Iterator[dict[str, Any]]:
    """Measure how much worse a task is where a feature is that of other test events.

    Each input as a whole, each component of it, and all objects of a mask together with that. An
    event keeps its target, its weight and all other inputs. Objects get their values from real ones
    at the same place of other events, and from the same event as far as that has them; padding
    stays what it is. Which events these are is the same for all features.

    Args:
        frozen: The task.
        measure: Prepares the measure of an output.
        sign: 1 where the measure is larger for a worse task, else -1.
        repeats: Permutations that are averaged.
        bootstrap: Number of replicas of the test events, and their seed.
        before_each: Called before each feature.

    Yields:
        Input, component and estimate of a feature: positive where the task needs it.

    Source:
        Breiman, Random forests, 2001; Fisher, Rudin and Dominici, 1801.01489.
    """
    original = _Original(measure(frozen.output()), bootstrap)
    for feature in features(frozen.inputs, frozen.spec.real):
        before_each()
        changed = [
            measure(frozen.output(permuted(frozen, feature, number))) for number in range(repeats)
        ]
        value, replicas = original.change(changed)
        found = estimate(sign * value + 0.0, sign * replicas + 0.0)  # no -0
        yield {"input": feature.input, "component": feature.component, **found._asdict()}


def permuted(frozen: FrozenTask, feature: Feature, number: int) -> dict[int, Change]:
    """Take a feature from other events, by the permutation of a number."""
    order = np.random.default_rng([_SEED, number]).permutation(frozen.events)
    real = frozen.real(feature)
    whole = np.ones((frozen.events, 1), bool)
    table = partners(whole if real is None else real, order)
    if feature.number is None:
        return dict.fromkeys(feature.places, partial(_all, table))
    (place,) = feature.places
    return {place: partial(_one, table, feature.number)}


def partners(real: Array, order: Array) -> Array:
    """Choose the event that each entry gets its value from: the next in an order that has it.

    Where all is real, each event has one partner for all of its entries.

    Args:
        real: `(events, ...)`, whether an entry is real.
        order: `(events,)`, a permutation of the events.

    Returns:
        `(events, entries) int64`; for an entry that is not real its own event.
    """
    flat = real.reshape(len(real), -1)
    table = np.repeat(np.arange(len(real))[:, None], flat.shape[1], axis=1)
    for entry in range(flat.shape[1]):
        rows = order[flat[order, entry]]
        table[rows, entry] = np.roll(rows, -1)
    return table


def _all(table: Array, values: Array, rows: slice) -> Array:
    """Take the entries of some events, `(events, ...)`, from their partners."""
    found = values.reshape(*table.shape, -1)[table[rows], np.arange(table.shape[1])]
    return found.reshape(-1, *values.shape[1:])


def _one(table: Array, number: int, values: Array, rows: slice) -> Array:
    """Take one component of the entries of some events from their partners."""
    found = values[rows].copy()
    found[..., number] = _all(table, values[..., number], rows)
    return found


class _Original:
    """A measure of the output without a change, to compare with."""

    def __init__(self, measure: Measure, bootstrap: tuple[int, int]) -> None:
        self._measure = measure
        self._bootstrap = bootstrap

    @cached_property
    def _replicas(self) -> Array:
        return self._measure.replicas(*self._bootstrap)

    @cached_property
    def _values(self) -> Array | None:
        return self._measure.values()

    def change(self, changed: Sequence[Measure]) -> tuple[float, Array]:
        """Mean change over some measures, and that of each replica, `(replicas,)`."""
        if self._values is not None:
            return self._change_of_mean(changed, self._values)
        value = np.mean([each.value() for each in changed]) - self._measure.value()
        replicas = np.mean([each.replicas(*self._bootstrap) for each in changed], axis=0)
        return float(value), replicas - self._replicas

    def _change_of_mean(self, changed: Sequence[Measure], values: Array) -> tuple[float, Array]:
        """Do so for a mean over rows, with one pass over the replicas for all measures."""
        change = np.mean([each.values() - values for each in changed], axis=0)
        weight, owner = self._measure.weight, self._measure.owner
        count = np.ones(len(weight))
        if owner is not None:
            change = np.bincount(owner, change, len(weight))
            count = np.bincount(owner, minlength=len(weight)).astype(np.float64)
        found, replicas = replicate_means(change[:, None], count[:, None], weight, *self._bootstrap)
        return float(found[0]), replicas[:, 0]
