"""Dividing events into train, valid and test."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from msml.data.described import EventFile, Source
from msml.data.events import read_blocks
from msml.data.kinematics import Array
from msml.errors import DataError
from msml.recipe.schema import Data, Split
from msml.recipe.schema_evaluation import Subset

PARTS = ("train", "valid", "test")


def split_rows(
    total: int,
    fractions: Mapping[str, float],
    seed: int,
    used: int | None = None,
    classes: Array | None = None,
) -> dict[str, Array]:
    """Cut one fixed permutation of the events into consecutive parts.

    The permutation is NumPy's legacy one, and the cuts are truncated running sums, as in the
    paper's published code: 100,000 events at 0.6, 0.2, 0.2 give 60,000, 20,000 and 20,000.

    Args:
        total: Number of events there are.
        fractions: Fraction of each part, in order; they sum to 1.
        seed: Seed of the permutation.
        used: Use the first so many events of the permutation; all where None.
        classes: `(total,)`, of which each is cut by itself.

    Returns:
        Event numbers of each part, `(events of the part,) int64`, in the order of the permutation.

    Raises:
        DataError: If a part is empty.
    """
    order = np.random.RandomState(seed).permutation(total)[:used]
    return _not_empty(_cut(order, fractions, classes))


def divide(data: Data, file: EventFile) -> dict[str, Array]:
    """Divide the events of a recipe: event numbers of each part, as of `split_rows`.

    Raises:
        DataError: A part is empty or has fewer events than asked for, or a value of the split's
            column belongs to no part.
    """
    split, source, total = data.split, file.path, file.events
    if data.events is not None and data.events > total:
        raise DataError(f"{source}: {total} events, but data.events asks for {data.events}")
    classes = None if split.stratify is None else single_column(source, split.stratify)
    if split.column is not None:
        parts = _by_value(source, split, total, data.events, classes)
    elif split.folds is not None:
        parts = _in_folds(split, total, data.events, classes)
    else:
        fractions = {name: float(getattr(split, name)) for name in PARTS}
        parts = split_rows(total, fractions, split.seed, data.events, classes)
    if (wanted := data.train_events) is not None:
        if wanted > (there := len(parts["train"])):
            raise DataError(
                f"{source}: {there} events for train, but data.train_events asks for {wanted}"
            )
        parts["train"] = parts["train"][:wanted]
    return parts


def summary(data: Data, file: EventFile) -> dict[str, Any]:
    """Describe how the events are divided: number of events of each part, and a hash of theirs."""
    return {
        name: {
            "events": len(rows),
            "sha256": hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest(),
        }
        for name, rows in divide(data, file).items()
    }


def belongs(source: Source, rows: Array, subset: Subset) -> Array:
    """Say which events are of a subset, `(rows,) bool`.

    Args:
        source: Where they are from.
        rows: Number of each event in it.
        subset: The subset.
    """
    values = single_column(source, subset.column)[rows]
    wanted = np.asarray(subset.values)
    # In float32, 0.1 is another number.
    return np.isin(values, wanted.astype(values.dtype) if values.dtype.kind == "f" else wanted)


def outside(source: Source, rows: Array, subsets: Iterable[Subset]) -> Array:
    """Keep the events that are of none of some subsets; arguments as of `belongs`."""
    for subset in subsets:
        rows = rows[~belongs(source, rows, subset)]
    return rows


def _cut(order: Array, fractions: Mapping[str, float], classes: Array | None) -> dict[str, Array]:
    """Cut an order of events into consecutive parts, each class by itself where there are some."""
    number = np.empty(len(order), int)  # of the part, at each place of the order
    for places in _groups(order, classes):
        # Rounded first: 0.7 + 0.2 + 0.1 must not end before the last event.
        edges = [int(round(len(places) * part, 6)) for part in np.cumsum(list(fractions.values()))]
        for part, some in enumerate(np.split(places, edges[:-1])):
            number[some] = part
    return {name: order[number == part] for part, name in enumerate(fractions)}


def _groups(order: Array, classes: Array | None) -> list[Array]:
    """Places in an order that are cut together."""
    if classes is None:
        return [np.arange(len(order))]
    found = classes[order]
    return [np.flatnonzero(found == value) for value in np.unique(found)]


def _in_folds(
    split: Split, total: int, used: int | None, classes: Array | None
) -> dict[str, Array]:
    """Take one fold for test, the next for valid."""
    folds = split.folds or 1
    order = np.random.RandomState(split.seed).permutation(total)[:used]
    number = np.empty(len(order), int)
    for places in _groups(order, classes):
        for fold, some in enumerate(np.array_split(places, folds)):
            number[some] = fold
    tested, valid = number == split.fold, number == (split.fold + 1) % folds
    parts = {"train": order[~tested & ~valid], "valid": order[valid], "test": order[tested]}
    return _not_empty(parts)


def _by_value(
    source: Source, split: Split, total: int, used: int | None, classes: Array | None
) -> dict[str, Array]:
    """Divide by the values of a column; parts that are fractions divide all others."""
    order = np.random.RandomState(split.seed).permutation(total)[:used]
    values = single_column(source, str(split.column))[order]
    given = {name: getattr(split, name) for name in PARTS}
    listed = {name: part for name, part in given.items() if isinstance(part, list)}
    taken = np.isin(values, [*(value for part in listed.values() for value in part), *split.unused])
    parts = {name: order[np.isin(values, part)] for name, part in listed.items()}
    if fractions := {name: float(part) for name, part in given.items() if name not in listed}:
        parts |= _cut(order[~taken], fractions, classes)
    elif len(left := np.unique(values[~taken])):
        shown = ", ".join(str(value) for value in left[:12])
        more = f" and {len(left) - 12} more" if len(left) > 12 else ""
        raise DataError(
            f"{source}: column '{split.column}': no part has the value"
            f"{'s' if len(left) > 1 else ''} {shown}{more}"
        )
    return _not_empty({name: parts[name] for name in PARTS})


def single_column(source: Source, name: str) -> Array:
    """Read a column of one number an event.

    Raises:
        DataError: It has more.
    """
    array = np.concatenate([block for _, block in read_blocks(source, name)])
    if array.ndim > 1:
        shape = array.shape[1:]
        raise DataError(f"{source}: column '{name}': expected a number an event, got shape {shape}")
    return array


def _not_empty(parts: dict[str, Array]) -> dict[str, Array]:
    total = sum(map(len, parts.values()))
    for name, part in parts.items():
        if not len(part):
            raise DataError(f"the {name} split of {total} events is empty")
    return parts
