"""What DARTS does with one batch of train and one of valid."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from msml.chain import weighted_total
from msml.strategies.supernet import Given, Supernet
from msml.strategies.unrolled import TrainPass, alpha_gradient
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, Step, Tensor


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


def make_darts_step(
    objective: Objective,
    alphas: Sequence[Any],
    optimizer: Any,
    alpha_optimizer: Any | None,
    rate: float | None,
    *,
    exact: bool,
) -> Step:
    """Descend α by the loss on valid, then the weights by the loss on train.

    Args:
        objective: The loss.
        alphas: Variables α of the tasks.
        optimizer: Of the weights.
        alpha_optimizer: Of α; None leaves α as it is.
        rate: ζ of second order; None for first order.
        exact: How the mixed derivative of second order is taken.

    Returns:
        A step that returns the train losses without their sum with ε.
    """
    import keras

    tf = tensorflow()
    supernet = objective.supernet
    float16 = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if float16:
        objective = replace(objective, scaled=optimizer.scale_loss)

    def alpha_gradients(shared: TrainPass, values: list[Tensor], valid: Given) -> list[Tensor]:
        now = _values(alphas)
        if rate is None:
            return alpha_gradient(objective, values, now, valid, shared.scale)
        return shared.unrolled(now, valid, rate, exact=exact)

    def step(train: Batch, valid: Batch) -> Tensor:
        values, given = _values(supernet.variables), Given(train)
        scale = optimizer.scale_loss(tf.ones(())) if float16 else None
        shared = TrainPass(objective, values, given, scale)
        if alpha_optimizer is not None:
            found = alpha_gradients(shared, values, Given(valid))
            descend = partial(alpha_optimizer.apply, found, alphas)
            # An overflow leaves α as it is, as the weights' optimizer does with its own.
            keras.ops.cond(_finite(found), descend, lambda: None) if float16 else descend()
        gradients, losses = shared.gradient(_values(alphas))
        if supernet.variables:
            optimizer.apply(gradients, supernet.variables)
        for variable, value in given.updates.values():
            variable.assign(value)
        return tf.stack(losses[:-1])

    return step


def make_supernet_loss_step(objective: Objective, alphas: Sequence[Any]) -> Step:
    """Measure the losses of a supernet, without their sum with ε."""
    tf = tensorflow()

    def step(batch: Batch) -> Tensor:
        weights, given = _values(objective.supernet.variables), Given(batch, training=False)
        roots = objective.roots(weights, given)
        return tf.stack(objective.losses(weights, _values(alphas), roots, given)[:-1])

    return step


def _finite(gradients: list[Tensor]) -> Tensor:
    tf = tensorflow()
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients])


def _values(variables: Sequence[Any]) -> list[Tensor]:
    tf = tensorflow()
    return [tf.convert_to_tensor(variable.value) for variable in variables]
