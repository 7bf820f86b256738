"""Optimizers that a recipe may name, and the arguments of each: plain numbers and booleans only."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any

from msml.domains import Domain, Fraction, NotNegative, Positive
from msml.errors import nearest
from msml.hints import mismatch
from msml.recipe.messages import Problem, unknown

_COMMON: dict[str, Any] = {
    "learning_rate": Positive,
    "weight_decay": NotNegative | None,
    "l2": NotNegative | None,
    "clipnorm": Positive | None,
    "clipvalue": Positive | None,
    "global_clipnorm": Positive | None,
    "loss_scale_factor": Positive | None,
    "gradient_accumulation_steps": Annotated[int, Domain(2, 10**6)] | None,
}
_ADAPTIVE = _COMMON | {"epsilon": Positive}
_MOMENTS = {"beta_1": Fraction, "beta_2": Fraction}

OPTIMIZERS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "adadelta": _ADAPTIVE | {"rho": Fraction},
        "adagrad": _ADAPTIVE | {"initial_accumulator_value": NotNegative},
        "adam": _ADAPTIVE | _MOMENTS | {"amsgrad": bool},
        "adamax": _ADAPTIVE | _MOMENTS,
        "adamw": _ADAPTIVE | _MOMENTS | {"amsgrad": bool, "weight_decay": NotNegative},
        "lion": _COMMON | _MOMENTS,
        "nadam": _ADAPTIVE | _MOMENTS,
        "rmsprop": _ADAPTIVE | {"rho": Fraction, "momentum": Fraction, "centered": bool},
        "sgd": _COMMON | {"momentum": Fraction, "nesterov": bool},
    }
)
"""Type and domain of each argument of Keras's optimizers, but for those of averaged weights.

`l2` is msml's; see `msml.training.optimizers`.
"""


def check_optimizer(key: str, settings: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with an optimizer's name and arguments.

    Args:
        key: Where it is set.
        settings: `name` and the arguments.
    """
    name = settings.get("name")
    if name is None:
        yield f"{key}.name", f"missing; expected one of {', '.join(OPTIMIZERS)}"
    elif str(name) not in OPTIMIZERS:
        yield f"{key}.name", unknown("optimizer", name, OPTIMIZERS)
    known = OPTIMIZERS.get(str(name), _COMMON)
    for argument, value in settings.items():
        if "ema" in argument.split("_"):
            message = "averages of weights that an optimizer keeps are not used"
            yield f"{key}.{argument}", f"{message}; expected `average` beside the optimizer"
        elif argument not in known and str(name) in OPTIMIZERS and argument != "name":
            message = f"unknown argument of optimizer '{name}'{nearest(argument, [*known])}"
            yield f"{key}.{argument}", message
        elif problem := mismatch(value, known.get(argument, Any)):
            yield f"{key}.{argument}", problem
