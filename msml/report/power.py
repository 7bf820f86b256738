"""Fits of a power law C·x^a."""

import math
from dataclasses import dataclass

import numpy as np

from msml.data.kinematics import Array

_PARAMETERS = 2
_DIGITS = 12


@dataclass(frozen=True)
class Power:
    """A fitted power law.

    Attributes:
        factor: C.
        factor_error: Its standard error.
        exponent: a.
        exponent_error: Its standard error.
        points: Values that it was fitted to.
    """

    factor: float
    factor_error: float
    exponent: float
    exponent_error: float
    points: int

    def __call__(self, x: Array) -> Array:
        """The fitted values."""
        return self.factor * np.asarray(x, float) ** self.exponent


def fit(x: Array, y: Array) -> Power | None:
    """Fit a line to the logarithms, all values with the same relative error.

    That error is taken from the residuals, so that it holds for repeated measurements as well as
    for what a power law does not describe.

    Args:
        x: `(values,)` above 0.
        y: `(values,)` above 0; others are left out.

    Returns:
        None for fewer than two different x; of two values only, errors are NaN.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    good = (x > 0) & (y > 0) & np.isfinite(y)
    x, y = np.log(x[good]), np.log(y[good])
    if len(np.unique(x)) < _PARAMETERS:
        return None
    if len(x) > _PARAMETERS:
        parameters, covariance = np.polyfit(x, y, 1, cov=True)
        errors = np.sqrt(np.diag(covariance))
    else:
        parameters, errors = np.polyfit(x, y, 1), np.full(_PARAMETERS, np.nan)
    # What lies on a power law exactly is 1 ± 0, not 1 - 9e-16 ± 6e-15; and no zero is negative.
    parameters, errors = parameters.round(_DIGITS) + 0.0, errors.round(_DIGITS)
    (exponent, constant), (exponent_error, constant_error) = parameters.tolist(), errors.tolist()
    factor = math.exp(constant)
    return Power(
        factor=factor,
        factor_error=factor * constant_error,
        exponent=exponent,
        exponent_error=exponent_error,
        points=len(x),
    )
