"""Columns of a block of events from the branches of a block of rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from msml.data.importers.branches import Block, Branch, near
from msml.data.importers.cuts import Cut, like, passing
from msml.data.importers.layout import Layout
from msml.data.importers.recipe import ColumnRecipe
from msml.data.kinematics import Array
from msml.errors import DataError

Fail = Callable[[int, str], NoReturn]
"""Raises for an index along the first axis of a branch's values, with a message."""


@dataclass(frozen=True)
class Built:
    """The selected events of a block.

    Attributes:
        columns: By name, masks included.
        rows: `(events,) int64` the row of each event in its file.
        passed: Number of rows left after each cut.
        cut_off: Of each jagged column, the number of events with more objects than were kept.
    """

    columns: dict[str, Array]
    rows: Array
    passed: list[int]
    cut_off: dict[str, int]


def build(
    block: Block,
    layouts: Sequence[Layout],
    cuts: Sequence[Cut],
    markers: Sequence[float | str],
    where: str,
    start: int,
) -> Built:
    """Select events and make their columns.

    Args:
        block: All branches that columns and cuts need.
        layouts: The columns.
        cuts: What an event must pass.
        markers: Numbers and texts that stand for a missing value.
        where: The file, for messages.
        start: Number of the block's first row in the file.

    Raises:
        DataError: A value that the column cannot hold; stacked branches with different numbers of
            objects. Events that do not pass the cuts are not looked at.
    """
    kept = np.ones(len(next(iter(block.values()))), bool)
    passed = []
    for cut in cuts:
        branch = block[cut.branch]
        kept &= passing(cut, branch, missing(branch, markers))
        passed.append(int(kept.sum()))
    rows = start + np.flatnonzero(kept)
    if not kept.all():
        block = {name: branch.take(kept) for name, branch in block.items()}
    columns: dict[str, Array] = {}
    too_long = {}
    for layout in layouts:
        names = layout.recipe.names
        arrays = [
            _numbers(block[name], layout, markers, _failing(block[name], rows, where, layout, name))
            for name in names
        ]
        name, size = layout.column.name, layout.recipe.size
        if size is not None:
            counts = _counts({name: block[name] for name in names}, rows, where)
            arrays = [padded(array, counts, size) for array in arrays]
            columns[f"{name}_mask"] = np.arange(size) < counts[:, None]
            too_long[name] = int((counts > size).sum())
        columns[name] = np.stack(arrays, axis=-1) if layout.stacked else arrays[0]
    return Built(columns, rows, passed, too_long)


def missing(branch: Branch, markers: Sequence[float | str]) -> Array:
    """Return where a branch has no value, shaped as its values."""
    values = branch.values
    none = np.zeros(values.shape, bool) if branch.missing is None else branch.missing
    if branch.words is not None:
        texts = [marker for marker in markers if isinstance(marker, str)]
        return none | np.isin(branch.words.astype(str), texts)[values] if texts else none
    if values.dtype.kind == "f":
        none = none | np.isnan(values)
    numbers = [marker for marker in markers if not isinstance(marker, str)]
    return none | np.isin(values, like(values, numbers)) if numbers else none


def padded(values: Array, counts: Array, size: int) -> Array:
    """Turn `(objects, ...)` into `(events, size, ...)`, 0 past the last object of an event."""
    starts = np.cumsum(counts) - counts
    within = np.arange(len(values)) - np.repeat(starts, counts)
    event, kept = np.repeat(np.arange(len(counts)), counts), within < size
    array = np.zeros((len(counts), size, *values.shape[1:]), values.dtype)
    array[event[kept], within[kept]] = values[kept]
    return array


def _failing(branch: Branch, rows: Array, where: str, layout: Layout, name: str) -> Fail:
    def fail(entry: int, message: str) -> NoReturn:
        row = rows[branch.row(entry)]
        raise DataError(
            f"{where}: row {row} (from 0), branch '{name}' for column"
            f" '{layout.column.name}': {message}"
        )

    return fail


