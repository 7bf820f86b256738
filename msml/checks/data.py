"""The data of a training recipe: files, columns, transforms, and how events are divided."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from msml.checks.names import TOLERANCE
from msml.checks.wiring import Columns, Shape
from msml.data.dataset import column_pipeline
from msml.data.described import EventFile
from msml.data.events import describe
from msml.data.schema import COLUMNS
from msml.data.source import event_source
from msml.data.splits import PARTS, divide
from msml.data.transforms import Pipeline, named
from msml.errors import DataError, RecipeError
from msml.recipe.expand import source_of
from msml.recipe.load import Recipe
from msml.recipe.messages import Problem, any_below
from msml.recipe.schema import Data, Split, TrainRecipe
from msml.registry import transforms


def check_data(recipe: Recipe[TrainRecipe]) -> tuple[Columns, list[Problem]]:
    """Look into the data file and check the `data` block against it.

    Events are read only where a split or the number of categories depends on them.

    Returns:
        The columns: the file's. Where it cannot be read, all that the recipe names, and the
        registered ones.
    """
    data = recipe.values.data
    names = column_names(recipe.values)
    try:
        file = describe(event_source(recipe), names)
    except DataError as error:
        usual = {name: _usual_shape(name) for name in COLUMNS}
        columns = Columns(dict.fromkeys(names) | usual, "of no file", COLUMNS)
        return columns, [(data_key(data), str(error)), *_check_columns(data, columns)]
    shapes: dict[str, Shape | None] = {name: shape[1:] for name, shape in file.shapes.items()}
    columns = Columns(shapes, f"columns of {file.path}", file.columns, file.path, file.ignored)
    problems = [*_check_number(data, file), *_check_columns(data, columns)]
    bad = {key for key, _ in (*problems, *check_split(data.split))}
    sound = not any_below(bad, "data.events", "data.split")
    problems += _check_division(data, file) if sound else []
    pipelines: dict[str, Pipeline] = {}
    for name in data.transform:
        key = f"data.transform.{name}"
        if name not in file.columns:
            continue
        shapes[name] = None
        try:
            if key not in bad:
                pipelines[name] = column_pipeline(data, file, name)
                shapes[name] = tuple(size or 0 for size in pipelines[name].column.sizes)
        except RecipeError as error:
            problems += [(key, problem) for problem in error.problems]
        except DataError as error:
            problems += [(key, str(error))] if sound else []
    return replace(columns, pipelines=pipelines), problems


def data_key(data: Data) -> str:
    """Name the key that says where the events are."""
    return "data.file" if data.files is None else "data.files"


def column_names(recipe: TrainRecipe) -> list[str]:
    """Name the columns that a recipe wants, each once, whether they exist or not."""
    names = [*recipe.data.transform, *recipe.data.single_columns.values()]
    names += [subset.column for subset in recipe.evaluate.subsets.values()]
    for task in recipe.tasks.values():
        inputs = (source_of(text, recipe.tasks) for text in task.inputs)
        names += [task.target, *(source.name for source in inputs if not source.output)]
        names += [task.each] if task.each else []
    return list(dict.fromkeys(names))


def check_split(split: Split) -> Iterator[Problem]:
    """Check how events are divided, without the file."""
    if split.column is not None and split.folds is not None:
        yield "data.split.folds", "the column divides the events; expected one of the two"
    elif split.column is not None:
        yield from _check_values(split)
    elif split.folds is not None:
        if split.fold >= split.folds:
            wanted = f"expected a number from 0 to {split.folds - 1}"
            yield "data.split.fold", f"{wanted}, got {split.fold}"
    else:
        yield from _check_fractions({name: getattr(split, name) for name in PARTS})
    if split.folds is None and split.fold:
        yield "data.split.fold", "there are no folds; expected `folds`, their number, beside it"
    listed = all(isinstance(getattr(split, name), list) for name in PARTS)
    if split.column is not None and split.stratify is not None and listed:
        yield "data.split.stratify", "the column divides the events; nothing to stratify"
    if split.unused and split.column is None:
        yield "data.split.unused", "there is no column; expected `column` beside it"


def _check_fractions(parts: Mapping[str, Any]) -> Iterator[Problem]:
    for name, fraction in parts.items():
        if isinstance(fraction, bool) or not isinstance(fraction, int | float):
            yield f"data.split.{name}", f"expected a number between 0 and 1, got {fraction!r}"
        elif not 0 < fraction < 1 and (len(parts) > 1 or fraction != 1):
            yield f"data.split.{name}", f"expected a number between 0 and 1, got {fraction:g}"
    numbers = [each for each in parts.values() if isinstance(each, int | float)]
    if len(numbers) == len(parts) and not abs((total := sum(numbers)) - 1) <= TOLERANCE:
        names = " and ".join(", ".join(parts).rsplit(", ", 1))
        yield "data.split", f"{names} sum to {total:.7g}, expected 1"


def _check_values(split: Split) -> Iterator[Problem]:
    """Check lists of values; what is none must be a fraction of all other events."""
    seen: dict[Any, str] = {}
    fractions: dict[str, Any] = {}
    for name in (*PARTS, "unused"):
        values = getattr(split, name)
        if isinstance(values, int | float):
            fractions[name] = values
            continue
        if not isinstance(values, list) or not all(isinstance(v, int | float) for v in values):
            wanted = f"expected a list of values of '{split.column}'"
            yield f"data.split.{name}", f"{wanted}, got {values!r}"
            continue
        for value in values:
            if value in seen:
                yield f"data.split.{name}", f"{value} is in {seen[value]} already"
            seen[value] = name
    if len(fractions) == len(PARTS):
        wanted = f"expected a list of values of '{split.column}', here or for another part"
        yield "data.split.train", f"{wanted}, got {split.train!r}"
    elif fractions:
        yield from _check_fractions(fractions)


def _check_number(data: Data, file: EventFile) -> Iterator[Problem]:
    """Check that there are enough events for what the recipe takes, and for each fraction."""
    taken = file.events if data.events is None else data.events
    if taken > file.events:
        wanted = f"expected at most {file.events}, the events of {file.path}"
        yield "data.events", f"{wanted}, got {taken}"
    elif data.split.column is None and data.split.folds is None:
        for part in PARTS:
            fraction = getattr(data.split, part)
            if isinstance(fraction, int | float) and 0 < fraction < 1 <= taken < 1 / fraction:
                yield f"data.split.{part}", f"{fraction:g} of {taken} events leaves none"


def _check_division(data: Data, file: EventFile) -> Iterator[Problem]:
    """Divide the events where the numbers do not tell already that it works."""
    split = data.split
    told = (split.column, split.folds, split.stratify, data.train_events)
    if all(each is None for each in told):
        return
    try:
        divide(data, file)
    except DataError as error:
        yield "data.split" if data.train_events is None else "data.train_events", str(error)


def _check_columns(data: Data, columns: Columns) -> Iterator[Problem]:
    for key, name in data.single_columns.items():
        if name not in columns.shapes:
            yield f"data.{key}", columns.unknown(name)
        elif columns.shapes[name] not in ((), None):
            shape = columns.shapes[name]
            yield f"data.{key}", f"expected a number an event, got shape {shape}"
    for name, given in data.transform.items():
        key = f"data.transform.{name}"
        if name not in columns.shapes:
            yield key, columns.unknown(name)
        try:
            for transform, _ in named(given):
                transforms.get(transform)
        except RecipeError as error:
            yield key, str(error)


def _usual_shape(name: str) -> Shape | None:
    """Return the shape of a column where it is the same in every file, else None."""
    sizes = COLUMNS[name].sizes
    return None if None in sizes else tuple(size for size in sizes if size is not None)
