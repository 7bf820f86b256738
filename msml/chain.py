"""The chain: tasks wired to each other, one model each, as one differentiable function."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from msml.data.kinematics import Array
from msml.models.outputs import named
from msml.recipe.expand import OUTPUT, PROBABILITIES, Source, TaskSpec, source_of
from msml.registry import losses

Tensor = Any
Batch = Mapping[str, Tensor]
# What a model gives, by name.
Named = Mapping[str, Tensor]
WEIGHT = "event weight"


def output_column(task: str, output: str = OUTPUT) -> str:
    """Name, in a batch, of an output of a task that was trained before."""
    return f"{output} of {task}"


def output_columns(task: str, outputs: Named) -> dict[str, Tensor]:
    """Outputs of a task that was trained before as columns of a batch."""
    return {output_column(task, name): output for name, output in outputs.items()}


def has_truth(spec: TaskSpec, output: str) -> bool:
    """Say whether the truth can stand in for a task's output: of the same shape and meaning.

    That is so for what a regression predicts, and for the probabilities of a classification, whose
    truth is 1 for the true class; not where some of the objects have no truth.
    """
    if spec.each and spec.mask != spec.real:
        return False
    facts = losses.get(spec.loss).facts
    if facts.get("classification"):
        return output == PROBABILITIES
    return output == spec.output and "output" not in facts


def frozen(tasks: Mapping[str, TaskSpec], task: str) -> list[str]:
    """Name earlier tasks whose outputs a candidate sees frozen, as no truth can stand in."""
    sources = [source_of(text, tasks) for text in tasks[task].inputs]
    needed = [s.name for s in sources if s.output and not has_truth(tasks[s.name], s.output)]
    return list(dict.fromkeys(needed))


@dataclass(frozen=True)
class Chain:
    """Tasks in order with one model for some of them.

    An input that names a task is that task's output where the chain has a model for it, and its
    truth where not: so a candidate alone, on truth inputs, is a chain of one model.

    Attributes:
        tasks: All tasks of the recipe by name, in order.
        models: A Keras model for each task of this chain.
        given: Tasks without a model here whose outputs the batch has, as `output_column`.
    """

    tasks: Mapping[str, TaskSpec]
    models: Mapping[str, Any]
    given: frozenset[str] = frozenset()

    def columns(self) -> list[str]:
        """Columns of the data that inputs and targets of the chain need."""
        return list(dict.fromkeys([*self.input_columns(), *self.target_columns()]))

    def input_columns(self) -> list[str]:
        """Columns that the outputs need."""
        sources = (s for name in self.models for s in self._sources(name))
        needed = [self._column(source) for source in sources if source.name not in self.models]
        return list(dict.fromkeys(needed))

    def target_columns(self) -> list[str]:
        """Columns that the losses need besides."""
        specs = [self.tasks[name] for name in self.models]
        needed = [c for spec in specs for c in (spec.target, spec.mask, spec.real) if c]
        return list(dict.fromkeys(needed))

    def outputs(self, batch: Batch, *, training: bool) -> dict[str, Named]:
        """Outputs, by name, of each task that has a model."""
        done: dict[str, Named] = {}
        for name in self.models:
            done[name] = self.answer(name, self.inputs(name, batch, done), training=training)
        return done

    def answer(self, task: str, inputs: Any, *, training: bool) -> Named:
        """Outputs, by name, of a task whose model is called with what `inputs` gives."""
        return named(self.models[task](inputs, training=training))

    def inputs(self, task: str, batch: Batch, done: Mapping[str, Named]) -> Any:
        """What a task's model is called with: the list of its inputs, or the one there is."""
        inputs = [self._input(source, batch, done) for source in self._sources(task)]
        return inputs if len(inputs) > 1 else inputs[0]

    def task_losses(self, batch: Batch, outputs: Mapping[str, Named]) -> list[Tensor]:
        """Weighted mean loss of each task, scalars, in the order of the models."""
        return [self.task_loss(name, batch, output) for name, output in outputs.items()]

    def task_loss(self, task: str, batch: Batch, output: Named) -> Tensor:
        """Weighted mean loss of a task's outputs, a scalar."""
        from keras import ops

        spec = self.tasks[task]
        return ops.mean(batch[WEIGHT] * loss_of_each(spec, batch, output[spec.output]))

    def variables(self) -> list[Any]:
        """Trainable variables of all models."""
        return [v for model in self.models.values() for v in model.trainable_variables]

    def others(self) -> list[Any]:
        """All other variables: statistics, states of random numbers."""
        return [v for model in self.models.values() for v in model.non_trainable_variables]

    def networks(self) -> list[Any]:
        """All Keras models that the outputs come from."""
        return list(self.models.values())

    def parameters(self) -> int:
        """Number of trainable numbers."""
        return sum(int(variable.shape.num_elements()) for variable in self.variables())

    def _sources(self, task: str) -> list[Source]:
        return [source_of(text, self.tasks) for text in self.tasks[task].inputs]

    def _input(self, source: Source, batch: Batch, done: Mapping[str, Named]) -> Tensor:
        if source.output != PROBABILITIES:
            known = done.get(source.name)
            if known:
                return known[source.output]
            column = batch[self._column(source)]
            truth = source.output and source.name not in self.given
            return as_output(self.tasks[source.name], column) if truth else column
        spec = self.tasks[source.name]
        if source.name in done or source.name in self.given:
            return probabilities(spec, self._input(Source(source.name, spec.output), batch, done))
        return true_probabilities(spec, batch[spec.target])

    def _column(self, source: Source) -> str:
        """Column that stands for an input without a model."""
        if not source.output:
            return source.name
        spec = self.tasks[source.name]
        if source.name not in self.given:
            return spec.target
        derived = source.output == PROBABILITIES
        return output_column(source.name, spec.output if derived else source.output)


