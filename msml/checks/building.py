"""Checks that need TensorFlow: building candidates, the shapes in and out, other arguments."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from msml.checks.limits import few_weights
from msml.checks.meaning import classes_of
from msml.checks.state import moving_statistics, state_problem
from msml.checks.wiring import Columns, Shape, each_of, input_masks, input_shapes, output_shape
from msml.errors import RecipeError, nearest
from msml.metrics import facts_of
from msml.metrics.named import bound
from msml.models.build import build, output_shapes
from msml.models.each import Each
from msml.recipe.expand import (
    PROBABILITIES,
    TOTAL,
    ModelSpec,
    candidates,
    metric_of,
    source_of,
    used_outputs,
)
from msml.recipe.messages import Problem, any_below
from msml.recipe.schema import Task, TrainRecipe
from msml.registry import losses, models, plugin_fingerprint
from msml.training.environment import resolve_precision
from msml.training.optimizers import named_optimizer
from msml.training.schedules import make_schedule
from msml.weighting.rule import Tasks, make_weighting

Outputs = Mapping[str, Shape]

_EVENTS = 4
_GRAPH_NODE = re.compile(r"{{.*?}}")  # TensorFlow puts its own names of operations into messages


def check_models(recipe: TrainRecipe, columns: Columns, bad: set[str]) -> Iterator[Problem]:
    """Build each candidate and compare its outputs with what is wanted; then try the task's loss.

    Args:
        recipe: The recipe.
        columns: The columns of its data.
        bad: Keys with a problem already; what depends on them is left out.
    """
    classes = {name: classes_of(task, columns) for name, task in recipe.tasks.items()}
    precision = "float32" if "precision" in bad else resolve_precision(recipe.precision)
    averages = [f"{stage}.average" for stage, fit in recipe.fits.items() if fit.average]
    outputs: dict[str, Outputs] = {}
    for name, task in recipe.tasks.items():
        key = f"tasks.{name}"
        if any_below(bad, f"{key}.inputs", f"{key}.target", f"{key}.loss"):
            continue
        missing = list(_check_named_inputs(f"{key}.inputs", recipe, task, outputs))
        yield from missing
        inputs = input_shapes(recipe, name, columns, classes, outputs)
        output = output_shape(recipe, name, columns, classes)
        if inputs is None or output is None or missing:
            continue
        target, seen = columns.shapes[task.target] or (), output
        if task.each:  # loss and metrics see one object
            target, seen = target[1:], output[1:]
        yield from _check_loss(f"{key}.loss", task, target, seen)
        yield from _check_metrics(recipe, name, target, seen, bad)
        masks, each = input_masks(recipe, name, columns), each_of(recipe, name, columns)
        about = (inputs, output, precision, task.output, masks, each)
        for candidate, spec in _distinct(task):
            here = f"{key}.candidates.{spec.source}"
            if any_below(bad, here):
                continue
            try:
                found = _build(spec, *about, recipe.limits.weights, averages)
            except RecipeError as error:
                yield from _model_problems(here, candidate, spec, error, _shown(inputs, masks))
                continue
            first = outputs.setdefault(name, found)
            used = used_outputs(recipe.tasks, name)
            ours, theirs = ({n: each[n] for n in each if n in used} for each in (found, first))
            if ours != theirs:
                message = f"gives {_listed(ours)}, but another candidate {_listed(theirs)}"
                yield here, f"'{candidate}' {message}; expected the same of all"


def _distinct(task: Task) -> Iterator[tuple[str, ModelSpec]]:
    """Yield the candidates; one of several copies will do."""
    tried: list[ModelSpec] = []
    for candidate, spec in candidates(task):
        if spec not in tried:
            tried.append(spec)
            yield candidate, spec


def _check_named_inputs(
    key: str, recipe: TrainRecipe, task: Task, outputs: Mapping[str, Outputs]
) -> Iterator[Problem]:
    """Check that earlier models have the outputs that inputs name."""
    for i, text in enumerate(task.inputs):
        source = source_of(text, recipe.tasks)
        if source.output in ("", PROBABILITIES) or source.name not in outputs:
            continue
        if source.output not in (known := outputs[source.name]):
            ending = nearest(source.output, list(known))
            yield f"{key}.{i}", f"the task '{source.name}' has no output '{source.output}'{ending}"


def _listed(outputs: Outputs) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in sorted(outputs.items()))


def check_optimizers(recipe: TrainRecipe, bad: set[str]) -> Iterator[Problem]:
    """Make each optimizer with its arguments."""
    optimizers = {f"{stage}.optimizer": fit.optimizer for stage, fit in recipe.fits.items()}
    for name, value in recipe.strategy.items():
        if name.endswith("optimizer") and isinstance(value, dict):
            optimizers[f"strategy.{name}"] = value
    for key, optimizer in optimizers.items():
        if not any_below(bad, key):
            try:
                _make_optimizer(optimizer)
            except RecipeError as error:
                yield key, str(error)


def check_schedules(recipe: TrainRecipe, bad: set[str]) -> Iterator[Problem]:
    """Make each schedule with its arguments."""
    for stage, fit in recipe.fits.items():
        if not any_below(bad, f"{stage}.schedule", f"{stage}.optimizer"):
            try:
                make_schedule(fit)
            except RecipeError as error:
                yield f"{stage}.schedule", str(error)


def check_weighting(recipe: TrainRecipe, bad: set[str]) -> Iterator[Problem]:
    """Make the weighting with its arguments, for two tasks."""
    if any_below(bad, "weighting"):
        return
    try:
        _make_weighting(recipe.weighting)
    except RecipeError as error:
        yield from (("weighting", problem) for problem in error.problems)


def _model_problems(
    key: str, candidate: str, spec: ModelSpec, error: RecipeError, inputs: str
) -> Iterator[Problem]:
    which = "" if candidate == spec.source else f"'{candidate}': "
    for problem in error.problems:
        yield key, f"{which}{_short(problem)} (inputs {inputs})"


def _shown(shapes: Sequence[Shape], masks: Sequence[bool]) -> str:
    """Write the inputs of a task for messages."""
    pairs = zip(shapes, masks, strict=True)
    return ", ".join(f"{shape}, a mask" if mask else str(shape) for shape, mask in pairs)


def _build(
    spec: ModelSpec,
    inputs: Sequence[Shape],
    output: Shape,
    precision: str,
    seen: str,
    masks: Sequence[bool],
    each: Each | None,
    most: int,
    averages: Sequence[str],
) -> Outputs:
    """Build a candidate; whatever a user's own builder does wrong is a problem of the recipe.

    Args:
        spec: The candidate.
        inputs: Shapes of its inputs.
        output: Shape of what its loss sees.
        precision: A Keras policy.
        seen: Name of the output that its loss sees.
        masks: Which inputs are boolean.
        each: The objects that it is applied to.
        most: Most weights that it may have.
        averages: Keys of the averages of weights that it may become part of.

    Returns:
        The shapes of its outputs.
    """

    def make() -> Any:
        with few_weights(most):
            return build(spec.model, inputs, output, spec.args, 0, precision, seen, masks, each)

    try:
        of_plugin = plugin_fingerprint(models.get(spec.model)) is not None
        if of_plugin and (why := state_problem(make, inputs, masks)):
            raise RecipeError(f"model '{spec.model}' {why}")
        model = make()
        if averages and (moved := moving_statistics(model, inputs, masks)):
            message = f"has moving statistics, '{moved[0]}', which no average of weights fits"
            raise RecipeError(f"model '{spec.model}' {message}; expected {averages[0]}: null")
        return output_shapes(model, inputs)
    except RecipeError:
        raise
    except Exception as error:
        message = f"model '{spec.model}' cannot be built: {type(error).__name__}: {error}"
        raise RecipeError(_short(message)) from error


def _check_loss(key: str, task: Task, target: Shape, output: Shape) -> Iterator[Problem]:
    """Call the loss on two events of zeros."""
    try:
        shape = _loss_shape(task.loss, (2, *target), (2, *output))
    except RecipeError as error:
        yield key, str(error)
    else:
        if shape != (2,):
            yield key, f"gives shape {shape[1:]} for an event, expected one number"


def _loss_shape(loss: dict[str, Any], target: Shape, output: Shape) -> Shape:
    from keras import ops

    arguments = {name: value for name, value in loss.items() if name != "name"}
    entry = losses.get(loss["name"])
    try:
        value = entry.function(ops.zeros(target), ops.zeros(output), **arguments)
        return tuple(value.shape)
    except Exception as error:
        shown = f"target {target[1:]} and prediction {output[1:]}"
        raise RecipeError(f"fails for {shown}: {_short(error)}") from error


def _check_metrics(
    recipe: TrainRecipe, name: str, target: Shape, output: Shape, bad: set[str]
) -> Iterator[Problem]:
    """Take each metric of a task, the ranking's and that of importance, of a few events."""
    task = recipe.tasks[name]
    wanted = {f"tasks.{name}.metrics.{i}": text for i, text in enumerate(task.metrics)}
    ranked, metric = metric_of(recipe.tasks, recipe.select.metric)
    if ranked == name and recipe.select.metric != TOTAL:
        wanted["select.metric"] = metric
    asked = recipe.evaluate.importance
    if asked and asked.metric and name == (asked.task or list(recipe.tasks)[-1]):
        wanted["evaluate.importance.metric"] = asked.metric
    for key, text in wanted.items():
        if any_below(bad, key):
            continue
        try:
            try_metric(task, text, target, output)
        except RecipeError as error:
            yield key, str(error)


