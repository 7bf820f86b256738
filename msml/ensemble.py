"""Several chains of one form as one, whose predictions are averaged.

Classifications are averaged as probabilities and given back as logits, so that losses, metrics and
figures see nothing unusual.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msml.chain import Batch, Chain, Named, Tensor
from msml.recipe.expand import TaskSpec
from msml.registry import losses

View = Callable[[Batch], Batch]


@dataclass(frozen=True)
class Ensemble:
    """Trained chains that predict together.

    Each member follows its own chain to the end; the outputs that the losses see are averaged then.
    Others, such as features, mean something else in each member and are left out.

    Attributes:
        members: Chains that differ in their weights only.
        shares: Weight of each member; they sum to 1.
        views: Copies of a batch that each member sees, such as rotated ones; their predictions
            count alike.
    """

    members: Sequence[Chain]
    shares: Sequence[float]
    views: Sequence[View] = (dict,)

    @property
    def models(self) -> Mapping[str, Any]:
        """A model for each task: those of the first member."""
        return self.members[0].models

    def networks(self) -> list[Any]:
        """All Keras models that the outputs come from."""
        return [model for member in self.members for model in member.networks()]

    def input_columns(self) -> list[str]:
        """Columns that the outputs need."""
        return self.members[0].input_columns()

    def outputs(self, batch: Batch, *, training: bool) -> dict[str, Named]:
        """What the loss of each task sees, under its name, averaged."""
        batches = [view(batch) for view in self.views]
        found = [m.outputs(b, training=training) for m in self.members for b in batches]
        shares = [share / len(batches) for share in self.shares for _ in batches]
        specs = {task: self.members[0].tasks[task] for task in self.models}
        return {
            task: {spec.output: average(spec, [each[task][spec.output] for each in found], shares)}
            for task, spec in specs.items()
        }

    def answer(self, task: str, inputs: Any, *, training: bool) -> Named:
        """What the loss of a task sees, of one model's inputs for all members; averaged."""
        spec = self.members[0].tasks[task]
        found = [member.answer(task, inputs, training=training) for member in self.members]
        return {spec.output: average(spec, [each[spec.output] for each in found], self.shares)}

    def task_losses(self, batch: Batch, outputs: Mapping[str, Named]) -> list[Tensor]:
        """Weighted mean loss of each task, scalars, in the order of the models."""
        return self.members[0].task_losses(batch, outputs)


Predictor = Chain | Ensemble
"""Whatever predicts the outputs of tasks."""


def average(spec: TaskSpec, outputs: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """Average outputs of a task, float32: logits through their probabilities, others as they are.

    The probabilities never leave their logarithm, in which those close to 1 differ, too.
    """
    from keras import ops

    several = ops.stack([ops.cast(output, "float32") for output in outputs])
    weights = ops.reshape(
        ops.convert_to_tensor(shares, "float32"), [-1, *[1] * len(several.shape[1:])]
    )
    if not losses.get(spec.loss).facts.get("classification"):
        return ops.sum(weights * several, axis=0)

    def mean(logarithms: Tensor) -> Tensor:
        return ops.logsumexp(ops.log(weights) + logarithms, axis=0)

    if spec.classes:
        return mean(ops.log_softmax(several, axis=-1))
    return mean(ops.log_sigmoid(several)) - mean(ops.log_sigmoid(-several))
