"""Loss weights from learned uncertainties: every task's loss is divided by its own variance."""

from typing import Annotated, Literal

from msml.domains import Domain, Positive
from msml.registry import weightings
from msml.training.environment import tensorflow
from msml.weighting.rule import Learned, Tasks, Tensor, Weighting


@weightings.register("uncertainty")
def uncertainty(
    tasks: Tasks,
    *,
    form: Literal["seed", "kendall", "log1p"] = "seed",
    start: Annotated[float, Domain(-50, 50)] = 0.0,
    learning_rate: Positive = 1e-3,
) -> Weighting:
    """Loss weights from a learned uncertainty of each task.

    seed: L/(2 sigma^2) + log sigma. kendall: the same, but L/sigma^2 + log sigma for
    classification. log1p: L/(2 sigma^2) + log(1 + sigma^2), whose second term is never negative.

    Args:
        tasks: The tasks.
        form: Which of these is descended, in the weights and in s = log sigma^2.
        start: Where s begins.
        learning_rate: Of s.

    Source: Kendall, Gal and Cipolla, CVPR 2018; log1p: Liebel and Koerner, 2018.
    """
    s = Learned(start, tasks.count, learning_rate)
    whole = [form == "kendall" and classes for classes in tasks.classification]
    factors = [1.0 if each else 0.5 for each in whole]

    def coefficients(losses: Tensor, gram: Tensor | None) -> Tensor:
        tf = tensorflow()
        return tf.constant(factors) * tf.exp(-s.value.value)

    def update(losses: Tensor, gram: Tensor | None) -> None:
        growth = tensorflow().sigmoid(s.value.value) if form == "log1p" else 0.5
        s.descend(growth - coefficients(losses, gram) * losses)

    return Weighting(coefficients, state=s.state, update=update)
