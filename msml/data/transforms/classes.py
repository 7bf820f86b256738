"""Transforms of whole numbers that stand for categories."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from msml.data.kinematics import Array
from msml.data.schema import Column
from msml.data.transforms.step import Learn, Numbers, State, Step
from msml.domains import Whole
from msml.errors import RecipeError
from msml.registry import transforms
from msml.tensors import Values, as_type, functions, is_tensor


def _values(numbers: Numbers, column: Column, **_: Any) -> State:
    """The different values, sorted."""
    found = [np.unique(block[np.isfinite(block)]) for block in numbers]  # loading refuses the rest
    values = np.unique(np.concatenate(found)) if found else np.empty(0)
    if not np.array_equal(values, np.round(values)):
        odd = values[values != np.round(values)][0]
        raise RecipeError(f"'{column.name}' holds {odd:g}, which is no whole number")
    return {"values": [int(value) for value in values]}


@transforms.register("categories", fit=_values)
def categories(
    column: Column, learn: Learn, *, values: Sequence[Whole] | None = None, rest: bool = False
) -> Step:
    """Number the values that train has, or those given, from 0 in their order.

    So they can be embedded, or be the classes of a loss.

    Args:
        column: What comes in, whole numbers.
        learn: Returns the values of train.
        values: The values instead.
        rest: Whether all other values are one more category, the last; else they are refused.
    """
    known = _known(column, learn, values)
    after = replace(column, units=("1",), components=(), dtype="float32")
    return Step(
        lambda array: _numbered(array, known, len(known) if rest else np.nan),
        after,
        lambda array: _of_numbers(array, known),
        classes=len(known) + rest,
        refusal=f"is none of {_listed(known)}",
        by_place=True,
    )


@transforms.register("one_hot", fit=_values)
def one_hot(column: Column, learn: Learn, *, values: Sequence[Whole] | None = None) -> Step:
    """Put a last axis more: 1 at the value's place among those of train, or those given, else 0.

    Args:
        column: What comes in, whole numbers.
        learn: Returns the values of train.
        values: The values instead.
    """
    known = _known(column, learn, values)
    names = tuple(f"{column.name} {value}" for value in known)
    after = replace(
        column,
        axes=(*column.axes, "category") if column.axes or not column.sizes else (),
        sizes=(*column.sizes, len(known)),
        components=names,
        units=("1",),
        dtype="float32",
    )

    def forward(array: Values) -> Values:
        places = _numbered(array, known, np.nan)[..., None]
        xp = functions(places)
        chosen = as_type(xp.equal(places, np.arange(len(known), dtype=np.float64)), "float32")
        return xp.where(xp.isnan(places), np.float32(np.nan), chosen)

    return Step(
        forward,
        after,
        lambda array: _of_numbers(functions(array).argmax(array, axis=-1), known),
        refusal=f"is none of {_listed(known)}",
    )


def _known(column: Column, learn: Learn, values: Sequence[int] | None) -> Array:
    known = np.asarray(learn()["values"] if values is None else list(values))
    if not len(known):
        raise RecipeError(f"'{column.name}' has no values")
    if len(np.unique(known)) < len(known):
        raise RecipeError(f"values: one is there more than once: {_listed(known)}")
    return known


def _numbered(array: Values, known: Array, otherwise: float) -> Values:
    """Number values by their place among the known ones."""
    if is_tensor(array):
        exact, xp = as_type(array, "float64"), functions(array)
        places = xp.full_like(exact, otherwise)
        for place, value in enumerate(known):
            places = xp.where(xp.equal(exact, float(value)), float(place), places)
        return places
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known[order], array), len(known) - 1)
    found = order[place]
    return np.where(known[found] == array, found.astype(np.float64), otherwise)


def _of_numbers(array: Values, known: Array) -> Values:
    """Undo `_numbered`; NaN for one category more."""
    xp = functions(array)
    places = as_type(xp.rint(array), "int64")
    inside = xp.logical_and(places >= 0, places < len(known))
    values = xp.take(known.astype(np.float64), xp.where(inside, places, 0), axis=0)
    return xp.where(inside, values, np.nan)


def _listed(known: Array) -> str:
    shown = ", ".join(str(value) for value in known[:12])
    return shown + (f" and {len(known) - 12} more" if len(known) > 12 else "")
