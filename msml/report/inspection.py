"""What is in any file of events, column by column."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from msml.data.described import EventFile
from msml.data.events import describe, read_masked
from msml.data.kinematics import Array
from msml.data.schema import Column

MOST_CLASSES = 20
_MOST_PARTS = 100


@dataclass(frozen=True)
class Part:
    """The numbers of one component, or of a column that has none; masked entries are left out.

    Attributes:
        name: The component, or its number; empty for a whole column.
        unit: Its unit, where known.
        minimum: Of the finite numbers; None where there are none.
        mean: Of the finite numbers; None where there are none.
        maximum: Of the finite numbers; None where there are none.
        missing: Fraction that is NaN.
        infinite: How many are infinite.
    """

    name: str
    unit: str
    minimum: float | None
    mean: float | None
    maximum: float | None
    missing: float
    infinite: int


@dataclass(frozen=True)
class ColumnSummary:
    """A column.

    Attributes:
        name: Its name.
        shape: Events included.
        type: NumPy type.
        axes: Meaning of each axis after the event axis; empty where the file does not say.
        mask: Column that says which entries are real; empty where all are.
        description: What the numbers are, where the file says it.
        parts: Its components, or the numbers along its only axis, or all in one.
        classes: How often each value occurs, for whole numbers of few values.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    axes: tuple[str, ...]
    mask: str
    description: str
    parts: tuple[Part, ...]
    classes: dict[str, int]


@dataclass(frozen=True)
class FileSummary:
    """A file of events; `dataclasses.asdict` of it is JSON.

    Attributes:
        path: Where it is.
        file_bytes: Its size.
        events: Number of events.
        columns: Its columns.
        ignored: Why anything else in it is no column, by name.
        provenance: How it was made, where it says so.
    """

    path: str
    file_bytes: int
    events: int
    columns: tuple[ColumnSummary, ...]
    ignored: dict[str, str]
    provenance: dict[str, Any]


def summarise(path: Path) -> FileSummary:
    """Summarise a file of events.

    Raises:
        DataError: As `msml.data.events.describe`.
    """
    file = describe(path)
    return FileSummary(
        path=str(path),
        file_bytes=path.stat().st_size,
        events=file.events,
        columns=tuple(_column(file, column) for column in file.columns.values()),
        ignored=file.ignored,
        provenance=file.provenance,
    )


def part_names(column: Column) -> tuple[str, ...]:
    """Name the parts of a column that are looked at one by one, along its last axis."""
    if column.components:
        return column.components
    plain = len(column.sizes) == 1 and not column.mask and column.dtype != "bool"
    size = column.sizes[0] if plain else None
    single = size is not None and 1 < size <= _MOST_PARTS
    return tuple(map(str, range(size or 0))) if single else ("",)


def unit_of(column: Column, part: int) -> str:
    """Return the unit of a part, "" where the file does not say it."""
    units = column.units * (1 if len(column.units) > 1 else part + 1)
    return "".join(units[part : part + 1])


def real_values(file: EventFile, column: Column) -> Iterator[tuple[Array, Array]]:
    """Read a column block by block, arranged by parts, without masked entries.

    Returns:
        Of each block: `(entries, parts)` numbers, and `(entries,)` their events.
    """
    for start, block, real in read_masked(file, column.name):
        mask = np.ones(len(block), bool) if real is None else real
        values = block[mask].reshape(-1, len(part_names(column)))
        events = start + np.nonzero(mask)[0]
        yield values, np.repeat(events, len(values) // max(1, len(events)))


def _column(file: EventFile, column: Column) -> ColumnSummary:
    """Look at a column block by block."""
    names = part_names(column)
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    total, finite, missing, infinite = np.zeros((4, len(names)))
    classes: Counter[int] | None = Counter()
    for values, _ in real_values(file, column):
        if values.dtype.kind == "f":
            classes = None
        elif classes is not None:
            found, counts = np.unique(values, return_counts=True)
            classes.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
            classes = classes if len(classes) <= MOST_CLASSES else None
        values = values.astype(np.float64)
        good = np.isfinite(values)
        low = np.minimum(low, values.min(axis=0, where=good, initial=np.inf))
        high = np.maximum(high, values.max(axis=0, where=good, initial=-np.inf))
        total += values.sum(axis=0, where=good)
        finite += good.sum(axis=0)
        missing += np.isnan(values).sum(axis=0)
        infinite += np.isinf(values).sum(axis=0)
    parts = []
    for i, part in enumerate(names):
        entries = finite[i] + missing[i] + infinite[i]
        numbers = (low[i], total[i] / finite[i], high[i]) if finite[i] else (None, None, None)
        unit, fraction = unit_of(column, i), float(missing[i] / max(1, entries))
        low_, mean, high_ = (None if x is None else float(x) for x in numbers)
        parts.append(Part(part, unit, low_, mean, high_, fraction, int(infinite[i])))
    return ColumnSummary(
        column.name,
        file.shapes[column.name],
        column.dtype,
        column.axes,
        column.mask,
        column.description,
        tuple(parts),
        {str(value): count for value, count in sorted((classes or {}).items())},
    )