def try_metric(task: Task, text: str, target: Shape, output: Shape) -> None:
    """Take a metric of a few events as a task's loss sees them.

    Args:
        task: The task.
        text: The metric, as recipes name it.
        target: Shape of the target, without the event axis.
        output: Shape of the output, without the event axis.

    Raises:
        RecipeError: It gives no number.
    """
    point = losses.get(task.loss["name"]).facts.get("point")
    arguments = {name: value for name, value in task.loss.items() if name != "name"}
    events = np.arange(_EVENTS) % 2
    truth = np.broadcast_to(events.reshape(-1, *(1,) * len(target)), (_EVENTS, *target))
    truth, seen = truth.astype(np.float32), np.zeros((_EVENTS, *output), np.float32)
    try:
        prediction = seen if point is None else point(seen, **arguments)
        if facts_of(text).get("physical"):
            prediction = np.reshape(prediction, truth.shape)
        found = bound(text)(truth, prediction, np.ones(_EVENTS))
        if np.ndim(found) == 0:
            float(found)
    except Exception as error:
        shown = f"target {target} and prediction {output}"
        raise RecipeError(f"'{text}' fails for {shown}: {_short(error)}") from error
    if np.ndim(found):
        raise RecipeError(f"'{text}' gives shape {np.shape(found)}, expected one number")


def _make_optimizer(optimizer: dict[str, Any]) -> None:
    try:
        named_optimizer(optimizer)
    except Exception as error:
        raise RecipeError(_short(error)) from error


def _make_weighting(weighting: dict[str, Any]) -> None:
    """Make a weighting; whatever a user's own does wrong is a problem of the recipe."""
    try:
        make_weighting(weighting, Tasks((0.5, 0.5), (False, False), seed=0))
    except RecipeError:
        raise
    except Exception as error:
        raise RecipeError(_short(f"cannot be made: {type(error).__name__}: {error}")) from error


def _short(message: object) -> str:
    """Return the start of a message on one line."""
    text = " ".join(_GRAPH_NODE.sub("", str(message)).split())
    return text if len(text) <= 240 else text[:237] + "..."
