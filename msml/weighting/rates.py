"""Loss weights from how fast each task learns."""

from msml.data.kinematics import Array
from msml.domains import NotNegative, Positive
from msml.registry import weightings
from msml.training.environment import tensorflow
from msml.weighting.rule import Learned, Tasks, Tensor, Weighting

# Keeps logarithms and quotients of a loss finite.
_SMALLEST_LOSS = 1e-8


@weightings.register("dwa")
def dwa(tasks: Tasks, *, temperature: Positive = 2.0) -> Weighting:
    """Dynamic weight average: more weight for a loss that falls more slowly.

    w_t = T softmax(r_t / temperature) over the T tasks, r_t the quotient of the mean losses of
    the two epochs before; 1 in the first two epochs.

    Source: Liu, Johns and Davison, CVPR 2019.
    """
    tf = tensorflow()
    weights = tf.Variable(tf.ones(tasks.count), trainable=False)
    before = tf.Variable(tf.zeros(tasks.count), trainable=False)
    epochs = tf.Variable(0, dtype="int64", trainable=False)

    def coefficients(losses: Tensor, gram: Tensor | None) -> Tensor:
        return weights.read_value()

    def after_epoch(losses: Array) -> None:
        if epochs.numpy() > 0:
            ratios = losses / tf.maximum(before, _SMALLEST_LOSS)
            weights.assign(tasks.count * tf.nn.softmax(ratios / temperature))
        before.assign(losses)
        epochs.assign_add(1)

    state = {"weights": weights, "before": before, "epochs": epochs}
    return Weighting(coefficients, state=state, after_epoch=after_epoch)


@weightings.register("gradnorm")
def gradnorm(
    tasks: Tasks, *, alpha: NotNegative = 1.5, learning_rate: Positive = 0.025
) -> Weighting:
    """Gradients of learned norms: larger for a task that has learned less.

    Descends sum_t |G_t - mean(G) r_t^alpha| in the weights, with G_t = w_t |g_t|, r_t the loss
    over its mean in the first epoch, divided by the mean of that over tasks, and the second term
    held constant. The weights sum to the number of tasks; they are 1 in the first epoch.

    Args:
        tasks: The tasks.
        alpha: How strongly the slow are favoured; 0 asks for equal norms.
        learning_rate: Of the logarithms of the weights.

    Source: Chen et al., ICML 2018.
    """
    tf = tensorflow()
    logits = Learned(0.0, tasks.count, learning_rate)
    first = tf.Variable(tf.zeros(tasks.count), trainable=False)
    epochs = tf.Variable(0, dtype="int64", trainable=False)

    def coefficients(losses: Tensor, gram: Tensor | None) -> Tensor:
        return tasks.count * tf.nn.softmax(logits.value.value)

    def update(losses: Tensor, gram: Tensor | None) -> None:
        weights = coefficients(losses, gram)
        sizes = tf.sqrt(tf.linalg.diag_part(gram))
        left = losses / tf.maximum(first, _SMALLEST_LOSS)
        norms = weights * sizes
        targets = tf.reduce_mean(norms) * (left / tf.reduce_mean(left)) ** alpha
        slope = weights * sizes * tf.sign(norms - targets)
        by_logit = slope - weights * tf.reduce_mean(slope)
        logits.descend(tf.where(epochs > 0, by_logit, 0.0))

    def after_epoch(losses: Array) -> None:
        if epochs.numpy() == 0:
            first.assign(losses)
        epochs.assign_add(1)

    state = {**logits.state, "first": first, "epochs": epochs}
    return Weighting(coefficients, True, None, state, update, after_epoch=after_epoch)


@weightings.register("famo")
def famo(tasks: Tasks, *, learning_rate: Positive = 0.025, decay: NotNegative = 1e-3) -> Weighting:
    """Loss weights that let the logarithms of all losses fall equally fast.

    Descends sum_t z_t log L_t over sum_t z_t / L_t, this held constant, with z = softmax(xi): the
    weights sum to 1. Once the batch is done its losses are measured again, and xi descends along
    the gradient of sum_t z_t (log L_t before - log L_t after).

    Args:
        tasks: The tasks.
        learning_rate: Of xi.
        decay: Adds so many times xi to its gradient.

    Source: Liu et al., NeurIPS 2023.
    """
    tf = tensorflow()
    xi = Learned(0.0, tasks.count, learning_rate)

    def coefficients(losses: Tensor, gram: Tensor | None) -> Tensor:
        parts = tf.nn.softmax(xi.value.value) / tf.maximum(losses, _SMALLEST_LOSS)
        return parts / tf.reduce_sum(parts)

    def after(losses: Tensor, moved: Tensor) -> None:
        shares = tf.nn.softmax(xi.value.value)
        gains = tf.math.log(tf.maximum(losses, _SMALLEST_LOSS))
        gains -= tf.math.log(tf.maximum(moved, _SMALLEST_LOSS))
        slope = shares * (gains - tf.reduce_sum(shares * gains))
        xi.descend(slope + decay * xi.value.value)

    return Weighting(coefficients, state=xi.state, after=after)
