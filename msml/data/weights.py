"""Sums of event weights, and weights with a mean of 1."""

import math

import numpy as np

from msml.data.described import Source
from msml.data.kinematics import Array
from msml.errors import DataError
from msml.recipe.schema import Data


def class_totals(where: str, split: str, classes: Array, yields: Array) -> dict[float, float]:
    """Sum the weights of each class.

    Args:
        where: What messages begin with.
        split: Name of the split.
        classes: `(events,)`.
        yields: `(events,)` weights.

    Raises:
        DataError: A sum is not positive.
    """
    with np.errstate(over="ignore"):
        totals = {k: float(yields[classes == k].sum()) for k in np.unique(classes).tolist()}
    for each, total in totals.items():
        if not 0 < total < math.inf:
            raise DataError(
                f"{where}: the weights of class {each:.12g} in the {split} split sum to "
                f"{total:.4g}; expected a positive total"
            )
    return totals


def normalised(path: Source, name: str, yields: Array, classes: Array | None, data: Data) -> Array:
    """Scale the weights of a split to a mean of 1, and those of all classes to the same total.

    Args:
        path: Where they are from.
        name: Name of the split.
        yields: `(events,)` as the file has them.
        classes: `(events,)` values of the column that `data.balance` names, if any.
        data: The recipe's block.

    Raises:
        DataError: A total is not positive.
    """
    weight = yields
    if classes is not None:
        weight = weight.copy()
        totals = class_totals(f"{path}: column '{data.balance}'", name, classes, yields)
        for each, total in totals.items():
            weight[classes == each] /= total
    with np.errstate(over="ignore"):
        total = float(weight.sum())
    if not 0 < total < math.inf:
        raise DataError(
            f"{path}: column '{data.weight}': the weights of the {name} split sum to {total:.4g}; "
            "expected a positive total"
        )
    normalised: Array = (weight * (len(weight) / total)).astype(np.float32)
    return normalised
