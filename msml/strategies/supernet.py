"""The supernet: the chain with all candidates present, their outputs mixed (paper, section 3.1)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from msml.chain import Chain, Named
from msml.models.outputs import named
from msml.models.stateless import Called, call
from msml.recipe.expand import TaskSpec, used_outputs
from msml.strategies.relaxation import SOFTMAX, Relaxation
from msml.training.environment import tensorflow

Tensor = Any
Batch = Mapping[str, Tensor]
Candidate = tuple[str, str]  # task and name


@dataclass(frozen=True)
class Given:
    """The events of a forward pass, and what it changes besides.

    Attributes:
        batch: Columns.
        training: Whether layers such as dropout are at work.
        drawn: Random numbers of the relaxation for each task; None for none.
        updates: Variables by identity with the values that the first pass over this gave them.
    """

    batch: Batch
    training: bool = True
    drawn: Sequence[Tensor] | None = None
    updates: dict[int, tuple[Any, Tensor]] = field(default_factory=dict)


@dataclass(frozen=True)
class Supernet:
    """All candidates of all tasks, as pure functions of weights and architecture weights α.

    A task passes on the mixture y_t = Σ_i s_i y_ti of its candidates' outputs, each by its name,
    where the shares s follow from α: softmax(α), unless `relaxation` says otherwise. Weights are
    values of the trainable variables in the order of `variables`; α is a tensor for each task.

    Attributes:
        tasks: All tasks of the recipe by name, in order.
        models: The candidates by task and name.
        epsilon: ε, the weight of each candidate's own loss.
        relaxation: From α to shares.
        angles: Position of an angle among the last components of a task's output, for tasks whose
            angle is mixed on the circle.
        stopped: Candidates whose weights stay as they are.
        known: Those of them whose outputs are columns of a batch, as `known_column` names them.
    """

    tasks: Mapping[str, TaskSpec]
    models: Mapping[str, Mapping[str, Any]]
    epsilon: float
    relaxation: Relaxation = SOFTMAX
    angles: Mapping[str, int] = field(default_factory=dict)
    stopped: Collection[Candidate] = ()
    known: Collection[Candidate] = ()

    @cached_property
    def variables(self) -> list[Any]:
        """Trainable variables of all candidates that learn."""
        return [
            variable
            for task, models in self.models.items()
            for name, model in models.items()
            if (task, name) not in self.stopped
            for variable in model.trainable_variables
        ]

    @cached_property
    def candidates(self) -> list[Any]:
        """The models of all tasks in order."""
        return [model for models in self.models.values() for model in models.values()]

    @cached_property
    def inputs(self) -> Chain:
        """The tasks wired to each other; it finds inputs and losses."""
        return Chain(self.tasks, dict.fromkeys(self.models))

    @property
    def losses(self) -> list[str]:
        """Names of the losses, as `all_losses` returns them."""
        own = [f"{task}/{name}" for task, models in self.models.items() for name in models]
        return [*own, *self.models]

    def all_losses(
        self, weights: Sequence[Tensor], alphas: Sequence[Tensor], given: Given
    ) -> tuple[list[Tensor], list[Tensor | None]]:
        """Losses of each candidate's own outputs, then of each task's mixture: scalars.

        Beside them, what the candidates of each task add to its loss; None for nothing.
        """
        outputs, mixed, penalties = self.outputs(weights, alphas, given)
        return self.losses_of(given.batch, outputs, mixed), penalties

    def losses_of(
        self, batch: Batch, outputs: Mapping[str, Sequence[Named]], mixed: Mapping[str, Named]
    ) -> list[Tensor]:
        """The losses of `all_losses`, of what `outputs` gave."""
        own = [
            self.inputs.task_loss(task, batch, output)
            for task, found in outputs.items()
            for output in found
        ]
        return own + self.inputs.task_losses(batch, mixed)

    def outputs(
        self, weights: Sequence[Tensor], alphas: Sequence[Tensor], given: Given
    ) -> tuple[dict[str, list[Named]], dict[str, Named], list[Tensor | None]]:
        """What all candidates of each task give, the mixture that it passes on, and penalties."""
        outputs: dict[str, list[Named]] = {}
        penalties: list[Tensor | None] = []
        mixed: dict[str, Named] = {}
        for task in self.models:
            called = self.called(task, weights, given, mixed)
            outputs[task] = [named(each.outputs, self.used(task)) for each in called]
            added = [each.penalty for each in called if each.penalty is not None]
            penalties.append(sum(added[1:], added[0]) if added else None)
            mixed[task] = self.mixed(task, alphas, given, outputs[task])
        return outputs, mixed, penalties

    def used(self, task: str) -> set[str]:
        """Names of the outputs of a task that are mixed: those that anything sees."""
        return used_outputs(self.tasks, task)

    def task_objectives(self, losses: Sequence[Tensor]) -> list[Tensor]:
        """L_t(y_t) + ε Σ_i L_t(y_ti) of each task, the losses that `all_losses` returned."""
        count = len(losses) - len(self.models)
        own, objectives = iter(losses[:count]), []
        for models, mixed in zip(self.models.values(), losses[count:], strict=True):
            terms = [next(own) for _ in models]
            objectives.append(mixed + self.epsilon * sum(terms) if self.epsilon else mixed)
        return objectives

    def called(
        self, task: str, weights: Sequence[Tensor], given: Given, mixed: Mapping[str, Named]
    ) -> list[Called]:
        """What each candidate of a task gives."""
        inputs = self.inputs.inputs(task, given.batch, mixed)
        found = []
        for name, model in self.models[task].items():
            if (task, name) in self.known:
                outputs = {o: given.batch[known_column(task, name, o)] for o in self.used(task)}
                found.append(Called(outputs, [], None))
                continue
            learns, own = (task, name) not in self.stopped, model.trainable_variables
            if learns:
                own = [weights[self._position[id(v)]] for v in own]
            state, training = model.non_trainable_variables, given.training and learns
            found.append(call(model, own, state, inputs, training=training))
            for variable, value in zip(state, found[-1].state, strict=True):
                given.updates.setdefault(id(variable), (variable, value))
        return found

    def mixed(
        self, task: str, alphas: Sequence[Tensor], given: Given, outputs: Sequence[Named]
    ) -> Named:
        """Mix each of the outputs; an angle can only be in the one that the loss sees."""
        number = list(self.models).index(task)
        shares = self.relaxation.shares(alphas[number], given.drawn and given.drawn[number])
        seen, angle = self.tasks[task].output, self.angles.get(task)
        return {
            name: mix(shares, [output[name] for output in outputs], angle if name == seen else None)
            for name in outputs[0]
        }

    @cached_property
    def _position(self) -> dict[int, int]:
        """Where each variable's value is in a list of weights."""
        return {id(variable): number for number, variable in enumerate(self.variables)}


def known_column(task: str, candidate: str, output: str) -> str:
    """Name the column of an output that a candidate gave before."""
    return f"{task}/{candidate}.{output}"


def mix(shares: Tensor, outputs: Sequence[Tensor], angle: int | None = None) -> Tensor:
    """Sum of outputs weighted by shares, `(events, ...)`.

    Args:
        shares: `(candidates,)`.
        outputs: Of each candidate, `(events, ...)`.
        angle: Position in the last axis of an angle, in rad, of which the direction of the summed
            unit vectors is taken instead; the linear mean of π and -π would be 0.

    Source: paper, section 3.1; linear for all components there.
    """
    tf = tensorflow()
    each = tf.unstack(shares, num=len(outputs))

    def total(tensors: Sequence[Tensor]) -> Tensor:
        return tf.add_n([share * tensor for share, tensor in zip(each, tensors, strict=True)])

    mixed = total(outputs)
    if angle is None:
        return mixed
    angles = [output[..., angle] for output in outputs]
    direction = tf.atan2(total([tf.sin(a) for a in angles]), total([tf.cos(a) for a in angles]))
    parts = tf.unstack(mixed, axis=-1)
    return tf.stack([*parts[:angle], direction, *parts[angle + 1 :]], axis=-1)
