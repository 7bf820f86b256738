"""Checks of how something is trained, in stages and strategies alike."""

import math
from collections.abc import Iterator

from msml.recipe.messages import Problem, at_least_1, unknown
from msml.recipe.schema import Fit

OPTIMIZERS = ("adadelta", "adagrad", "adam", "adamax", "adamw", "lion", "nadam", "rmsprop", "sgd")
"""Keras optimizers that a recipe may name."""


def check_fit(fit: Fit) -> Iterator[Problem]:
    """Yield a key below the settings and a message for each value that makes no sense."""
    for count in ("batch_size", "epochs", "patience"):
        if getattr(fit, count) < 1:
            yield count, at_least_1(getattr(fit, count))
    if fit.clip_norm is not None and not 0 < fit.clip_norm < math.inf:
        yield "clip_norm", f"expected a number above 0 or null, got {fit.clip_norm:g}"
    name = fit.optimizer.get("name")
    if name is None:
        yield "optimizer.name", f"missing; expected one of {', '.join(OPTIMIZERS)}"
    elif name not in OPTIMIZERS:
        yield "optimizer.name", unknown("optimizer", name, OPTIMIZERS)
    for key in fit.optimizer:
        if "ema" in key.split("_"):
            message = "averages of weights are not used: training keeps the best epoch's"
            yield f"optimizer.{key}", f"{message}; remove it"
    rate = fit.optimizer.get("learning_rate", 1.0)
    if not isinstance(rate, int | float) or not 0 < rate < math.inf:
        yield "optimizer.learning_rate", f"expected a number above 0, got {rate}"
