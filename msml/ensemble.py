"""Several chains of one form as one, whose predictions are averaged.

Classifications are averaged as probabilities and given back as logits, so that losses, metrics and
figures see nothing unusual.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msml.chain import Batch, Chain, Named, Tensor
from msml.recipe.expand import TaskSpec, source_of
from msml.registry import losses

View = Callable[[Batch], Batch]

# Copies of a batch that a member sees in one call, which is faster than one by one.
_AT_ONCE = 4


@dataclass(frozen=True)
class Ensemble:
    """Trained chains that predict together.

    Each member follows its own chain to the end; the outputs that the losses see are averaged then.
    Others, such as features, mean something else in each member and are left out.

    Attributes:
        members: Chains that differ in their weights only.
        shares: Weight of each member; they sum to 1.
        views: Copies of a batch that each member sees, such as rotated ones, each column by itself;
            their predictions count alike.
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
        from keras import ops

        seen = {name: batch[name] for name in self.input_columns()}
        copies = [view(seen) for view in self.views]
        groups = [copies[i : i + _AT_ONCE] for i in range(0, len(copies), _AT_ONCE)]
        together = [
            {name: ops.concatenate([copy[name] for copy in group]) for name in seen}
            for group in groups
        ]
        found = [m.outputs(b, training=training) for m in self.members for b in together]
        counts = [len(group) for group in groups] * len(self.members)
        shares = [part.share for part in self.parts]
        specs = {task: self.members[0].tasks[task] for task in self.models}

        def averaged(task: str, spec: TaskSpec) -> Tensor:
            outputs = [each[task][spec.output] for each in found]
            pairs = zip(outputs, counts, strict=True)
            return average(spec, [part for o, n in pairs for part in ops.split(o, n)], shares)

        return {task: {spec.output: averaged(task, spec)} for task, spec in specs.items()}

    @property
    def parts(self) -> list["Part"]:
        """The predictions that are averaged."""
        share = 1 / len(self.views)
        return [
            Part(member, view, each * share)
            for member, each in zip(self.members, self.shares, strict=True)
            for view in self.views
        ]

    def task_losses(self, batch: Batch, outputs: Mapping[str, Named]) -> list[Tensor]:
        """Weighted mean loss of each task, scalars, in the order of the models."""
        return self.members[0].task_losses(batch, outputs)


Predictor = Chain | Ensemble
"""Whatever predicts the outputs of tasks."""


@dataclass(frozen=True)
class Part:
    """One of the predictions that an ensemble averages.

    Attributes:
        chain: A member.
        view: The copy of a batch that it sees.
        share: Weight of the prediction.
    """

    chain: Chain
    view: View
    share: float

    def seen(self, task: str, inputs: Sequence[Tensor]) -> Any:
        """What the model of a task is called with: its inputs, those that are columns in this view.

        Others are outputs of earlier tasks, which the chain gave for the view.
        """
        tasks = self.chain.tasks
        found = [
            x if source_of(name, tasks).output else self.view({name: x})[name]
            for name, x in zip(tasks[task].inputs, inputs, strict=True)
        ]
        return found if len(found) > 1 else found[0]


def parts_of(predictor: Predictor) -> list[Part]:
    """The predictions that are averaged: a chain's own is the only one."""
    return predictor.parts if isinstance(predictor, Ensemble) else [Part(predictor, dict, 1.0)]


def answer(parts: Sequence[Part], task: str, inputs: Sequence[Sequence[Tensor]]) -> Tensor:
    """What the loss of a task sees: the average over parts.

    Args:
        parts: Of a predictor.
        task: The task.
        inputs: Those of the task's model in each part, or in all alike; columns as they are before
            a part's view of them.
    """
    spec = parts[0].chain.tasks[task]
    given = inputs if len(inputs) > 1 else [inputs[0]] * len(parts)
    found = [
        part.chain.answer(task, part.seen(task, each), training=False)[spec.output]
        for part, each in zip(parts, given, strict=True)
    ]
    return found[0] if len(parts) == 1 else average(spec, found, [part.share for part in parts])


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
