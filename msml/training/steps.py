"""Optimizers, and the step that measures a chain's losses."""

from collections.abc import Mapping
from typing import Any

from msml.chain import Chain, weighted_total
from msml.ensemble import Predictor
from msml.models.stateless import penalised, penalty
from msml.recipe.schema_training import Fit
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, Step, Tensor
from msml.training.optimizers import named_optimizer
from msml.training.schedules import follow


def make_optimizer(settings: Fit, variables: list[Any], precision: str, steps: int = 1) -> Any:
    """Build a Keras optimizer with its state made; float16 gets loss scaling.

    Args:
        settings: Its name and arguments, and the schedule that it follows.
        variables: What it will change.
        precision: The Keras policy.
        steps: Steps of an epoch.
    """
    import keras

    optimizer = named_optimizer(settings.optimizer)
    if settings.clip_norm is not None:
        optimizer.global_clipnorm = settings.clip_norm
    if precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return follow(optimizer, settings, steps)


def descended(chain: Chain, batch: Batch) -> tuple[list[Tensor], list[Tensor]]:
    """Losses of a chain's tasks in training, and the same with what their models add to them."""
    found = chain.task_losses(batch, chain.outputs(batch, training=True))
    penalties = map(penalty, chain.networks())
    return found, [penalised(*each) for each in zip(found, penalties, strict=True)]


def make_loss_step(chain: Predictor, task_weights: Mapping[str, float]) -> Step:
    """Measure the losses of a chain's tasks and their weighted sum."""
    tf = tensorflow()
    shares = [task_weights[name] for name in chain.models]

    def step(batch: Batch) -> Tensor:
        values = chain.task_losses(batch, chain.outputs(batch, training=False))
        return tf.stack([*values, weighted_total(shares, values)])

    return step
