"""From what a recipe wants and what branches hold to the columns of the event file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from msml.data.importers.branches import Kind
from msml.data.importers.recipe import ColumnRecipe
from msml.data.schema import COLUMNS, Column

_SMALL = ("int8", "int16", "int32", "int64")


@dataclass(frozen=True)
class Layout:
    """A column about to be made.

    Attributes:
        column: Its description; `mask` names the column of its mask where it is jagged.
        recipe: How it is made.
        stacked: Whether its branches are stacked along a last axis.
    """

    column: Column
    recipe: ColumnRecipe
    stacked: bool

    @property
    def mask(self) -> Column | None:
        """Describe the mask, None where every entry is real."""
        if self.recipe.size is None:
            return None
        axes, name = self.column.axes[:1], self.column.name
        description = f"whether an entry of {name} is real; the others are 0"
        return Column(f"{name}_mask", "bool", axes, (self.recipe.size,), (), (), description)


def layouts(
    columns: Mapping[str, ColumnRecipe], kinds: Mapping[str, Kind]
) -> tuple[list[Layout], list[tuple[str, str]]]:
    """Lay out the columns whose branches are all there.

    Returns:
        The columns, and key and message of each problem.
    """
    made, problems = [], []
    for name, recipe in columns.items():
        if all(branch in kinds for branch in recipe.names):
            held = [kinds[branch] for branch in recipe.names]
            found = list(_problems(recipe, held)) or _described(name, recipe, held)
            if isinstance(found, Layout):
                made.append(found)
            else:
                problems += [(f"columns.{name}", problem) for problem in found]
    return made, problems


def _problems(recipe: ColumnRecipe, kinds: Sequence[Kind]) -> Iterator[str]:
    """Say why branches do not make the column that the recipe wants."""
    for branch, kind in zip(recipe.names, kinds, strict=True):
        if kind.dtype is None and not recipe.map:
            yield (
                f"branch '{branch}' holds {f'the text {kind.text}' if kind.text else 'texts'},"
                " expected numbers; texts need a `map`, markers belong in `missing`"
            )
        if kind.jagged and recipe.size is None:
            yield f"branch '{branch}' is jagged; say with size: N how many objects to keep"
        if not kind.jagged and recipe.size is not None:
            yield f"size has no effect: branch '{branch}' is not jagged"
    if len({(kind.jagged, kind.sizes) for kind in kinds}) > 1:
        held = ", ".join(f"{b} ({k})" for b, k in zip(recipe.names, kinds, strict=True))
        yield f"branches of different shapes cannot be stacked: {held}"


def _described(name: str, recipe: ColumnRecipe, kinds: Sequence[Kind]) -> Layout | list[str]:
    """Describe a column, or say where the recipe's description does not fit."""
    stacked = recipe.branch is None
    sizes = (*(() if recipe.size is None else (recipe.size,)), *kinds[0].sizes)
    if stacked:
        sizes = (*sizes, len(recipe.branches))
    components = tuple(recipe.components or (recipe.branches if stacked else ()))
    plain = len(sizes) - bool(components)
    axes = tuple(recipe.axes or _usual_axes(plain, jagged=recipe.size is not None))
    problems = []
    if components and (not sizes or len(components) != sizes[-1]):
        values = sizes[-1] if sizes else 1
        problems.append(f"components: {len(components)} names for {values} values")
    elif len(axes) != plain:
        problems.append(f"axes: {len(axes)} names, expected {plain} besides event and component")
    if len(recipe.units) not in (0, 1, len(components)):
        problems.append(f"units: {len(recipe.units)} of them, expected 1 or one for each component")
    if problems:
        return problems
    axes += ("component",) * bool(components)
    units, mask = tuple(recipe.units), "" if recipe.size is None else f"{name}_mask"
    column = Column(
        name, _dtype(recipe, kinds), axes, sizes, components, units, recipe.description, mask
    )
    if name not in COLUMNS:
        return Layout(column, recipe, stacked)
    return _registered(Layout(column, recipe, stacked))


def _usual_axes(number: int, jagged: bool) -> list[str]:
    """Name axes of which the recipe says nothing."""
    names = [f"axis {i}" for i in range(1, number + 1)]
    return ["object", *names[1:]] if jagged else names


def _registered(layout: Layout) -> Layout | list[str]:
    """Give a column of a registered name its registered description, if that fits."""
    column, known, recipe = layout.column, COLUMNS[layout.column.name], layout.recipe
    problems = []
    if wrong := known.shape((0, *(size or 0 for size in column.sizes))):
        problems.append(wrong.replace("(0,", "(events,"))
    for attribute in ("axes", "components", "units"):
        given = tuple(getattr(recipe, attribute))
        if given and given != getattr(known, attribute):
            problems.append(f"{attribute} {list(given)}, expected {[*getattr(known, attribute)]}")
    if recipe.dtype not in (None, known.dtype):
        problems.append(f"dtype {recipe.dtype}, expected {known.dtype}")
    note = f"'{known.name}' has a meaning of its own in msml ({known.description}): "
    if problems:
        return [note + "; ".join(problems) + "; or give the column another name"]
    return replace(layout, column=replace(known, sizes=column.sizes))


def _dtype(recipe: ColumnRecipe, kinds: Sequence[Kind]) -> str:
    """Choose a column's type."""
    if recipe.dtype is not None:
        return recipe.dtype
    if recipe.map:
        numbers = list(recipe.map.values())
        if any(number != int(number) for number in numbers):
            return "float32"
        limits = ((name, np.iinfo(name)) for name in _SMALL)
        return next(n for n, i in limits if i.min <= min(numbers) and max(numbers) <= i.max)
    common: np.dtype[Any] = np.result_type(*(kind.dtype for kind in kinds))
    return "float32" if common.kind == "f" else str(common)
