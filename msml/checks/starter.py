"""A first recipe for an event file that msml has never seen; what it guesses, it says."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msml.checks.validate import validate
from msml.data.described import EventFile
from msml.data.events import describe, read_blocks
from msml.data.kinematics import Array
from msml.errors import DataError, RecipeError
from msml.files import atomic
from msml.recipe import load
from msml.recipe.files import display
from msml.recipe.schema import TrainRecipe
from msml.recipe.tree import dump_line

_IMPORTED = (".root", ".csv", ".parquet", ".gz", ".npz")
_LABELS = ("label", "target", "truth", "is_signal", "signal", "class", "category", "y", "type")
_WEIGHTS = ("weight", "event_weight", "mc_weight", "gen_weight", "genweight", "weights", "w")
_MOST_CLASSES = 20
_LOOKED = 100_000  # events, spread over the file, to judge a column
_OFTEN = 10  # times that a value of a column occurs, for it to tell the target
_ROWS = 2**16
_FEWEST = 10  # events of a file that is of any use
_OBJECTS, _IMAGE = 2, 3  # axes of a column of objects with numbers, and of an image


@dataclass(frozen=True)
class Target:
    """What a recipe learns.

    Attributes:
        column: Its column.
        loss: Name of a loss.
        metrics: Names of metrics.
        why: The reason for the guess.
    """

    column: str
    loss: str
    metrics: tuple[str, ...]
    why: str


def write_starter(events: Path, recipe: Path) -> Path:
    """Write a first recipe into a file, and check that it is a good one.

    Args:
        events: The event file, of HDF5.
        recipe: The file that is made.

    Returns:
        That file.

    Raises:
        RecipeError: The name is none that a recipe can have, or the columns fit no model.
        DataError: As `starter`; also if the recipe exists or cannot be written.
    """
    if events.suffix.lower() in _IMPORTED:
        message = "is no event file of HDF5; msml import table makes one, by a recipe such as"
        raise DataError(f"{events}: {message} events/import_table.yaml")
    if recipe.exists():
        raise DataError(f"{recipe}: exists, and is not overwritten")
    text = starter(events, recipe.stem)
    with atomic(recipe) as temporary:
        temporary.write_text(text)
    try:
        validate(load(str(recipe), TrainRecipe))
    except (RecipeError, DataError):
        recipe.unlink()
        raise
    return recipe


def starter(path: Path, name: str) -> str:
    """Write a recipe that learns one column of a file from the others.

    Args:
        path: The event file.
        name: Name of the recipe.

    Returns:
        YAML, with comments: all columns, and what was guessed.

    Raises:
        DataError: The file cannot be read, has too few events, or nothing to learn or to see.
    """
    file = describe(path)
    if file.events < _FEWEST:
        raise DataError(f"{path}: {file.events} events; expected at least {_FEWEST}")
    masks = {column.mask for column in file.columns.values() if column.mask}
    target = _target(file, masks)
    weight = _weight(file, target)
    inputs, left = _inputs(file, target.column, {*masks, weight})
    if not inputs:
        raise DataError(f"{path}: no column that could be an input beside '{target.column}'")
    return "\n".join(_lines(file, name, target, weight, inputs, left)) + "\n"


def _target(file: EventFile, masks: set[str]) -> Target:
    """Guess what is to be learnt: a label by name, else the last column that could be one."""
    single = [n for n, shape in file.shapes.items() if len(shape) == 1 and n not in masks]
    by_name = [name for word in _LABELS for name in single if name.lower() == word]
    for name in [*by_name, *reversed(single)]:
        found = _values(file, name)
        count = len(found)
        whole = np.isfinite(found).all() and np.array_equal(found, np.arange(count))
        known = "its name" if name in by_name else "its values"
        if whole and count == 2:
            return Target(name, "bce_logits", ("auc", "bce"), f"{known}: it is 0 or 1")
        if whole and 2 < count <= _MOST_CLASSES:
            why = f"{known}: whole numbers from 0 to {count - 1}"
            return Target(name, "cross_entropy", ("accuracy", "cross_entropy"), why)
    numbers = [
        name
        for name in file.shapes
        if name not in masks and _is_float(file, name) and not _is_weight(name)
        if np.isfinite(_values(file, name)).all()
    ]
    alone = [name for name in numbers if name in single]
    for name in [*filter(_is_truth, numbers), *reversed(alone), *reversed(numbers)]:
        return Target(name, "mse", ("mse",), "its kind: numbers, and no column is a label")
    raise DataError(f"{file.path}: no column that could be learnt: no label, and no finite numbers")


def _weight(file: EventFile, target: Target) -> str | None:
    for name, shape in file.shapes.items():
        named = name.lower() in _WEIGHTS and name != target.column and len(shape) == 1
        if named and _is_float(file, name) and np.isfinite(_values(file, name)).all():
            return name
    return None


def _inputs(
    file: EventFile, target: str, taken: "set[str | None]"
) -> tuple[list[str], dict[str, str]]:
    """Choose inputs, those of objects or images first; with the others and why they are none."""
    found, left = [], {}
    truth = _sample(file, target)
    for name in file.shapes:
        if name in {target, *taken}:
            continue
        if reason := _reason(file, name, target, truth):
            left[name] = reason
        else:
            found.append(name)
    order = {name: -min(len(file.shapes[name]) - 1, _IMAGE) for name in found}
    return sorted(found, key=lambda name: order[name]), left


def _reason(file: EventFile, name: str, target: str, truth: Array) -> str:
    """Say why a column should be no input; empty where it may be one."""
    if _is_truth(name) or _is_truth(file.columns[name].description):
        return "it says that it is the truth"
    if _is_weight(name):
        return "a weight often tells the class"
    if not all(file.shapes[name][1:]):
        return "an axis of length 0"
    if len(file.shapes[name]) > 1:
        return ""
    values = _sample(file, name)
    known, place = np.unique(values, return_inverse=True)
    if len(known) == 1:
        return "the same number for all events"
    if _is_float(file, name):
        return ""
    if len(known) > 0.9 * len(values):
        return "a number of its own for almost every event"
    often = truth.ndim == 1 and _OFTEN * len(known) < len(values)
    if often and len(np.unique(np.stack([place, truth]), axis=1).T) == len(known):
        return f"each of its values has one value of {target}"
    return ""


def _is_truth(text: str) -> bool:
    return any(word in text.lower().replace("_", " ").split() for word in ("true", "truth"))


def _is_weight(name: str) -> bool:
    return name.lower() in _WEIGHTS or "weight" in name.lower()


def _lines(
    file: EventFile,
    name: str,
    target: Target,
    weight: str | None,
    inputs: Sequence[str],
    left: Mapping[str, str],
) -> Iterator[str]:
    path = display(Path(str(file.path)))
    yield f"# A first recipe, made by `msml init`, for {path}, {file.events:,} events."
    yield "# What is marked as a guess was guessed from names and values: look at it first. Then:"
    yield "#"
    yield f"#   msml run {name}.yaml"
    yield f"#   msml show {name}.yaml        # with all that is not written here"
    yield "#"
    yield "# The columns of the file:"
    yield from (f"#   {line}" for line in _table(file))
    yield f"name: {name}"
    yield ""
    yield "data:"
    yield f"  file: {dump_line(path)}"
    if weight is not None:
        yield f"  weight: {dump_line(weight)}  # a guess, from its name: event weights"
    transforms = {each: done for each in inputs if (done := _transform(file, each))}
    if transforms:
        yield "  transform:"
        yield from (f"    {dump_line(each)}: {done}" for each, done in transforms.items())
    yield "  split: {train: 0.6, valid: 0.2, test: 0.2}"
    yield ""
    yield "tasks:"
    yield "  answer:"
    yield "    inputs:  # a guess: all that is left"
    yield from (f"      - {dump_line(each)}" for each in inputs)
    yield from (f"    # not {each}: {why}" for each, why in left.items())
    yield f"    target: {dump_line(target.column)}  # a guess, from {target.why}"
    yield f"    loss: {{name: {target.loss}}}  # follows from that"
    yield "    weight: 1"
    yield f"    metrics: [{', '.join(target.metrics)}]"
    yield "    candidates:"
    yield from (f"      {each}" for each in _candidates(file, inputs))
    yield ""
    yield "strategy: {name: grid}  # trains each candidate; the best on valid wins"
    size = max(1, min(256, file.events // 20))
    yield f"pretrain: {{batch_size: {size}, epochs: 20, patience: 4}}"
    yield f"posttrain: {{batch_size: {size}, epochs: 20, patience: 4}}"


def _table(file: EventFile) -> Iterator[str]:
    """A line for each column: name, shape, type, unit, components or description."""
    width = max(map(len, file.shapes))
    for name, shape in file.shapes.items():
        column = file.columns[name]
        units = dict.fromkeys(unit for unit in column.units if unit not in ("", "1"))
        words = ", ".join(column.components) or " ".join(column.description.split())
        about = [str(shape[1:]) if len(shape) > 1 else "a number", column.dtype]
        about += [f"[{', '.join(units)}]"] if units else []
        yield f"{name:<{width}}  {' '.join(about)}  {words[:70]}".rstrip()


def _transform(file: EventFile, name: str) -> str:
    """Standardise numbers that are no categories; what is missing becomes 0."""
    if file.columns[name].dtype == "bool":
        return ""
    missing = _is_float(file, name) and _has_missing(file, name)
    return "[standardise, {name: fill_missing, value: 0}]" if missing else "standardise"


def _candidates(file: EventFile, inputs: Sequence[str]) -> Iterator[str]:
    """Dense networks of everything, and models of objects or images if the first input is one."""
    yield "mlp: {model: mlp, args: {units: 32, layers: 2}}"
    axes = len(file.shapes[inputs[0]]) - 1
    if axes >= _IMAGE:
        rows, columns = file.shapes[inputs[0]][1:3]
        filters = "[8, 16]" if min(rows, columns) >= 4 else "[8]"
        if axes == _IMAGE and min(rows, columns) > 1:
            yield f"cnn: {{model: cnn, args: {{filters: {filters}, units: 32}}}}"
    elif axes == _OBJECTS:
        yield "deepsets: {model: deepsets, args: {units: 32}}"
    else:
        yield "residual: {model: residual_mlp, args: {units: 32, layers: 2}}"


def _values(file: EventFile, name: str) -> Array:
    """The different values of a column, sorted."""
    found: Array = np.unique(_sample(file, name))
    return found


def _sample(file: EventFile, name: str) -> Array:
    """Some events of a column, the same of each column, spread over the file."""
    stride = max(1, file.events // _LOOKED)
    blocks = (block for _, block in read_blocks(file.path, name, _ROWS, finite=False))
    return np.concatenate([np.asarray(block[::stride], np.float64) for block in blocks])


def _is_float(file: EventFile, name: str) -> bool:
    return "float" in file.columns[name].dtype


def _has_missing(file: EventFile, name: str) -> bool:
    """Say whether NaN stands for numbers that are missing."""
    return any(
        np.isnan(np.asarray(block, np.float64)).any()
        for _, block in read_blocks(file.path, name, finite=False)
    )
