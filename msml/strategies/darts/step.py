"""What DARTS does with one batch of train and one of valid."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from msml.chain import weighted_total
from msml.models.stateless import penalised
from msml.strategies.darts.bilevel import (
    Loss,
    Tensors,
    alpha_gradient,
    difference_gradient,
    unrolled_gradient,
)
from msml.strategies.judging import losses_alone
from msml.strategies.supernet import Given, Supernet
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, Step, Tensor
from msml.weighting.rule import Weighting
from msml.weighting.step import Losses, descend


@dataclass(frozen=True)
class Objective:
    """Σ_t v_t [L_t(y_t) + ε Σ_i L_t(y_ti)] of a supernet (paper, section 3.1).

    Attributes:
        supernet: All candidates.
        task_weights: v_t of each task; 0 removes all terms of a task.
    """

    supernet: Supernet
    task_weights: Mapping[str, float]

    def losses(self, weights: Tensors, alphas: Tensors, given: Given) -> Losses:
        """What the tasks descend; the losses of candidates and mixtures; Σ_t v_t L_t(y_t).

        The weights also descend what the models add to their losses, such as regularisers.
        """
        found, penalties = self.supernet.all_losses(weights, alphas, given)
        objectives = self.supernet.task_objectives(found)
        parts = [penalised(*each) for each in zip(objectives, penalties, strict=True)]
        return Losses(parts, found, self.mixed(found))

    def mixed(self, losses: Sequence[Tensor]) -> Tensor:
        """Σ_t v_t L_t(y_t), from the losses of candidates and mixtures."""
        return weighted_total(self._shares, losses[-len(self._shares) :])

    def loss(self, given: Given, scale: Tensor, *, penalties: bool = False) -> Loss:
        """The sum as a function of weights and α, times `scale`.

        Args:
            given: The events.
            scale: The factor.
            penalties: Whether with what the models add; α is judged without.
        """

        def loss(weights: Tensors, alphas: Tensors) -> Tensor:
            if penalties:
                parts = self.losses(weights, alphas, given).parts
            else:
                found, _ = self.supernet.all_losses(weights, alphas, given)
                parts = self.supernet.task_objectives(found)
            return scale * weighted_total(self._shares, parts)

        return loss

    @property
    def _shares(self) -> list[float]:
        return [self.task_weights[task] for task in self.supernet.models]


@dataclass(frozen=True)
class DartsStep:
    """Descend α by the loss on valid, then the weights by the loss on train.

    It is called with a batch of train and one of valid, and returns the train losses of candidates
    and mixtures, and the weighted sum of the latter.

    Attributes:
        objective: The loss.
        alphas: Variables α of the tasks.
        optimizer: Of the weights.
        alpha_optimizer: Of α; None leaves α as it is.
        rate: ζ of second order; None for first order.
        exact: How the mixed derivative of second order is taken.
        draws: Variable `(2,) int32`, the seed of the next step's random shares.
        weighting: What weighs the tasks in the step of the weights.

    Source: paper, algorithm 1.
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
        supernet = self.objective.supernet
        drawn = supernet.relaxation.draw(values(self.alphas), tf.convert_to_tensor(self.draws))
        weights, given = values(supernet.variables), Given(train, drawn=drawn)
        if self.alpha_optimizer is not None:
            self._descend_alpha(self.alpha_optimizer, weights, given, Given(valid, drawn=drawn))

        def losses(weights: Tensors) -> Losses:
            return self.objective.losses(weights, values(self.alphas), given)

        found = descend(losses, supernet.variables, weights, self.optimizer, self.weighting)
        for variable, value in given.updates.values():
            variable.assign(value)
        self.draws.assign_add([1, 0])
        return found

    def _descend_alpha(
        self, optimizer: Any, weights: list[Tensor], train: Given, valid: Given
    ) -> None:
        """Descend L_valid(w - ζ ∇_w L_train(w, α), α), or L_valid(w, α) in first order."""
        scale, now = self.optimizer.scale_loss(1.0), values(self.alphas)
        of_valid = self.objective.loss(valid, scale)
        if self.rate is None or not weights:  # no candidate learns any more
            found = alpha_gradient(of_valid, weights, now, scale)
        else:
            gradient = unrolled_gradient if self.exact else difference_gradient
            of_train = self.objective.loss(train, scale, penalties=True)
            found = gradient(of_train, of_valid, weights, now, self.rate, scale)
        apply = partial(optimizer.apply, found, self.alphas)
        # An overflow leaves α as it is, as the weights' optimizer does with the weights.
        _if_finite(found, apply) if _is_float16(self.optimizer) else apply()


def make_supernet_loss_step(
    objective: Objective, alphas: Sequence[Any], *, alone: bool = False
) -> Step:
    """Measure the losses of a supernet, without their sum with ε.

    Args:
        objective: Its loss.
        alphas: Variables α of the tasks.
        alone: Whether `losses_alone` follow.
    """
    tf = tensorflow()

    def step(batch: Batch) -> Tensor:
        weights, given = values(objective.supernet.variables), Given(batch, training=False)
        supernet, now = objective.supernet, values(alphas)
        outputs, mixed, _ = supernet.outputs(weights, now, given)
        found = supernet.losses_of(batch, outputs, mixed)
        more = losses_alone(supernet, weights, now, given, outputs, mixed) if alone else []
        return tf.stack([*found, objective.mixed(found), *more])

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
