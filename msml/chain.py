"""The chain: tasks wired to each other, one model each, as one differentiable function."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msml.recipe.expand import TaskSpec
from msml.registry import losses

Tensor = Any
Batch = Mapping[str, Tensor]
WEIGHT = "event weight"


def output_column(task: str) -> str:
    """Name, in a batch, of the outputs of a task that was trained before."""
    return f"output of {task}"


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
        needed = []
        for name in self.models:
            for source in self.tasks[name].inputs:
                if source not in self.models:
                    needed.append(self._column(source))
            needed.append(self.tasks[name].target)
        return list(dict.fromkeys(needed))

    def outputs(self, batch: Batch, *, training: bool) -> dict[str, Tensor]:
        """Output of each task that has a model."""
        done: dict[str, Tensor] = {}
        for name, model in self.models.items():
            done[name] = model(self.inputs(name, batch, done), training=training)
        return done

    def inputs(self, task: str, batch: Batch, done: Mapping[str, Tensor]) -> Any:
        """What a task's model is called with: the list of its inputs, or the one there is."""
        inputs = [self._input(source, batch, done) for source in self.tasks[task].inputs]
        return inputs if len(inputs) > 1 else inputs[0]

    def _input(self, source: str, batch: Batch, done: Mapping[str, Tensor]) -> Tensor:
        if source in done:
            return done[source]
        return batch[self._column(source)]

    def _column(self, source: str) -> str:
        """Column that stands for an input without a model."""
        if source in self.given:
            return output_column(source)
        return self.tasks[source].target if source in self.tasks else source

    def task_losses(self, batch: Batch, outputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Weighted mean loss of each task, scalars, in the order of the models."""
        return [self.task_loss(name, batch, output) for name, output in outputs.items()]

    def task_loss(self, task: str, batch: Batch, output: Tensor) -> Tensor:
        """Weighted mean loss of a task's output, a scalar."""
        from keras import ops

        spec = self.tasks[task]
        function = losses.get(spec.loss).function
        per_event = function(batch[spec.target], output, **spec.loss_args)
        return ops.mean(batch[WEIGHT] * per_event)

    def variables(self) -> list[Any]:
        """Trainable variables of all models."""
        return [v for model in self.models.values() for v in model.trainable_variables]

    def parameters(self) -> int:
        """Number of trainable numbers."""
        return sum(int(variable.shape.num_elements()) for variable in self.variables())


def weighted_total(weights: Sequence[float], values: Sequence[Tensor]) -> Tensor:
    """Sum of v_t L_t; a task of weight zero is left out, so that its infinity would not count."""
    terms = [weight * value for weight, value in zip(weights, values, strict=True) if weight > 0]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
