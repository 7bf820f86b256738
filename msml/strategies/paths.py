"""One path through the candidates, one of each task, trained as if the others were not there.

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
from msml.strategies.stopping import Stopping
from msml.strategies.supernet import Supernet
from msml.strategies.switch import Number, choose
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, Tensor
from msml.weighting.rule import Weighting

Outputs = Mapping[str, Named]


@dataclass(frozen=True)
class Paths:
    """The paths through a supernet.

    Numbers say which path: the number of each task's candidate in the order of the tasks, int32
    scalars or plain numbers.

    Attributes:
        supernet: All candidates.
        task_weights: v_t of each task; 0 leaves a task's loss out.
        optimizers: Of each candidate by task and name; needed for training only.
        weighting: What weighs the losses in training; needed for that only.
        stopping: Which candidates learn in training; all where None.
    """

    supernet: Supernet
    task_weights: Mapping[str, float]
    optimizers: Mapping[str, Mapping[str, Any]] | None = None
    weighting: Weighting | None = None
    stopping: Stopping | None = None

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
    def passes(self) -> int:
        """Weight gradients of an epoch: of each task's candidate one, or one for each task."""
        constant = self.weighting is None or self.weighting.constant is not None
        return len(self.names) * (1 if constant else len(self.names))

    @property
    def chain(self) -> Chain:
        """The tasks wired to each other; it finds inputs and losses."""
        return self.supernet.inputs

    def losses(self, batch: Batch, numbers: Sequence[Number]) -> Tensor:
        """Losses of a path's tasks and their weighted sum, not in training, `(tasks + 1,)`."""
        outputs, _ = self._outputs(batch, numbers, list(self.names), training=False)
        return self._with_total(self.chain.task_losses(batch, outputs))

    def descend(self, batch: Batch, numbers: Sequence[Number]) -> Tensor:
        """Do one step of training of a path; returns its losses, as `losses` in training."""
        inner = {source for sources in self.upstream.values() for source in sources}
        outputs, _ = self._outputs(batch, numbers, [t for t in self.names if t in inner], True)
        if self.weighting is None or self.weighting.constant is not None:
            losses, _, gradients = self._gradients(batch, numbers, outputs, self.task_weights)
            self._apply(batch, numbers, outputs, gradients)
            return self._with_total(losses)
        losses, parts, gradients = self._weighed(batch, numbers, outputs, self.weighting)
        self._apply(batch, numbers, outputs, gradients)
        if self.weighting.after is not None:
            moved, penalties = self._outputs(batch, numbers, list(self.names), True)
            after = self.chain.task_losses(batch, moved)
            after = [penalised(*each) for each in zip(after, penalties, strict=True)]
            self.weighting.after(tensorflow().stack(parts), tensorflow().stack(after))
        return self._with_total(losses)

    def _with_total(self, losses: Sequence[Tensor]) -> Tensor:
        shares = [self.task_weights[task] for task in self.names]
        return tensorflow().stack([*losses, weighted_total(shares, losses)])

    def _outputs(
        self, batch: Batch, numbers: Sequence[Number], tasks: Sequence[str], training: bool
    ) -> tuple[dict[str, Named], list[Tensor]]:
        """Outputs of these tasks, by name, and what their candidates add to their losses."""
        done: dict[str, Named] = {}
        penalties = []
        known = dict(zip(self.names, numbers, strict=True))
        for task in tasks:
            inputs = self.chain.inputs(task, batch, done)
            branch = partial(self._output, inputs=inputs, training=training)
            done[task], added = self._switch(task, known[task], branch)
            penalties.append(added)
        return done, penalties

    def _weighed(
        self, batch: Batch, numbers: Sequence[Number], outputs: Outputs, weighting: Weighting
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """As `_gradients`, the gradients being those that the weighting makes of them.

        A candidate whose output later tasks see shares its weights with them.
        """
        tf = tensorflow()
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
        tf = tensorflow()
        # What the tasks downstream make of an output: the gradient of their losses by it.
        wanted = tf.nest.map_structure(tf.zeros_like, dict(outputs))
        losses, parts, gradients = [], [], []
        for task, number in reversed(list(zip(self.names, numbers, strict=True))):
            branch = partial(
                self._backward,
                batch=batch,
                outputs=outputs,
                wanted=wanted.get(task),
                weight=task_weights[task],
            )
            loss, part, gradient, *onward = self._switch(task, number, branch)
            losses.append(loss)
            parts.append(part)
            gradients.append(gradient)
            seen = {source: outputs[source] for source in self.upstream[task]}
            for source, more in tf.nest.pack_sequence_as(seen, onward).items():
                wanted[source] = tf.nest.map_structure(tf.add, wanted[source], more)
        return losses[::-1], parts[::-1], gradients[::-1]

    def _backward(
        self,
        task: str,
        name: str,
        batch: Batch,
        outputs: Outputs,
        wanted: Named | None,
        weight: float,
    ) -> list[Tensor]:
        """Loss of a candidate without and with penalty, flat gradient, and gradients by inputs."""
        tf = tensorflow()
        scale = self._optimizer(task, name).scale_loss(1.0)
        variables = self.supernet.models[task][name].trainable_variables
        values = [tf.convert_to_tensor(variable.value) for variable in variables]
        seen = {source: dict(outputs[source]) for source in self.upstream[task]}
        seen = tf.nest.map_structure(tf.identity, seen)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([values, seen])
            inputs = self.chain.inputs(task, batch, seen)
            called = self._call(task, name, inputs, True, values)
            output = named(called.outputs, self.supernet.used(task))
            loss = self.chain.task_loss(task, batch, output)
            part = penalised(loss, called.penalty)
        targets, factors = [], []
        if weight > 0:
            targets.append(part)
            factors.append(weight * scale)
        for name, gradient in (wanted or {}).items():
            targets.append(output[name])
            factors.append(gradient * scale)
        sources = [*values, *tf.nest.flatten(seen)]
        found = [tf.zeros_like(source) for source in sources]
        if targets:
            factors = [tf.convert_to_tensor(f, tf.float32) for f in factors]
            none = tf.UnconnectedGradients.ZERO
            found = tape.gradient(targets, sources, factors, unconnected_gradients=none)
        # Where objects are packed, TensorFlow does not see what shape a gradient has.
        found = [
            tf.ensure_shape(gradient, source.shape) / scale
            for gradient, source in zip(map(tf.convert_to_tensor, found), sources, strict=True)
        ]
        return [loss, part, self._flat(task, found[: len(values)]), *found[len(values) :]]

    def _apply(
        self,
        batch: Batch,
        numbers: Sequence[Number],
        outputs: Outputs,
        gradients: Sequence[Tensor],
    ) -> None:
        """Let the optimizers of a path's candidates act, and their other state move on."""
        import keras

        tf = tensorflow()

        def learn(task: str, name: str, gradient: Tensor) -> None:
            model, optimizer = self.supernet.models[task][name], self._optimizer(task, name)
            state = model.non_trainable_variables
            if state:
                inputs = self.chain.inputs(task, batch, outputs)
                called = self._call(task, name, inputs, True)
                for variable, value in zip(state, called.state, strict=True):
                    variable.assign(value)
            variables = model.trainable_variables
            if variables:
                sizes = [variable.shape.num_elements() for variable in variables]
                parts = tf.split(gradient[: sum(sizes)], sizes)
                optimizer.apply(
                    [
                        optimizer.scale_loss(tf.reshape(part, variable.shape))
                        for part, variable in zip(parts, variables, strict=True)
                    ],
                    variables,
                )

        def branch(task: str, name: str, gradient: Tensor) -> Tensor:
            act = partial(learn, task, name, gradient)
            if self.stopping is None or self.stopping.patience is None:
                act()
            else:
                keras.ops.cond(self.stopping.learns(task, name), act, lambda: None)
            return tf.constant(0)

        for (task, number), gradient in zip(
            zip(self.names, numbers, strict=True), gradients, strict=True
        ):
            self._switch(task, number, partial(branch, gradient=gradient))

    def _output(self, task: str, name: str, inputs: Any, training: bool) -> tuple[Named, Tensor]:
        called = self._call(task, name, inputs, training)
        outputs = named(called.outputs, self.supernet.used(task))
        return outputs, penalised(tensorflow().constant(0.0), called.penalty)

    def _call(
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

    def _switch(self, task: str, number: Number, branch: Callable[[str, str], Any]) -> Any:
        """What a function of task and name gives for the candidate of this number."""
        return choose(number, [partial(branch, task, name) for name in self.names[task]])

    def _optimizer(self, task: str, name: str) -> Any:
        assert self.optimizers is not None
        return self.optimizers[task][name]

    def _flat(self, task: str, gradients: Sequence[Tensor]) -> Tensor:
        """Concatenate gradients; zeros follow, so that all candidates of a task give as many."""
        tf = tensorflow()
        models = self.supernet.models[task].values()
        largest = max(model.count_params() for model in models)
        parts = [tf.reshape(gradient, [-1]) for gradient in gradients]
        size = sum(int(gradient.shape.num_elements()) for gradient in gradients)
        return tf.concat([*parts, tf.zeros(largest - size)], 0)
