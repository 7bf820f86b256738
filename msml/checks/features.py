"""What the inputs of a task are made of: the numbers that explanations of it are about."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msml.checks.wiring import Columns, Shape, input_shape, inputs_of, mask_of
from msml.data.schema import Column
from msml.data.transforms import Step
from msml.recipe.expand import PROBABILITIES, Source, source_of
from msml.recipe.schema import Task, TrainRecipe
from msml.registry import losses


@dataclass(frozen=True)
class Input:
    """One input of a task.

    Attributes:
        name: As the task names it.
        shape: As models see it, without the event axis; None where it is not known yet.
        components: Names along the last axis, where that is one of components; else empty.
        units: Unit of each component, or of all numbers.
        mask: Column that says which of its entries are real; all where empty.
        is_mask: Whether it only says that of other inputs.
        latent: Whether its numbers have no meaning but that which models give them.
        steps: The transforms that names and units are those before of; each number by itself.
    """

    name: str
    shape: Shape | None
    components: tuple[str, ...] = ()
    units: tuple[str, ...] = ("1",)
    mask: str = ""
    is_mask: bool = False
    latent: bool = False
    steps: tuple[Step, ...] = ()

    def unit(self, number: int | None) -> str:
        """Unit of a component, or of all numbers; "1" for none."""
        several = number is not None and len(self.units) == len(self.components)
        return (self.units or ("1",))[number if several and number is not None else 0]


@dataclass(frozen=True)
class Feature:
    """What is changed of a task's inputs, all else being left as it is.

    Attributes:
        input: Name of the input; several are joined by ` + `.
        component: Name of its component; None for all of it.
        places: Which inputs change.
        number: Place of the component along the last axis.
        across: Mask of the entries that may change places, each with that of another event; whole
            events do where empty.
    """

    input: str
    component: str | None
    places: tuple[int, ...]
    number: int | None
    across: str

    @property
    def name(self) -> str:
        """`input`, or `input.component`."""
        return self.input if self.component is None else f"{self.input}.{self.component}"


def described(
    recipe: TrainRecipe,
    name: str,
    columns: Columns,
    classes: Mapping[str, int],
    outputs: Mapping[str, Mapping[str, Shape]],
) -> list[Input]:
    """Describe the inputs of a task, in the order of its models'.

    Args:
        recipe: The recipe.
        name: The task.
        columns: The columns of its data.
        classes: Number of classes by task.
        outputs: Shapes of outputs of earlier tasks, as of `input_shape`.
    """
    task = recipe.tasks[name]
    texts = inputs_of(recipe, name, columns)
    masks = {text: _mask(recipe, task, text, columns) for text in texts}
    found = []
    for text in texts:
        shape = input_shape(recipe, text, columns, classes, outputs)
        mask = masks[text]
        if not mask and _of_objects(task, shape, columns):
            mask = mask_of(task.each, columns)
        is_mask = text in masks.values() or text == mask_of(task.each, columns)
        if is_mask:
            found.append(Input(text, shape, is_mask=True))
        else:
            found.append(_described(recipe, text, columns, shape, mask))
    return found


def features(inputs: Sequence[Input], real: str) -> Iterator[Feature]:
    """List what can be changed: each input as a whole, its components, all that has one mask.

    Args:
        inputs: Of a task.
        real: Column that says which objects of its `each` are real; "" where it has none.
    """
    for place, each in enumerate(inputs):
        if not each.is_mask:
            yield Feature(each.name, None, (place,), None, each.mask)
            yield from _components(place, each)
    for place, mask in enumerate(inputs):
        covered = [n for n, each in enumerate(inputs) if each.mask == mask.name]
        if mask.is_mask and covered and mask.name != real:
            places = (*covered, place)
            yield Feature(" + ".join(inputs[n].name for n in places), None, places, None, real)


def single_features(inputs: Sequence[Input], objects: bool) -> Iterator[Feature]:
    """List the features that are one number of an event, or of each of its objects.

    Args:
        inputs: Of a task.
        objects: Whether it is a task of each object, of which the inputs may have more.
    """
    for place, each in enumerate(inputs):
        if each.shape is None or each.is_mask or each.latent:
            continue
        last = bool(each.components) or each.shape[-1:] == (1,)
        if len(each.shape) - last > 1 + objects:
            continue
        if each.components:
            yield from _components(place, each)
        else:
            yield Feature(each.name, None, (place,), None, each.mask)


def readable(column: Column, columns: Columns) -> tuple[Column, tuple[Step, ...]]:
    """Describe a column as people read it: before its last transforms that go by place.

    Returns:
        The description, and these transforms in their order.
    """
    pipeline = columns.pipelines.get(column.name)
    steps = pipeline.steps if pipeline else ()
    kept = len(steps)
    while kept and steps[kept - 1].by_place:
        kept -= 1
    return (steps[kept - 1].column if kept else column), steps[kept:]


def _components(place: int, each: Input) -> Iterator[Feature]:
    for number, component in enumerate(each.components):
        yield Feature(each.name, component, (place,), number, each.mask)


def _mask(recipe: TrainRecipe, task: Task, text: str, columns: Columns) -> str:
    """Name the mask of a column, or of the objects that an earlier task is about."""
    source = source_of(text, recipe.tasks)
    return mask_of(recipe.tasks[source.name].each if source.output else source.name, columns)


def _of_objects(task: Task, shape: Shape | None, columns: Columns) -> bool:
    """Say whether an input is of the objects of a task with `each`."""
    objects = columns.shapes.get(task.each or "")
    return bool(shape and objects and shape[0] == objects[0])


def _described(
    recipe: TrainRecipe, text: str, columns: Columns, shape: Shape | None, mask: str
) -> Input:
    source = source_of(text, recipe.tasks)
    column = columns.described.get(_column(recipe, source))
    if column is None:
        latent = bool(source.output) and not _is_answer(recipe, source)
        return Input(text, shape, _numbers(shape), mask=mask, latent=latent)
    shown, steps = readable(column, columns)
    return Input(text, shape, _names(shown, shape), shown.units, mask, steps=steps)


def _column(recipe: TrainRecipe, source: Source) -> str:
    """Name the column that says what an input's numbers are; "" where none does."""
    if not source.output:
        return source.name
    task = recipe.tasks[source.name]
    facts = losses.get(str(task.loss["name"])).facts
    same = not facts.get("classification") and "output" not in facts
    return task.target if same and source.output == task.output else ""


def _is_answer(recipe: TrainRecipe, source: Source) -> bool:
    """Say whether an output is what a loss sees, or its probabilities."""
    return source.output in (PROBABILITIES, recipe.tasks[source.name].output)


def _names(column: Column, shape: Shape | None) -> tuple[str, ...]:
    """Name the components of a column; by their places where its file says nothing of axes."""
    if not shape or shape[-1] == 1:
        return ()
    if len(column.components) == shape[-1]:
        return column.components
    return () if column.told or len(shape) > 1 else _numbers(shape)


def _numbers(shape: Shape | None) -> tuple[str, ...]:
    """Name numbers along the last axis by their places."""
    return tuple(map(str, range(shape[-1]))) if shape and shape[-1] > 1 else ()
