"""One transform of a column, and what transforms share."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from msml.data.kinematics import Array
from msml.data.schema import Column
from msml.errors import RecipeError, nearest
from msml.tensors import Values, as_type, functions, is_tensor, parts, with_parts

State = Mapping[str, Any]
Learn = Callable[[], State]
Numbers = Iterator[Array]
Function = Callable[[Values], Values]
"""Of arrays; of tensors too, which an exported chain computes with: see `msml.tensors`."""


def unchanged(values: Values) -> Values:
    """Return the values."""
    return values


@dataclass(frozen=True)
class Step:
    """One transform of a column, ready for use.

    Attributes:
        forward: From `(events, ...)` to `(events, ...)`; NaN or infinity where that is not defined.
        column: Description of what comes out.
        inverse: From what comes out to what came in, as far as that is possible.
        classes: How many classes come out; 0 where they are none.
        refusal: Why an event has no value.
        by_place: Whether each number that comes out is made of the one at its place alone.
    """

    forward: Function
    column: Column
    inverse: Function = unchanged
    classes: int = 0
    refusal: str = "is NaN or infinite"
    by_place: bool = False


def positions(column: Column, components: Sequence[str | int] | None) -> list[int]:
    """Find components along the last axis, by name or number; all where None.

    Raises:
        RecipeError: One of them is not there, or is named twice; or there are none.
    """
    width = int(column.sizes[-1] or 0) if column.sizes else 1
    if components is None:
        return list(range(width))
    if not components:
        raise RecipeError("components: is empty; expected some")
    found: list[int] = []
    for each in components:
        if each in column.components:
            found.append(column.components.index(str(each)))
        elif isinstance(each, int) and 0 <= each < width:
            found.append(each)
        else:
            known = list(column.components) or [f"numbers from 0 to {width - 1}"]
            ending = nearest(str(each), known)
            raise RecipeError(f"'{column.name}' has no component '{each}'{ending}")
        if found[-1] in found[:-1]:
            raise RecipeError(f"components: '{each}' is there more than once")
    return found


def floating(values: Values) -> Values:
    """Make whole numbers, booleans and float16 at least float32, which functions then keep to.

    Tensors become float64: of them it is what an exported file has, and nobody's memory.
    """
    if is_tensor(values):
        return as_type(values, "float64")
    return np.asarray(values, np.result_type(values, np.float32))


def on(places: Sequence[int], column: Column, function: Function) -> Function:
    """Apply a function of any numbers to some components of the last axis."""
    if not column.sizes or len(places) == column.sizes[-1]:
        return lambda values: function(floating(values))

    def some(values: Values) -> Values:
        if is_tensor(values):
            whole = floating(values)
            some = functions(whole).stack([parts(whole)[place] for place in places], axis=-1)
            return with_parts(whole, places, function(some))
        changed = floating(values).copy()
        changed[..., places] = function(changed[..., places])
        return changed

    return some


def renamed(column: Column, places: Sequence[int], prefix: str, unit: str | None = None) -> Column:
    """Describe a column of which some components have changed."""
    names, units = list(column.components), list(column.units)
    for place in places:
        if names:
            names[place] = f"{prefix} {names[place]}"
        if unit is not None and len(units) > place:
            units[place] = unit
    return replace(column, components=tuple(names), units=tuple(units), dtype="float32")
