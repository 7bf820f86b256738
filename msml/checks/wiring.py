"""Which columns and tasks each task of a training recipe is wired to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from msml.data.described import Source
from msml.data.schema import Column
from msml.data.transforms import Pipeline
from msml.losses import classifies
from msml.models.each import Each
from msml.recipe.expand import PROBABILITIES, source_of
from msml.recipe.messages import Problem, unknown
from msml.recipe.schema import Task, TrainRecipe
from msml.registry import losses

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Columns:
    """The columns a recipe can use.

    Attributes:
        shapes: Shape by name, without the event axis, as transforms leave it; None where only the
            file would tell.
        place: Where they are, for messages.
        described: Description by name, before the transforms.
        file: The event files; None where they cannot be read.
        ignored: Why anything else in the file is no column, by name.
        pipelines: The transforms by column.
    """

    shapes: dict[str, Shape | None]
    place: str
    described: Mapping[str, Column]
    file: Source | None = None
    ignored: Mapping[str, str] = field(default_factory=dict)
    pipelines: Mapping[str, Pipeline] = field(default_factory=dict)

    def unknown(self, name: str, more: tuple[str, ...] = ()) -> str:
        """Say that there is no column of this name; `more` are other names that would do."""
        if name in self.ignored:
            return f"'{name}' is no column: {self.ignored[name]} ({self.place})"
        what = "column or earlier task" if more else "column"
        return unknown(what, name, [*more, *self.shapes]) + f" ({self.place})"


WEIGHTS = "weight"
"""Name of the registered column of event weights."""


def check_wiring(recipe: TrainRecipe, columns: Columns) -> Iterator[Problem]:
    """Check that inputs are columns or outputs of earlier tasks, and that targets are columns."""
    for position, (name, task) in enumerate(recipe.tasks.items()):
        key = f"tasks.{name}"
        if name in columns.shapes:
            yield key, f"'{name}' is also a column; a task needs a name of its own"
        if task.target not in columns.shapes:
            yield f"{key}.target", columns.unknown(task.target)
        for use, column in (
            ("weight", recipe.data.weight),
            ("split.column", recipe.data.split.column),
        ):
            if column is not None and task.target == column:
                yield f"{key}.target", f"'{column}' is data.{use}; expected another column"
        yield from _check_each(name, recipe, columns)
        if task.output == PROBABILITIES:
            yield f"{key}.output", f"'{PROBABILITIES}' is made by msml; expected another name"
        yield from _check_inputs(key, recipe, columns, position)


def _check_inputs(
    key: str, recipe: TrainRecipe, columns: Columns, position: int
) -> Iterator[Problem]:
    """Check the inputs of the task at a position, and that what it hides is among them."""
    task = recipe.tasks[list(recipe.tasks)[position]]
    if not task.inputs:
        yield f"{key}.inputs", "there are none"
    for i, text in enumerate(task.inputs):
        if message := _input_problem(recipe, columns, position, text):
            yield f"{key}.inputs.{i}", message
    for text in task.hide:
        if text not in task.inputs:
            yield f"{key}.hide", unknown("input", text, task.inputs)


def _input_problem(recipe: TrainRecipe, columns: Columns, position: int, text: str) -> str | None:
    """Say what is wrong with an input of the task at a position."""
    names, source = list(recipe.tasks), source_of(text, recipe.tasks)
    if source.name == names[position]:
        return "the task itself: a cycle"
    if source.name in names[position:]:
        return f"the task '{source.name}' comes after this one: a cycle, or the wrong order"
    task = recipe.tasks[names[position]]
    if text == task.target and text not in task.hide:
        return f"'{text}' is the target of this task"
    if text in (recipe.data.weight, WEIGHTS):
        return f"'{text}' holds weights of events, which may reveal their class"
    if source.output == PROBABILITIES and not _classifies(recipe.tasks[source.name]):
        loss = recipe.tasks[source.name].loss.get("name")
        return f"the loss '{loss}' of '{source.name}' gives no {PROBABILITIES}"
    if not source.output and text not in columns.shapes:
        return columns.unknown(text, tuple(names[:position]))
    return None


def _classifies(task: Task) -> bool:
    """Say whether a task's loss is one of classes; one that is not known may be."""
    name = str(task.loss.get("name"))
    return name not in losses.names() or classifies(name)


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
    for text in inputs_of(recipe, name, columns):
        shape = input_shape(recipe, text, columns, classes, outputs)
        if shape is None:
            return None
        shapes.append(shape)
    return shapes


