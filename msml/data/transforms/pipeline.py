"""The transforms of one column, one after the other, fitted on train."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from msml.arguments import bind
from msml.data.kinematics import Array
from msml.data.schema import Column
from msml.data.transforms.step import Learn, State, Step
from msml.errors import RecipeError
from msml.registry import transforms

Blocks = Callable[[], Iterator[tuple[Array, Array | None]]]
"""Gives the events of train: values `(events, ...)` and the mask, of the first axes, or None."""


@dataclass(frozen=True)
class Pipeline:
    """The transforms of one column.

    Attributes:
        names: Of the transforms.
        steps: The transforms.
        column: Description of what comes out.
        states: Returns what each fit has found.
        fills: Whether NaN may come in.
    """

    names: tuple[str, ...]
    steps: tuple[Step, ...]
    column: Column
    states: Callable[[], list[State]]
    fills: bool

    @property
    def classes(self) -> int:
        """How many classes come out; 0 where they are none."""
        return self.steps[-1].classes

    def forward(self, values: Array) -> Array:
        """Transform `(events, ...)`; NaN or infinite where that is not defined."""
        return _through(self.steps, values)

    def inverse(self, values: Array) -> Array:
        """Return to what the file holds, `(events, ...)`."""
        for step in reversed(self.steps):
            values = step.inverse(values)
        return values

    def refusal(self, values: Array, event: int) -> str:
        """Say which transform has no value for an event, `(1, ...)`, and why; "" if none."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            for name, step in zip(self.names, self.steps, strict=True):
                before, values = values, step.forward(values)
                bad = ~np.isfinite(values)
                if bad.any():
                    if values.ndim > before.ndim:
                        bad = bad.any(axis=-1)
                    same = bad.shape == before.shape
                    first = before[bad][0] if same else np.ravel(before)[0]
                    return f"'{name}' of {first:g} in event {event} {step.refusal}"
        return ""


def named(given: Any) -> list[tuple[str, dict[str, Any]]]:
    """Read transforms as recipes give them: a name, `{name: ..., ...}`, or a list of these.

    Raises:
        RecipeError: They are something else.
    """
    found: list[tuple[str, dict[str, Any]]] = []
    for each in given if isinstance(given, list) else [given]:
        if isinstance(each, str):
            found.append((each, {}))
        elif isinstance(each, dict) and isinstance(each.get("name"), str):
            found.append((each["name"], {k: v for k, v in each.items() if k != "name"}))
        else:
            raise RecipeError(f"expected a transform, its name or {{name: ...}}, got {each!r}")
    if not found:
        raise RecipeError("is empty; expected transforms")
    return found


def label(given: Any) -> str:
    """Write transforms in short: their names."""
    return ", ".join(name for name, _ in named(given))


def make_pipeline(
    column: Column, given: Any, train: Blocks, stored: Sequence[State] | None = None
) -> Pipeline:
    """Put the transforms of a column together; fits are done when they are first needed.

    Args:
        column: The column, as its file describes it.
        given: The transforms, as `named` reads them.
        train: The events to fit on.
        stored: What fits have found before.

    Raises:
        RecipeError: A transform or its arguments are wrong, or are not for this column.
    """
    steps: list[Step] = []
    learns: list[Learn] = []
    names, fills = [], False
    for number, (name, arguments) in enumerate(named(given)):
        entry = transforms.get(name)
        if problems := bind(entry, 2, arguments):
            raise RecipeError([f"{name}: " + ": ".join(filter(None, p)) for p in problems])
        fit = entry.facts.get("fit")
        learn = _learn(
            fit, tuple(steps), column, arguments, train, None if stored is None else stored[number]
        )
        step = entry.function(steps[-1].column if steps else column, learn, **arguments)
        names.append(name)
        steps.append(step)
        learns.append(learn)
        fills |= bool(entry.facts.get("fills"))
    return Pipeline(
        tuple(names), tuple(steps), steps[-1].column, lambda: [learn() for learn in learns], fills
    )


def _learn(
    fit: Callable[..., State] | None,
    before: tuple[Step, ...],
    column: Column,
    arguments: Mapping[str, Any],
    train: Blocks,
    stored: State | None,
) -> Learn:
    """Return what a fit found, or let it find that once."""
    if stored is not None or fit is None:
        return lambda: stored or {}

    def numbers() -> Iterator[Array]:
        for values, mask in train():
            yield _real(_through(before, values), mask)

    return cache(lambda: fit(numbers(), before[-1].column if before else column, **arguments))


def _through(steps: Sequence[Step], values: Array) -> Array:
    """Apply transforms; what they cannot do is left to whoever looks at the result."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for step in steps:
            values = step.forward(values)
    return values


def _real(values: Array, mask: Array | None) -> Array:
    """Leave padding out: `(numbers, last axis)`, or `(numbers, 1)` where a mask covers that."""
    whole = mask is not None and mask.ndim == values.ndim
    kept = values if mask is None else values[mask]
    width = 1 if whole or values.ndim == 1 else values.shape[-1]
    return kept.reshape(-1, width)
