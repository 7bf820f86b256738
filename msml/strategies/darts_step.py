"""What DARTS does with one batch of train and one of valid."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from msml.chain import weighted_total
from msml.strategies.supernet import Given, Supernet
from msml.strategies.unrolled import TrainPass
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, Step, Tensor
from msml.weighting.gradients import weighted_gradients
from msml.weighting.rule import Weighting


@dataclass(frozen=True)
class Objective:
    """Σ_t v_t [L_t(y_t) + ε Σ_i L_t(y_ti)] of a supernet (paper, section 3.1).

    Attributes:
        supernet: All candidates.
        weights: v_t of each task; 0 removes all terms of a task.
        scaled: What is done to the sum, so that its gradients fit into float16.
    """

    supernet: Supernet
    weights: Mapping[str, float]
    scaled: Callable[[Tensor], Tensor] = lambda loss: loss

    def roots(self, weights: Sequence[Tensor], given: Given) -> list[Tensor]:
        """Outputs of the candidates whose inputs do not depend on α."""
        outputs = self.supernet.root_outputs(weights, given)
        return [output for found in outputs.values() for output in found]

    def losses(
        self,
        weights: Sequence[Tensor],
        alphas: Sequence[Tensor],
        roots: Sequence[Tensor],
        given: Given,
    ) -> list[Tensor]:
        """Own losses of the candidates, losses of the mixtures, their weighted sum, the sum."""
        each = iter(roots)
        known = {t: [next(each) for _ in self.supernet.models[t]] for t in self.supernet.roots}
        outputs, mixed = self.supernet.mixtures(weights, given, alphas, known)
        losses = self.supernet.all_losses(outputs, mixed, given.batch)
        shares = [self.weights[task] for task in self.supernet.models]
        total = weighted_total(shares, losses[-len(shares) :])
        whole = weighted_total(shares, self.supernet.task_objectives(losses))
        return [*losses, total, self.scaled(whole)]

    def all_losses(
        self, weights: Sequence[Tensor], alphas: Sequence[Tensor], given: Given
    ) -> list[Tensor]:
        """The same as `losses`, from the weights alone."""
        return self.losses(weights, alphas, self.roots(weights, given), given)


@dataclass(frozen=True)
class DartsStep:
    """Descend α by the loss on valid, then the weights by the loss on train.

    It is called with a batch of train and one of valid, and returns the train losses without their
    sum with ε.

    Attributes:
        objective: The loss.
        alphas: Variables α of the tasks.
        optimizer: Of the weights.
        alpha_optimizer: Of α; None leaves α as it is.
        rate: ζ of second order; None for first order.
        exact: How the mixed derivative of second order is taken.
        draws: Variable `(2,) int32`, the seed of the next step's random shares.
        weighting: What weighs the tasks in the step of the weights.
    """

    objective: Objective
    alphas: Sequence[Any]
    optimizer: Any
    alpha_optimizer: Any | None
    rate: float | None
    exact: bool
    draws: Any
    weighting: Weighting

    def __call__(self, train: Batch, valid: Batch) -> Tensor:
        """Take one step of each."""
        tf = tensorflow()
        supernet, objective = self.objective.supernet, self.objective
        scale = None
        if _is_float16(self.optimizer):
            scale = self.optimizer.scale_loss(tf.ones(()))
            objective = replace(objective, scaled=self.optimizer.scale_loss)
        drawn = supernet.relaxation.draw(values(self.alphas), tf.convert_to_tensor(self.draws))
        weights, given = values(supernet.variables), Given(train, drawn=drawn)
        shared = TrainPass(objective, weights, given, scale)
        if self.alpha_optimizer is not None:
            found = self._alpha_gradients(shared, Given(valid, drawn=drawn))
            descend = partial(self.alpha_optimizer.apply, found, self.alphas)
            # An overflow leaves α as it is, as the weights' optimizer does with the weights.
            descend() if scale is None else _if_finite(found, descend)
        if self.weighting.constant is None:
            losses = self._descend_weighed(weights, given)
        else:
            gradients, losses = shared.gradient(values(self.alphas))
            self._descend(gradients)
        for variable, value in given.updates.values():
            variable.assign(value)
        self.draws.assign_add([1, 0])
        return tf.stack(losses[:-1])

    def _alpha_gradients(self, shared: TrainPass, valid: Given) -> list[Tensor]:
        now = values(self.alphas)
        if self.rate is None:
            return shared.first_order(now, valid)
        return shared.unrolled(now, valid, self.rate, exact=self.exact)

    def _descend(self, gradients: list[Tensor]) -> None:
        if variables := self.objective.supernet.variables:
            self.optimizer.apply(gradients, variables)

    def _descend_weighed(self, weights: list[Tensor], given: Given) -> list[Tensor]:
        """Descend the tasks' own sums as the weighting says."""
        tf = tensorflow()
        supernet = self.objective.supernet
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(weights)
            losses = self._losses(weights, given)
            parts = supernet.task_objectives(losses[:-2])
        scale = self.optimizer.scale_loss(tf.ones(()))
        self._descend(weighted_gradients(tape, parts, weights, self.weighting, scale))
        if self.weighting.after is not None:
            after = self._losses(values(supernet.variables), given)
            moved = supernet.task_objectives(after[:-2])
            self.weighting.after(tf.stack(parts), tf.stack(moved))
        return losses

    def _losses(self, weights: list[Tensor], given: Given) -> list[Tensor]:
        return self.objective.all_losses(weights, values(self.alphas), given)


def make_supernet_loss_step(objective: Objective, alphas: Sequence[Any]) -> Step:
    """Measure the losses of a supernet, without their sum with ε."""
    tf = tensorflow()

    def step(batch: Batch) -> Tensor:
        weights, given = values(objective.supernet.variables), Given(batch, training=False)
        return tf.stack(objective.all_losses(weights, values(alphas), given)[:-1])

    return step


def _is_float16(optimizer: Any) -> bool:
    import keras

    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def _if_finite(gradients: list[Tensor], act: Callable[[], None]) -> None:
    import keras

    tf = tensorflow()
    finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in gradients])
    keras.ops.cond(finite, act, lambda: None)


def values(variables: Sequence[Any]) -> list[Tensor]:
    """Read variables once, as tensors."""
    tf = tensorflow()
    return [tf.convert_to_tensor(variable.value) for variable in variables]
