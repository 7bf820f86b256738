"""The data of a training recipe, and which columns and tasks each of its tasks is wired to."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from msml.data.events import describe
from msml.data.schema import COLUMNS
from msml.data.transforms import FIRST_COMPONENT, TRANSFORMS
from msml.errors import DataError
from msml.recipe.load import Recipe
from msml.recipe.messages import Problem, unknown
from msml.recipe.schema import Data, TrainRecipe

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Columns:
    """The columns a recipe can use.

    Attributes:
        shapes: Shape by name, without the event axis; None where only the file would tell.
        place: Where they are, for messages.
    """

    shapes: dict[str, Shape | None]
    place: str

    def unknown(self, name: str, more: tuple[str, ...] = ()) -> str:
        """Say that there is no column of this name; `more` are other names that would do."""
        what = "column or earlier task" if more else "column"
        return unknown(what, name, [*more, *self.shapes]) + f" ({self.place})"


def check_data(recipe: Recipe[TrainRecipe]) -> tuple[Columns, list[Problem]]:
    """Look into the data file, without reading events, and check the `data` block against it.

    Returns:
        The columns: the file's, or those of the format where it cannot be read.
    """
    data = recipe.values.data
    path = recipe.locate("data.file", data.file)
    problems = []
    try:
        file = describe(path)
    except DataError as error:
        columns = Columns({name: _usual_shape(name) for name in COLUMNS}, "of the event format")
        problems.append(("data.file", str(error)))
    else:
        shapes = {name: shape[1:] for name, shape in file.shapes.items()}
        columns = Columns({**shapes}, f"columns of {path}")
        problems += _check_number(data, file.events, path)
    return columns, problems + list(_check_columns(data, columns))


def check_wiring(recipe: TrainRecipe, columns: Columns) -> Iterator[Problem]:
    """Check that inputs are columns or earlier tasks, and that targets are columns."""
    names = list(recipe.tasks)
    for position, (name, task) in enumerate(recipe.tasks.items()):
        key, earlier = f"tasks.{name}", tuple(names[:position])
        if name in columns.shapes:
            yield key, f"'{name}' is also a column; a task needs a name of its own"
        if task.target not in columns.shapes:
            yield f"{key}.target", columns.unknown(task.target)
        if not task.inputs:
            yield f"{key}.inputs", "there are none"
        for i, source in enumerate(task.inputs):
            if source == name:
                message = "the task itself: a cycle"
            elif source in names[position:]:
                message = f"the task '{source}' comes after this one: a cycle, or the wrong order"
            elif source == task.target:
                message = f"'{source}' is the target of this task"
            elif source not in earlier and source not in columns.shapes:
                message = columns.unknown(source, earlier)
            else:
                continue
            yield f"{key}.inputs.{i}", message


def input_shapes(recipe: TrainRecipe, name: str, columns: Columns) -> list[Shape] | None:
    """Return the shapes of a task's inputs, without the event axis; None if one is not known.

    An earlier task gives what its target looks like.
    """
    shapes = []
    for source in recipe.tasks[name].inputs:
        shape = columns.shapes.get(source)
        if source in recipe.tasks:
            shape = output_shape(recipe, source, columns)
        if shape is None:
            return None
        shapes.append(shape)
    return shapes


def output_shape(recipe: TrainRecipe, name: str, columns: Columns) -> Shape | None:
    """Return the shape of a task's output: its target's, and `(1,)` for a number an event."""
    shape = columns.shapes.get(recipe.tasks[name].target)
    return (1,) if shape == () else shape


def _check_number(data: Data, events: int, path: Path) -> Iterator[Problem]:
    """Check that there are enough events for what the recipe takes and how it divides them."""
    taken = events if data.events is None else data.events
    if taken > events:
        yield "data.events", f"expected at most {events}, the events of {path}, got {taken}"
        return
    for part in ("train", "valid", "test"):
        fraction = getattr(data.split, part)
        if 0 < fraction < 1 <= taken and taken * fraction < 1:
            yield f"data.split.{part}", f"{fraction:g} of {taken} events leaves none"


def _check_columns(data: Data, columns: Columns) -> Iterator[Problem]:
    if data.weight is not None and data.weight not in columns.shapes:
        yield "data.weight", columns.unknown(data.weight)
    elif data.weight is not None and columns.shapes[data.weight] != ():
        yield "data.weight", f"expected a number an event, got shape {columns.shapes[data.weight]}"
    for name, transform in data.transform.items():
        key = f"data.transform.{name}"
        if name not in columns.shapes:
            yield key, columns.unknown(name)
        if transform not in TRANSFORMS:
            yield key, unknown("transform", transform, TRANSFORMS)
        elif (first := FIRST_COMPONENT.get(transform)) and name in COLUMNS:
            components = COLUMNS[name].components
            if components[:1] != (first,):
                found = ", ".join(components) or "no components"
                yield key, f"'{transform}' wants {first} first; '{name}' has {found}"


def _usual_shape(name: str) -> Shape | None:
    """Return the shape of a column where it is the same in every file, else None."""
    sizes = COLUMNS[name].sizes
    return None if None in sizes else tuple(size for size in sizes if size is not None)