def loss_of_each(spec: TaskSpec, columns: Batch, output: Tensor) -> Tensor:
    """Loss of each event of what a task's loss sees, `(events,) float32`.

    Of a task with `each` it is the sum over real objects in units of their mean number, weighted as
    the events are: so that the mean over events is the mean over objects.
    """
    from keras import ops

    target, arguments = columns[spec.target], dict(spec.loss_args)
    mask = columns[spec.mask] if spec.mask else None
    real = real_objects(spec, columns)
    if real is None:
        arguments |= {} if mask is None else {"mask": mask}
        return losses.get(spec.loss).function(target, output, **arguments)
    from msml.models.layers import packed, pooled

    if mask is not None and len(mask.shape) > 2:
        arguments["mask"] = packed(mask, real)
    found = losses.get(spec.loss).function(packed(target, real), packed(output, real), **arguments)
    weight = ops.cast(columns[WEIGHT], "float32")
    count = ops.sum(ops.cast(real, "float32"), axis=1)
    total = ops.sum(weight * count)
    scale = ops.sum(weight) / ops.where(total > 0, total, ops.ones_like(total))
    return pooled(found, real, "sum") * scale


def real_objects(spec: TaskSpec, columns: Batch) -> Tensor | None:
    """Say which objects the loss of a task with `each` sees, `(events, objects)`; else None.

    Those that are real, and have a target where a mask of it says so.
    """
    from keras import ops

    if not spec.each:
        return None
    shape = ops.shape(columns[spec.target])[:2]
    real = ops.not_equal(columns[spec.real], 0) if spec.real else ops.ones(shape, "bool")
    if spec.mask and len(columns[spec.mask].shape) == 2:
        real = ops.logical_and(real, ops.not_equal(columns[spec.mask], 0))
    return real


def real_rows(
    spec: TaskSpec, columns: Mapping[str, Array], target: Array, prediction: Array
) -> tuple[Array, Array, Array | None, Array | None]:
    """Leave out, of a task with `each`, objects that are not real; events are rows, else.

    Args:
        spec: The task.
        columns: The columns of a split.
        target: `(events, ...)`.
        prediction: `(events, ...)`.

    Returns:
        Target, prediction and mask of each row, and the event of each object; None for a mask or
        events that there are not.
    """
    mask, real = columns[spec.mask] if spec.mask else None, real_objects(spec, columns)
    if real is None:
        return target, prediction, mask, None
    kept = np.asarray(real)
    mask = None if mask is None or mask.ndim == 2 else mask[kept]
    return target[kept], prediction[kept], mask, np.nonzero(kept)[0]


def as_output(spec: TaskSpec, target: Tensor) -> Tensor:
    """Give a target of one number an event, or an object, the axis that its output has."""
    from keras import ops

    return ops.expand_dims(target, -1) if len(target.shape) == 1 + bool(spec.each) else target


def probabilities(spec: TaskSpec, output: Tensor) -> Tensor:
    """Turn logits into probabilities, float32 of the same shape."""
    from keras import ops

    logits = ops.cast(output, "float32")
    return ops.softmax(logits, axis=-1) if spec.classes else ops.sigmoid(logits)


def true_probabilities(spec: TaskSpec, target: Tensor) -> Tensor:
    """Give the true class a probability of 1: one-hot, or a label as one number an event."""
    from keras import ops

    if spec.classes:
        return ops.one_hot(ops.cast(target, "int32"), spec.classes)
    return as_output(spec, ops.cast(target, "float32"))


def weighted_total(task_weights: Sequence[float], values: Sequence[Tensor]) -> Tensor:
    """Sum of v_t L_t; a task of weight zero is left out, so that its infinity would not count."""
    terms = [
        weight * value for weight, value in zip(task_weights, values, strict=True) if weight > 0
    ]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
