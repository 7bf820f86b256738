"""What a recipe wants of a table, checked as far as that goes without its files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from msml.data.importers.cuts import Cut, cut_problem
from msml.data.importers.recipe import (
    DTYPES,
    FILE,
    LABEL,
    PROCESS,
    READERS,
    ROW,
    ColumnRecipe,
    TableRecipe,
)
from msml.errors import RecipeError
from msml.recipe import Recipe
from msml.recipe.check import Findings, check
from msml.recipe.messages import unknown
from msml.recipe.tree import Node, line

_LARGEST = 255  # of the columns `process` and `label`
_LARGEST_SIZE = 10**6  # objects of an event
_INT64 = 2**63


@dataclass(frozen=True)
class Selection:
    """What a recipe wants of a table.

    Attributes:
        columns: How each column is made.
        cuts: What an event must pass.
        markers: Numbers and texts that stand for a missing value.
    """

    columns: dict[str, ColumnRecipe]
    cuts: list[Cut]
    markers: tuple[float | str, ...]

    def uses(self) -> Iterator[tuple[str, str]]:
        """Yield key and branch of each use."""
        for name, column in self.columns.items():
            yield from ((f"columns.{name}", branch) for branch in column.names)
        yield from ((f"cuts.{number}", cut.branch) for number, cut in enumerate(self.cuts))


def selection(recipe: Recipe[TableRecipe]) -> Selection:
    """Check a recipe, without its files.

    Raises:
        RecipeError: Holds all problems found.
    """
    values, columns, mistakes = recipe.values, {}, []
    for name, given in values.columns.items():
        key = ("columns", name)
        node = _node(recipe, ".".join(key), as_mapping(given))
        own = Findings()
        found = check(node, ColumnRecipe, key, own)
        if isinstance(found, dict) and not own.problems:
            columns[name] = ColumnRecipe(**found)
        mistakes += own.problems
    problems = [
        *_source_problems(values),
        *_column_problems(columns, values),
        *_missing_problems(values.missing),
        *(
            (f"cuts.{number}", problem)
            for number, cut in enumerate(values.cuts)
            if (problem := cut_problem(cut))
        ),
    ]
    lines = [line(recipe.where(key), key, message) for key, message in problems]
    if mistakes or lines:
        raise RecipeError([*mistakes, *lines])
    cuts = [Cut(branch, operator, value) for branch, operator, value in values.cuts]
    return Selection(columns, cuts, tuple(values.missing))


def as_mapping(given: Any) -> Any:
    """Write the short forms of a column in full, as a mapping with the keys of `ColumnRecipe`."""
    if isinstance(given, str):
        return {"branch": given}
    if isinstance(given, list):
        return {"branches": given}
    if isinstance(given, dict) and isinstance(given.get("units"), str):
        return {**given, "units": [given["units"]]}
    return given


def _node(recipe: Recipe[TableRecipe], key: str, value: object) -> Node:
    """Put plain values back to where the recipe has them, for `check`."""
    if isinstance(value, dict):
        content: Any = {str(name): _node(recipe, f"{key}.{name}", v) for name, v in value.items()}
    elif isinstance(value, list):
        content = [_node(recipe, f"{key}.{i}", v) for i, v in enumerate(value)]
    else:
        content = value
    return Node(content, recipe.where(key))


def _source_problems(values: TableRecipe) -> Iterator[tuple[str, str]]:
    """Find what is wrong with files and processes."""
    kind = values.source.kind
    if kind is not None and kind not in READERS:
        yield "source.kind", unknown("kind", kind, READERS)
    if values.source.delimiter is not None and len(values.source.delimiter) != 1:
        yield "source.delimiter", f"{values.source.delimiter!r}, expected one character"
    if values.source.files and values.processes:
        yield "source.files", "has no effect: each of the processes has files of its own"
    if not values.source.files and not values.processes:
        yield "source.files", "missing; expected paths or patterns, or processes with files"
    for name, process in values.processes.items():
        if not process.files:
            yield f"processes.{name}.files", "empty; expected paths or patterns"
        # Limits are checked here, so that a mistake hides no other one.
        if process.label is not None and not 0 <= process.label <= _LARGEST:
            yield f"processes.{name}.label", f"{process.label}, expected 0 to {_LARGEST}"
    if len(values.processes) > _LARGEST + 1:
        yield "processes", f"{len(values.processes)} of them, expected {_LARGEST + 1} at most"
    without = [name for name, process in values.processes.items() if process.label is None]
    if without and len(without) < len(values.processes):
        yield f"processes.{without[0]}", "label missing; expected one of every process or of none"


def _column_problems(
    columns: Mapping[str, ColumnRecipe], values: TableRecipe
) -> Iterator[tuple[str, str]]:
    """Find what is wrong with columns."""
    taken = _taken(columns, values)
    if not values.columns:
        yield "columns", "empty; expected NAME: BRANCH or NAME: [BRANCH, ...]"
    for name, column in columns.items():
        key = f"columns.{name}"
        if name in taken:
            yield key, f"this name is taken: the column '{name}' {taken[name]}"
        if not name or set(name) & set("/."):
            yield key, "a name with / or . in it means something else in HDF5 and in recipes"
        if (column.branch is None) == (not column.branches):
            yield key, "expected either `branch` or `branches`"
        if column.dtype is not None and column.dtype not in DTYPES:
            yield f"{key}.dtype", unknown("type", column.dtype, DTYPES)
        if column.size is not None and not 1 <= column.size <= _LARGEST_SIZE:
            yield f"{key}.size", f"expected 1 or more, got {column.size}"
        for text, number in column.map.items():
            if type(number) not in (int, float, bool) or not abs(number) < _INT64:
                yield f"{key}.map.{text}", f"expected a number, got {number!r}"


def _taken(columns: Mapping[str, ColumnRecipe], values: TableRecipe) -> dict[str, str]:
    """Return names of the columns that are made anyway, and what each does."""
    taken = dict.fromkeys((ROW, FILE), "says where an event comes from")
    if values.processes:
        taken[PROCESS] = "counts through the processes"
    if any(process.label is not None for process in values.processes.values()):
        taken[LABEL] = "holds the labels of the processes"
    masks = {f"{name}_mask": name for name, column in columns.items() if column.size is not None}
    return taken | {mask: f"is the mask of '{name}'" for mask, name in masks.items()}


def _missing_problems(markers: list[Any]) -> Iterator[tuple[str, str]]:
    for number, marker in enumerate(markers):
        if type(marker) not in (int, float, str):
            yield f"missing.{number}", f"expected a number or a text, got {marker!r}"