def _counts(branches: Mapping[str, Branch], rows: Array, where: str) -> Array:
    """Return the numbers of objects of stacked branches, which must be equal."""
    first, *others = branches
    counts = branches[first].counts
    assert counts is not None
    for other in others:
        theirs = branches[other].counts
        assert theirs is not None
        if (theirs != counts).any():
            event = int(np.argmax(theirs != counts))
            raise DataError(
                f"{where}: row {rows[event]} (from 0): branches of different lengths cannot be"
                f" stacked: '{first}' has {counts[event]} objects and '{other}' {theirs[event]}"
            )
    return counts


def _numbers(branch: Branch, layout: Layout, markers: Sequence[float | str], fail: Fail) -> Array:
    """Return the values of a branch in the column's type, NaN where there is none."""
    recipe = layout.recipe
    own = markers if recipe.missing is None else recipe.missing
    gone = missing(branch, own)
    values = _mapped(branch, gone, recipe, fail) if recipe.map else branch.values
    dtype = np.dtype(layout.column.dtype)
    if gone.any() and dtype.kind != "f":
        fail(_first(gone), f"missing value, and {dtype} has none; give the column dtype: float32")
    converted = _converted(values, np.where(gone, 0, values) if gone.any() else values, dtype, fail)
    if gone.any():
        converted[gone] = np.nan
    return converted


def _mapped(branch: Branch, gone: Array, recipe: ColumnRecipe, fail: Fail) -> Array:
    """Look each text or number up in the recipe's map."""
    if branch.words is not None:
        known, index = branch.words, branch.values
        table: dict[Any, float] = dict(recipe.map)
    else:
        known, index = np.unique(branch.values, return_inverse=True)
        index = index.reshape(branch.values.shape)
        table = {_number(text): number for text, number in recipe.map.items()}
    new = np.zeros(len(known), np.result_type(*map(np.min_scalar_type, recipe.map.values())))
    found = np.zeros(len(known), bool)
    for i, value in enumerate(known.tolist()):
        if value in table:
            new[i], found[i] = table[value], True
    unknown = ~found[index] & ~gone
    if unknown.any():
        entry = _first(unknown)
        value = known[index[entry].reshape(-1)[_first(unknown[entry].reshape(-1))]]
        texts = branch.words is not None
        known_ones = near(value, list(recipe.map)) if texts else f"; known: {', '.join(recipe.map)}"
        fail(entry, f"value {value!r} is not in map{known_ones}")
    return new[index]


def _number(text: str) -> float | str:
    """Read a key of a map over numbers; `true` is 1, a text stays one and matches nothing."""
    try:
        return float({"true": "1", "false": "0"}.get(text.lower(), text))
    except ValueError:
        return text


def _converted(values: Array, present: Array, dtype: np.dtype[Any], fail: Fail) -> Array:
    """Change the type of numbers, refusing those that the new type cannot hold."""
    bad = np.zeros(0, bool)
    if present.dtype.kind == "f":
        bad = ~np.isfinite(present)
    if dtype.kind == "f" and not bad.any() and present.dtype.itemsize > dtype.itemsize:
        bad = np.abs(present) > np.finfo(dtype).max
    elif dtype.kind in "iu" and not bad.any():
        info = np.iinfo(dtype)
        bad = (present < info.min) | (present > info.max) | (present != np.trunc(present))
    elif dtype.kind == "b" and present.dtype.kind != "b":
        bad = (present != 0) & (present != 1)
    if bad.any():
        entry = _first(bad)
        value = values[entry].reshape(-1)[_first(bad[entry].reshape(-1))]
        fail(entry, f"{value} does not fit into {dtype}")
    converted: Array = present.astype(dtype)
    return converted


def _first(bad: Array) -> int:
    """Return the first index along the first axis with any True."""
    return int(np.argmax(bad.reshape(len(bad), -1).any(axis=1)))
