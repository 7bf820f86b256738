"""What models give as columns that anyone can read: names of the recipe, units of the file."""

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from msml.data.dataset import zeroed
from msml.data.schema import Column
from msml.data.transforms import Pipeline
from msml.recipe.expand import CALIBRATED, PREDICTION, PROBABILITIES, TaskSpec
from msml.registry import losses
from msml.stages.prediction.finished import Finished
from msml.tensors import Values, as_type, functions, sigmoid, softmax

REAL = "real"
"""Name, of a task with `each`, of which objects are real."""


def origin(name: str, names: Collection[str]) -> str | None:
    """Name the column that another one of `predicted` is a function of; None where there is none.

    Args:
        name: The column.
        names: All of them.
    """
    before, _, last = name.rpartition(".")
    if last in (PROBABILITIES, CALIBRATED):
        return before
    prediction = f"{name}.{PREDICTION}"
    return prediction if prediction in names else None


def predicted(
    found: Finished, outputs: Mapping[str, Mapping[str, Values]], inputs: Mapping[str, Values]
) -> Iterator[tuple[Column, Values]]:
    """Yield each column that is made of the outputs of all tasks, with its description.

    `task` is what the task's loss sees: logits of a classification; of anything else the estimate
    of the target in the file's own units, of its shape. `task.probabilities` belong to logits, and
    `task.calibrated` where evaluation has calibrated them;
    `task.prediction` is what the loss sees where `task` is something else: where the target is
    transformed, or where an estimate has more to it, such as an uncertainty. Other outputs of a
    model are `task.NAME`. Of a task with `each`, `task.real` says which objects are real; the
    others are 0.

    Args:
        found: The chain.
        outputs: Of the models, by task and name: arrays, or tensors for an exported chain.
        inputs: The transformed columns that they saw.
    """
    for task, named in outputs.items():
        spec = found.setup.tasks[task]
        real = as_type(inputs[spec.real], "bool") if spec.real else None
        for name, output in named.items():
            if name != spec.output:
                yield _plain(f"{task}.{name}", output, f"output '{name}' of the task '{task}'")
        for column, array in _seen(found, spec, named[spec.output]):
            yield column, array if real is None else zeroed(array, real)
        if real is not None:
            yield _plain(f"{task}.{REAL}", real, f"which objects of '{spec.each}' are real")


def _seen(found: Finished, spec: TaskSpec, output: Values) -> Iterator[tuple[Column, Values]]:
    """Yield what is made of the output that a task's loss sees."""
    facts = losses.get(spec.loss).facts
    target, pipeline = found.about.columns[spec.target], found.setup.pipelines.get(spec.target)
    if facts.get("classification"):
        kept = _like(output, target) if not spec.classes else output
        share = _probabilities(kept, bool(spec.classes))
        names = tuple(_class_names(spec, pipeline))
        logits = f"logits of the task '{spec.name}' for '{target.name}'"
        yield _plain(spec.name, kept, logits, names, ("1",))
        shares = f"probabilities of the task '{spec.name}' for '{target.name}'"
        yield _plain(f"{spec.name}.{PROBABILITIES}", share, shares, names, ("1",))
        if (calibration := found.calibrated.get(spec.name)) is not None:
            share = _probabilities(calibration.logits(kept), bool(spec.classes))
            text = f"calibrated {shares}, by the method {calibration.method}"
            yield _plain(f"{spec.name}.{CALIBRATED}", share, text, names, ("1",))
        return
    point = facts.get("point")
    estimate = output if point is None else point(output, **spec.loss_args)
    estimates = point is not None or "output" not in facts
    physical = _physical(estimate, target, pipeline) if estimates else output
    if estimates:
        text = f"prediction of '{target.name}' by the task '{spec.name}'"
        yield _as_target(spec.name, target, physical, text), physical
    if not estimates or pipeline is not None or point is not None:
        text = f"what the loss of the task '{spec.name}' sees"
        name = f"{spec.name}.{PREDICTION}" if estimates else spec.name
        yield _plain(name, output, text)


def _probabilities(logits: Values, exclusive: bool) -> Values:
    """Turn logits into probabilities, float32; in float64, whose last digits do not show."""
    exact = as_type(logits, "float64")
    return as_type(softmax(exact) if exclusive else sigmoid(exact), "float32")


def _physical(estimate: Values, target: Column, pipeline: Pipeline | None) -> Values:
    """Undo the transforms of the target."""
    if pipeline is None:
        return _like(estimate, target)
    with np.errstate(over="ignore"):
        return pipeline.inverse(_like(estimate, pipeline.column))


def _like(array: Values, target: Column) -> Values:
    """Give predictions of one number an event, or an object, the shape of the target."""
    return functions(array).reshape(array, (-1, *target.lengths))


def _class_names(spec: TaskSpec, pipeline: Pipeline | None) -> Iterator[str]:
    """Name classes by their values in the file."""
    numbers = np.arange(spec.classes, dtype=float)
    for value in numbers if pipeline is None else pipeline.inverse(numbers):
        yield "rest" if np.isnan(value) else f"{value:g}"


def _plain(
    name: str,
    array: Values,
    description: str,
    components: tuple[str, ...] = (),
    units: tuple[str, ...] = (),
) -> tuple[Column, Values]:
    """Describe a column of which only the shape is known, and perhaps its last axis."""
    sizes = array.shape[1:]
    axes = tuple(f"axis {number}" for number in range(1, len(sizes) + 1))
    if components:
        axes = (*axes[:-1], "class")
    return Column(name, str(array.dtype), axes, sizes, components, units, description), array


def _as_target(name: str, target: Column, array: Values, description: str) -> Column:
    """Describe a column as a target."""
    about = (target.axes, array.shape[1:], target.components, target.units)
    return Column(name, str(array.dtype), *about, description)
