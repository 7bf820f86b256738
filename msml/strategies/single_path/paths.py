"""One path through the candidates, one of each task, as if the others were not there.

A candidate's number is its position among the sorted names of its task, so that the order in the
recipe does not matter. Each candidate is one branch of a switch, forward and backward: the graph
grows linearly with their number, and only what was drawn is computed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from msml.chain import Chain, Named, weighted_total
from msml.models.outputs import named
from msml.models.stateless import Called, call, penalised
from msml.recipe.expand import upstream
from msml.strategies.single_path.switch import Number, choose
from msml.strategies.supernet import Supernet
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, Tensor


@dataclass(frozen=True)
class Paths:
    """The paths through a supernet.

    Numbers say which path: the number of each task's candidate in the order of the tasks, int32
    scalars or plain numbers.

    Attributes:
        supernet: All candidates.
        task_weights: v_t of each task; 0 leaves a task's loss out.
    """

    supernet: Supernet
    task_weights: Mapping[str, float]

    @cached_property
    def names(self) -> dict[str, list[str]]:
        """Candidates of each task by number."""
        return {task: sorted(models) for task, models in self.supernet.models.items()}

    @cached_property
    def upstream(self) -> dict[str, list[str]]:
        """The tasks whose outputs a task sees."""
        tasks = self.supernet.tasks
        return {task: upstream(spec.inputs, tasks) for task, spec in tasks.items()}

    @property
    def chain(self) -> Chain:
        """The tasks wired to each other; it finds inputs and losses."""
        return self.supernet.inputs

    def losses(self, batch: Batch, numbers: Sequence[Number]) -> Tensor:
        """Losses of a path's tasks and their weighted sum, not in training, `(tasks + 1,)`."""
        outputs, _ = self.outputs(batch, numbers, list(self.names), training=False)
        return self.with_total(self.chain.task_losses(batch, outputs))

    def outputs(
        self, batch: Batch, numbers: Sequence[Number], tasks: Sequence[str], training: bool
    ) -> tuple[dict[str, Named], list[Tensor]]:
        """Outputs of these tasks, by name, and what their candidates add to their losses."""
        done: dict[str, Named] = {}
        penalties = []
        known = dict(zip(self.names, numbers, strict=True))
        for task in tasks:
            inputs = self.chain.inputs(task, batch, done)
            branch = partial(self._output, inputs=inputs, training=training)
            done[task], added = self.switch(task, known[task], branch)
            penalties.append(added)
        return done, penalties

    def with_total(self, losses: Sequence[Tensor]) -> Tensor:
        """Stack the losses of the tasks and their weighted sum."""
        shares = [self.task_weights[task] for task in self.names]
        return tensorflow().stack([*losses, weighted_total(shares, losses)])

    def call(
        self,
        task: str,
        name: str,
        inputs: Any,
        training: bool,
        values: Sequence[Tensor] | None = None,
    ) -> Called:
        """Call a candidate; its new state is not kept: twice gives the same."""
        model = self.supernet.models[task][name]
        if values is None:
            values = [variable.value for variable in model.trainable_variables]
        given = model.non_trainable_variables
        return call(model, values, given, inputs, training=training)

    def switch(self, task: str, number: Number, branch: Callable[[str, str], Any]) -> Any:
        """What a function of task and name gives for the candidate of this number."""
        return choose(number, [partial(branch, task, name) for name in self.names[task]])

    def _output(self, task: str, name: str, inputs: Any, training: bool) -> tuple[Named, Tensor]:
        called = self.call(task, name, inputs, training)
        outputs = named(called.outputs, self.supernet.used(task))
        return outputs, penalised(tensorflow().constant(0.0), called.penalty)
