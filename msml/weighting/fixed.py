"""Weights that are not learned: those of the recipe, and random ones as a control."""

from msml.registry import weightings
from msml.training.environment import tensorflow
from msml.weighting.rule import Draws, Tasks, Tensor, Weighting


@weightings.register("fixed")
def fixed(tasks: Tasks, *, diagnose: bool = False) -> Weighting:
    """The task weights v_t of the recipe.

    Args:
        tasks: The tasks.
        diagnose: Whether to log the angle between the tasks' gradients, as for all other rules.
    """

    def coefficients(losses: Tensor, gram: Tensor | None) -> Tensor:
        return tensorflow().constant(tasks.task_weights, "float32")

    return Weighting(coefficients, constant=tasks.task_weights, logged=diagnose)


@weightings.register("random")
def random(tasks: Tasks) -> Weighting:
    """Loss weights drawn anew each batch, softmax of normal numbers: a control.

    Source: Lin et al., Reasonable Effectiveness of Random Weighting, TMLR 2022.
    """
    draws = Draws(tasks.seed)

    def coefficients(losses: Tensor, gram: Tensor | None) -> Tensor:
        tf = tensorflow()
        normal = tf.random.stateless_normal([tasks.count], draws.key(), alg="philox")
        return tf.nn.softmax(normal)

    return Weighting(coefficients, state=draws.state, update=draws.advance)
