"""The data of a training recipe, and which columns and tasks each of its tasks is wired to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from msml.data.described import Source
from msml.data.events import describe
from msml.data.schema import COLUMNS, Column
from msml.data.source import event_source
from msml.data.transforms import FIRST_COMPONENT, TRANSFORMS
from msml.errors import DataError
from msml.recipe.expand import PROBABILITIES, source_of
from msml.recipe.load import Recipe
from msml.recipe.messages import Problem, unknown
from msml.recipe.schema import Data, Task, TrainRecipe
from msml.registry import losses

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Columns:
    """The columns a recipe can use.

    Attributes:
        shapes: Shape by name, without the event axis; None where only the file would tell.
        place: Where they are, for messages.
        described: Description by name.
        file: The event files; None where they cannot be read.
        ignored: Why anything else in the file is no column, by name.
    """

    shapes: dict[str, Shape | None]
    place: str
    described: Mapping[str, Column]
    file: Source | None = None
    ignored: Mapping[str, str] = field(default_factory=dict)

    def unknown(self, name: str, more: tuple[str, ...] = ()) -> str:
        """Say that there is no column of this name; `more` are other names that would do."""
        if name in self.ignored:
            return f"'{name}' is no column: {self.ignored[name]} ({self.place})"
        what = "column or earlier task" if more else "column"
        return unknown(what, name, [*more, *self.shapes]) + f" ({self.place})"


def check_data(recipe: Recipe[TrainRecipe]) -> tuple[Columns, list[Problem]]:
    """Look into the data file, without reading events, and check the `data` block against it.

    Returns:
        The columns: the file's. Where it cannot be read, all that the recipe names, and the
        registered ones.
    """
    data = recipe.values.data
    names = column_names(recipe.values)
    problems = []
    try:
        path = event_source(recipe)
        file = describe(path, names)
    except DataError as error:
        usual = {name: _usual_shape(name) for name in COLUMNS}
        columns = Columns(dict.fromkeys(names) | usual, "of no file", COLUMNS)
        problems.append((data_key(data), str(error)))
    else:
        shapes = {name: shape[1:] for name, shape in file.shapes.items()}
        place = f"columns of {path}"
        columns = Columns({**shapes}, place, file.columns, path, file.ignored)
        problems += _check_number(data, file.events, path)
    return columns, problems + list(_check_columns(data, columns))


def data_key(data: Data) -> str:
    """Name the key that says where the events are."""
    return "data.file" if data.files is None else "data.files"


def column_names(recipe: TrainRecipe) -> list[str]:
    """Name the columns that a recipe wants, each once, whether they exist or not."""
    names = [*recipe.data.transform, *([recipe.data.weight] if recipe.data.weight else [])]
    for task in recipe.tasks.values():
        inputs = (source_of(text, recipe.tasks) for text in task.inputs)
        names += [task.target, *(source.name for source in inputs if not source.output)]
    return list(dict.fromkeys(names))


def check_wiring(recipe: TrainRecipe, columns: Columns) -> Iterator[Problem]:
    """Check that inputs are columns or outputs of earlier tasks, and that targets are columns."""
    for position, (name, task) in enumerate(recipe.tasks.items()):
        key = f"tasks.{name}"
        if name in columns.shapes:
            yield key, f"'{name}' is also a column; a task needs a name of its own"
        if task.target not in columns.shapes:
            yield f"{key}.target", columns.unknown(task.target)
        if task.output == PROBABILITIES:
            yield f"{key}.output", f"'{PROBABILITIES}' is made by msml; expected another name"
        if not task.inputs:
            yield f"{key}.inputs", "there are none"
        for i, text in enumerate(task.inputs):
            if message := _input_problem(recipe, columns, position, text):
                yield f"{key}.inputs.{i}", message


def _input_problem(recipe: TrainRecipe, columns: Columns, position: int, text: str) -> str | None:
    """Say what is wrong with an input of the task at a position."""
    names, source = list(recipe.tasks), source_of(text, recipe.tasks)
    if source.name == names[position]:
        return "the task itself: a cycle"
    if source.name in names[position:]:
        return f"the task '{source.name}' comes after this one: a cycle, or the wrong order"
    if text == recipe.tasks[names[position]].target:
        return f"'{text}' is the target of this task"
    if source.output == PROBABILITIES and not _classifies(recipe.tasks[source.name]):
        loss = recipe.tasks[source.name].loss.get("name")
        return f"the loss '{loss}' of '{source.name}' gives no {PROBABILITIES}"
    if not source.output and text not in columns.shapes:
        return columns.unknown(text, tuple(names[:position]))
    return None


def _classifies(task: Task) -> bool:
    """Say whether a task's loss is one of classes; one that is not known may be."""
    name = str(task.loss.get("name"))
    return name not in losses.names() or bool(losses.get(name).facts.get("classification"))


def input_shapes(
    recipe: TrainRecipe,
    name: str,
    columns: Columns,
    classes: Mapping[str, int],
    outputs: Mapping[str, Mapping[str, Shape]],
) -> list[Shape] | None:
    """Return the shapes of a task's inputs, without the event axis; None if one is not known.

    Args:
        recipe: The recipe.
        name: The task.
        columns: The columns of its data.
        classes: Number of classes by task.
        outputs: Shapes of the outputs of earlier tasks, by task and name, besides those that their
            losses see.
    """
    shapes = []
    for text in recipe.tasks[name].inputs:
        source = source_of(text, recipe.tasks)
        if not source.output:
            shape = columns.shapes.get(text)
        elif source.output in (PROBABILITIES, recipe.tasks[source.name].output):
            shape = output_shape(recipe, source.name, columns, classes)
        else:
            shape = outputs.get(source.name, {}).get(source.output)
        if shape is None:
            return None
        shapes.append(shape)
    return shapes


def output_shape(
    recipe: TrainRecipe, name: str, columns: Columns, classes: Mapping[str, int]
) -> Shape | None:
    """Return the shape of the output that a task's loss sees, without the event axis.

    It is the target's, and `(1,)` for a number an event, unless the loss says otherwise.
    """
    task = recipe.tasks[name]
    shape = columns.shapes.get(task.target)
    if shape is None or str(task.loss.get("name")) not in losses.names():
        return shape
    wanted = losses.get(str(task.loss["name"])).facts.get("output")
    if wanted is None:
        return (1,) if shape == () else shape
    arguments = {key: value for key, value in task.loss.items() if key != "name"}
    return tuple(wanted(shape, classes.get(name, 0), **arguments))


def _check_number(data: Data, events: int, path: Source) -> Iterator[Problem]:
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
        elif (first := FIRST_COMPONENT.get(transform)) and name in columns.described:
            components = columns.described[name].components
            if columns.described[name].told and components[:1] != (first,):
                found = ", ".join(components) or "no components"
                yield key, f"'{transform}' wants {first} first; '{name}' has {found}"


def _usual_shape(name: str) -> Shape | None:
    """Return the shape of a column where it is the same in every file, else None."""
    sizes = COLUMNS[name].sizes
    return None if None in sizes else tuple(size for size in sizes if size is not None)
