"""Stochastic weight averaging: what is measured and kept is the mean of weights along the training.

Izmailov et al., 1803.05407.
"""

from collections.abc import Callable, Sequence
from typing import Any

from msml.recipe.schema_training import Average
from msml.training.environment import tensorflow
from msml.training.epoch import EpochResult

Train = Callable[[int], EpochResult]


def averaged(
    train: Train, weights: Sequence[Any], settings: Average | None
) -> tuple[Train, dict[str, Any]]:
    """Let weights be their mean between epochs; each epoch goes on from what the last one ended at.

    Args:
        train: One epoch of training; it gets the epoch's number, from 0.
        weights: The variables that it trains, of any shapes, with their initial values.
        settings: Which epochs enter the mean; where None nothing changes.

    Returns:
        The epoch around that, and further state of the training: the weights as trained, by name.
        With the weights themselves, which hold the mean, it is all that a resumed training needs.
    """
    if settings is None:
        return train, {}
    tf = tensorflow()
    trained = [tf.Variable(weight.value) for weight in weights]

    def epoch(number: int) -> EpochResult:
        means = [weight.numpy() for weight in weights]
        for weight, own in zip(weights, trained, strict=True):
            weight.assign(own.value())
        result = train(number)
        for own, weight in zip(trained, weights, strict=True):
            own.assign(weight.value)
        done = number + 1 - settings.start
        if done < 0:
            return result
        count, waiting = 1 + done // settings.every, done % settings.every
        for weight, own, mean in zip(weights, trained, means, strict=True):
            weight.assign(mean if waiting else mean + (own.numpy() - mean) / count)
        return result

    return epoch, {f"average/trained/{i:03d}": each for i, each in enumerate(trained)}