def input_shape(
    recipe: TrainRecipe,
    text: str,
    columns: Columns,
    classes: Mapping[str, int],
    outputs: Mapping[str, Mapping[str, Shape]],
) -> Shape | None:
    """Return the shape of one input, without the event axis; arguments as of `input_shapes`."""
    source = source_of(text, recipe.tasks)
    if not source.output:
        return columns.shapes.get(text)
    if source.output in (PROBABILITIES, recipe.tasks[source.name].output):
        return output_shape(recipe, source.name, columns, classes)
    return outputs.get(source.name, {}).get(source.output)


def output_shape(
    recipe: TrainRecipe, name: str, columns: Columns, classes: Mapping[str, int]
) -> Shape | None:
    """Return the shape of the output that a task's loss sees, without the event axis.

    It is the target's, and `(1,)` for a number an event, or an object of `each`, unless the loss
    says otherwise.
    """
    task = recipe.tasks[name]
    shape = columns.shapes.get(task.target)
    if shape is None or str(task.loss.get("name")) not in losses.names():
        return shape
    objects, shape = (shape[:1], shape[1:]) if task.each else ((), shape)
    wanted = losses.get(str(task.loss["name"])).facts.get("output")
    if wanted is None:
        return (*objects, *(shape or (1,)))
    arguments = {key: value for key, value in task.loss.items() if key != "name"}
    return (*objects, *wanted(shape, classes.get(name, 0), **arguments))


def inputs_of(recipe: TrainRecipe, name: str, columns: Columns) -> tuple[str, ...]:
    """Name the inputs of a task: those of the recipe, then the masks that are not among them.

    These are the masks of columns, of the objects of `each`, and of those of earlier tasks.
    """
    task, found = recipe.tasks[name], list(recipe.tasks[name].inputs)
    for text in [*task.inputs, *([task.each] if task.each else [])]:
        source = source_of(text, recipe.tasks)
        column = recipe.tasks[source.name].each if source.output else source.name
        if mask := mask_of(column, columns):
            found.append(mask)
    return tuple(dict.fromkeys(found))


def input_masks(recipe: TrainRecipe, name: str, columns: Columns) -> tuple[bool, ...]:
    """Say which inputs of a task are masks: boolean columns, and those that other columns name."""
    inputs = inputs_of(recipe, name, columns)
    added = inputs[len(recipe.tasks[name].inputs) :]
    found = {text: columns.described.get(text) for text in inputs}
    return tuple(
        text in added or (column is not None and column.dtype == "bool")
        for text, column in found.items()
    )


def each_of(recipe: TrainRecipe, name: str, columns: Columns) -> Each | None:
    """Say which objects the models of a task are applied to; None where it has no `each`."""
    task = recipe.tasks[name]
    shape = columns.shapes.get(task.each or "")
    if not task.each or not shape:
        return None
    real, inputs = mask_of(task.each, columns), inputs_of(recipe, name, columns)
    return Each(shape[0], inputs.index(real) if real else None)


def count_inputs(recipe: TrainRecipe, name: str, columns: Columns) -> int:
    """Count what the models of a task are given."""
    inputs, each = inputs_of(recipe, name, columns), each_of(recipe, name, columns)
    return len(inputs if each is None else each.given(inputs))


def _check_each(name: str, recipe: TrainRecipe, columns: Columns) -> Iterator[Problem]:
    """Check that a column has objects, and that inputs and target are of them."""
    task, key = recipe.tasks[name], f"tasks.{name}.each"
    if task.each is None:
        return
    if task.each not in columns.shapes:
        yield key, columns.unknown(task.each)
        return
    shape, target = columns.shapes[task.each], columns.shapes.get(task.target)
    if shape is None:
        return
    if not shape:
        yield key, f"'{task.each}' is a number an event; expected a column with an axis of objects"
        return
    mask = columns.described.get(mask_of(task.each, columns))
    if mask is not None and len(mask.sizes) != 1:
        yield key, f"the mask of '{task.each}' is '{mask.name}', not of objects alone"
    if target is not None and target[:1] != shape[:1]:
        wanted = f"expected {shape[0]} objects, those of '{task.each}'"
        yield f"tasks.{name}.target", f"'{task.target}' has shape {target}; {wanted}"


def mask_of(column: str | None, columns: Columns) -> str:
    """Name the column that says which numbers of a column are real; "" where all are."""
    described = columns.described.get(column or "")
    return "" if described is None else described.mask
