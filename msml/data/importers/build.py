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
    recipe, dtype = layout.recipe, np.dtype(layout.column.dtype)
    gone = missing(branch, markers if recipe.missing is None else recipe.missing)
    values = _mapped(branch, gone, recipe, fail) if recipe.map else branch.values
    some = bool(gone.any())
    if some:
        if dtype.kind != "f":
            entry = _first(gone)
            fail(entry, f"missing value, and {dtype} has none; give the column dtype: float32")
        values = np.where(gone, 0, values)
    bad = _unfit(values, dtype)
    if bad.any():
        entry = _first(bad)
        fail(entry, f"{values[entry][bad[entry]].flat[0]} does not fit into {dtype}")
    converted: Array = values.astype(dtype)
    if some:
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
        value = known[index[entry][unknown[entry]].flat[0]]
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


def _unfit(values: Array, dtype: np.dtype[Any]) -> Array:
    """Return where numbers are infinite, or are none of a type."""
    bad = ~np.isfinite(values)
    if np.can_cast(values.dtype, dtype):
        return bad
    if dtype.kind == "f":
        return bad | (np.abs(values) > np.finfo(dtype).max)
    if dtype.kind == "b":
        return bad | ((values != 0) & (values != 1))
    info = np.iinfo(dtype)
    return bad | (values < info.min) | (values > info.max) | (values != np.trunc(values))


def _first(bad: Array) -> int:
    """Return the first index along the first axis with any True."""
    return int(np.argmax(bad.reshape(len(bad), -1).any(axis=1)))
