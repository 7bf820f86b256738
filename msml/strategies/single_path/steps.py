"""Training one path a batch: gradients of its candidates, and what they learn from them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from msml.chain import Named
from msml.models.outputs import named
from msml.models.stateless import penalised
from msml.strategies.single_path.paths import Paths
from msml.strategies.single_path.switch import Number
from msml.strategies.stopping import Stopping
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, Tensor
from msml.training.variables import numbered
from msml.weighting.rule import Weighting

Outputs = Mapping[str, Named]


class _Backward(NamedTuple):
    """What pulling losses back through a candidate gives.

    Attributes:
        loss: Its own, a scalar.
        part: The same with what it adds to it.
        gradients: By its weights.
        onward: By the outputs of other tasks that it sees.
        state: New values of its other variables.
    """

    loss: Tensor
    part: Tensor
    gradients: list[Tensor]
    onward: list[Tensor]
    state: list[Tensor]


@dataclass(frozen=True)
class TrainedPaths(Paths):
    """Paths whose candidates learn.

    Attributes:
        optimizers: Of each candidate by task and name.
        weighting: What weighs the losses.
        stopping: Which candidates learn.
    """

    optimizers: Mapping[str, Mapping[str, Any]]
    weighting: Weighting
    stopping: Stopping

    @property
    def variables(self) -> dict[str, Any]:
        """What training changes besides the candidates.

        The variables of all optimizers by task, name and position, and those of the weighting.
        """
        return {
            f"{task}/{name}/{number}": variable
            for task, optimizers in self.optimizers.items()
            for name, optimizer in optimizers.items()
            for number, variable in numbered(optimizer.variables).items()
        } | self.weighting.variables

    @property
    def passes(self) -> int:
        """Weight gradients of an epoch: of each task's candidate one, or one for each task."""
        return len(self.names) * (1 if self.weighting.constant is not None else len(self.names))

    def descend(self, batch: Batch, numbers: Sequence[Number]) -> Tensor:
        """Do one step of training of a path; returns its losses, as `losses` in training."""
        inner = {source for sources in self.upstream.values() for source in sources}
        outputs, _ = self.outputs(batch, numbers, [t for t in self.names if t in inner], True)
        if self.weighting.constant is not None:
            return self.with_total(self._learned(batch, numbers, outputs))
        losses, parts, gradients = self._weighed(batch, numbers, outputs)
        self._apply(batch, numbers, outputs, gradients)
        if self.weighting.after is not None:
            moved, penalties = self.outputs(batch, numbers, list(self.names), True)
            after = self.chain.task_losses(batch, moved)
            after = [penalised(*each) for each in zip(after, penalties, strict=True)]
            self.weighting.after(tensorflow().stack(parts), tensorflow().stack(after))
        return self.with_total(losses)

    def _learned(self, batch: Batch, numbers: Sequence[Number], outputs: Outputs) -> list[Tensor]:
        """Losses of a path's tasks; its candidates have learned from Σ v_t L_t."""

        def act(task: str, name: str, **about: Any) -> list[Tensor]:
            found = self._backward(task, name, batch, outputs, **about)
            self._learn(task, name, found.gradients, found.state)
            return [found.loss, *found.onward]

        return [loss for (loss,) in self._back(numbers, outputs, self.task_weights, act)]

    def _gradients(
        self,
        batch: Batch,
        numbers: Sequence[Number],
        outputs: Outputs,
        task_weights: Mapping[str, float],
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Of each task the loss, the loss with its penalty, and the flat gradient by its candidate.

        The gradients are of Σ v_t L_t, with the penalties.
        """

        def act(task: str, name: str, **about: Any) -> list[Tensor]:
            found = self._backward(task, name, batch, outputs, **about)
            return [found.loss, found.part, self._flat(task, found.gradients), *found.onward]

        rows = self._back(numbers, outputs, task_weights, act)
        losses, parts, gradients = (list(column) for column in zip(*rows, strict=True))
        return losses, parts, gradients

    def _back(
        self,
        numbers: Sequence[Number],
        outputs: Outputs,
        task_weights: Mapping[str, float],
        act: Callable[..., list[Tensor]],
    ) -> list[list[Tensor]]:
        """Go from the last task to the first; what `act` gives of each task's candidate.

        It gets task and name, `weight` of the task, and as `wanted` the gradient of all later
        losses by the task's outputs. Of what it gives, the gradients by the outputs that the task
        sees stand last, and are handed on.
        """
        tf = tensorflow()
        # What the tasks downstream make of an output: the gradient of their losses by it.
        wanted = tf.nest.map_structure(tf.zeros_like, dict(outputs))
        rows = []
        for task, number in reversed(list(zip(self.names, numbers, strict=True))):
            about = {"wanted": wanted.get(task), "weight": task_weights[task]}
            found = self.switch(task, number, partial(act, **about))
            seen = {source: outputs[source] for source in self.upstream[task]}
            kept = len(found) - len(tf.nest.flatten(seen))
            for source, more in tf.nest.pack_sequence_as(seen, found[kept:]).items():
                wanted[source] = tf.nest.map_structure(tf.add, wanted[source], more)
            rows.append(found[:kept])
        return rows[::-1]

    def _backward(
        self,
        task: str,
        name: str,
        batch: Batch,
        outputs: Outputs,
        wanted: Named | None,
        weight: float,
    ) -> "_Backward":
        """Pull the losses of a candidate, and of those that see it, back to weights and inputs."""
        tf = tensorflow()
        scale = self.optimizers[task][name].scale_loss(1.0)
        variables = self.supernet.models[task][name].trainable_variables
        values = [tf.convert_to_tensor(variable.value) for variable in variables]
        seen = {source: dict(outputs[source]) for source in self.upstream[task]}
        seen = tf.nest.map_structure(tf.identity, seen)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([values, seen])
            inputs = self.chain.inputs(task, batch, seen)
            called = self.call(task, name, inputs, True, values)
            output = named(called.outputs, self.supernet.used(task))
            loss = self.chain.task_loss(task, batch, output)
            part = penalised(loss, called.penalty)
        targets, factors = [], []
        if weight > 0:
            targets.append(part)
            factors.append(weight * scale)
        for key, gradient in (wanted or {}).items():
            targets.append(output[key])
            factors.append(gradient * scale)
        sources = [*values, *tf.nest.flatten(seen)]
        if targets:
            factors = [tf.convert_to_tensor(f, tf.float32) for f in factors]
            none = tf.UnconnectedGradients.ZERO
            found = tape.gradient(targets, sources, factors, unconnected_gradients=none)
            found = [tf.convert_to_tensor(gradient) for gradient in found]
        else:
            found = [tf.zeros_like(source) for source in sources]
        for gradient, source in zip(found, sources, strict=True):
            # Where objects are packed, TensorFlow does not see what shape it has.
            gradient.set_shape(source.shape)
        if not (isinstance(scale, float) and scale == 1):  # hundreds of operations less to trace
            found = [gradient / scale for gradient in found]
        count = len(values)
        return _Backward(loss, part, found[:count], found[count:], called.state)

    def _apply(
        self,
        batch: Batch,
        numbers: Sequence[Number],
        outputs: Outputs,
        gradients: Sequence[Tensor],
    ) -> None:
        """Let a path's candidates learn from flat gradients."""
        tf = tensorflow()

        def branch(task: str, name: str, gradient: Tensor) -> Tensor:
            model = self.supernet.models[task][name]
            state = []
            if model.non_trainable_variables:
                inputs = self.chain.inputs(task, batch, outputs)
                state = self.call(task, name, inputs, True).state
            sizes = [variable.shape.num_elements() for variable in model.trainable_variables]
            parts = tf.split(gradient[: sum(sizes)], sizes)
            shapes = [variable.shape for variable in model.trainable_variables]
            self._learn(task, name, list(map(tf.reshape, parts, shapes)), state)
            return tf.constant(0)

        for (task, number), gradient in zip(
            zip(self.names, numbers, strict=True), gradients, strict=True
        ):
            self.switch(task, number, partial(branch, gradient=gradient))

    def _learn(
        self, task: str, name: str, gradients: Sequence[Tensor], state: Sequence[Tensor]
    ) -> None:
        """Let a candidate's optimizer act and its other state move on, unless it has stopped."""
        import keras

        model, optimizer = self.supernet.models[task][name], self.optimizers[task][name]

        def learn() -> None:
            for variable, value in zip(model.non_trainable_variables, state, strict=True):
                variable.assign(value)
            if model.trainable_variables:
                scaled = [optimizer.scale_loss(gradient) for gradient in gradients]
                optimizer.apply(scaled, model.trainable_variables)

        if self.stopping.patience is None:
            learn()
        else:
            keras.ops.cond(self.stopping.learns(task, name), learn, lambda: None)

    def _weighed(
        self, batch: Batch, numbers: Sequence[Number], outputs: Outputs
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """As `_gradients`, the gradients being those that the weighting makes of them.

        A candidate whose output later tasks see shares its weights with them.
        """
        tf, weighting = tensorflow(), self.weighting
        rows = []
        for task in self.names:
            alone = {name: float(name == task) for name in self.names}
            losses, parts, gradients = self._gradients(batch, numbers, outputs, alone)
            rows.append(gradients)
        measured, gram = tf.stack(parts), None
        shared = [self._is_seen(task) for task in self.names]
        if weighting.on_gradients:
            flat = tf.stack(
                [tf.concat([g for g, s in zip(row, shared, strict=True) if s], 0) for row in rows]
            )
            gram = tf.reduce_sum(flat[:, None] * flat[None, :], axis=-1)
        coefficients = tf.unstack(weighting.coefficients(measured, gram), num=len(rows))
        if weighting.update is not None:
            weighting.update(measured, gram)
        weighed = [
            tf.add_n([c * g for c, g in zip(coefficients, column, strict=True)])
            if seen or not weighting.on_gradients
            else column[number]
            for number, (column, seen) in enumerate(
                zip(zip(*rows, strict=True), shared, strict=True)
            )
        ]
        return losses, parts, weighed

    def _is_seen(self, task: str) -> bool:
        """Whether a later task depends on the output of a task."""
        return any(task in sources for sources in self.upstream.values())

    def _flat(self, task: str, gradients: Sequence[Tensor]) -> Tensor:
        """Concatenate gradients; zeros follow, so that all candidates of a task give as many."""
        tf = tensorflow()
        models = self.supernet.models[task].values()
        largest = max(model.count_params() for model in models)
        parts = [tf.reshape(gradient, [-1]) for gradient in gradients]
        size = sum(int(gradient.shape.num_elements()) for gradient in gradients)
        return tf.concat([*parts, tf.zeros(largest - size)], 0)
