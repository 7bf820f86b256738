"""Probabilities that mean what they say: logits that are mapped to others, as known events tell.

A map of a label's logits never falls: the order of events stays, but for the ties that `isotonic`
makes. That of classes leaves the likeliest class what it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from msml.data.kinematics import Array
from msml.errors import DataError
from msml.tensors import Values, as_type, functions, log_sigmoid, logit

OF_CLASSES = ("temperature",)
"""The methods for more than a label."""

_REACH = 14.0  # of the logarithm of a temperature, to both sides of 0
_NOTHING = "its scores tell nothing of the classes"
_ALL = "its scores tell the classes apart without a mistake"

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Calibration:
    """A map of logits.

    Attributes:
        method: How it was fitted: `temperature`, `isotonic` or `beta`.
        parameters: What was fitted.
    """

    method: str
    parameters: Parameters

    def logits(self, logits: Values) -> Values:
        """Map logits, to float64 of the same shape."""
        return _MAPS[self.method](as_type(logits, "float64"), self.parameters)

    def plain(self) -> dict[str, Any]:
        """Give what `calibrations` reads."""
        return asdict(self)


def calibrations(record: Mapping[str, Any]) -> dict[str, Calibration]:
    """Read the maps of tasks from what an evaluation keeps; those that could be fitted."""
    return {
        task: Calibration(about["method"], about["parameters"])
        for task, about in record["tasks"].items()
        if "method" in about
    }


def fit(method: str, label: Array, logits: Array, weight: Array) -> Calibration:
    """Fit a map of logits to events whose classes are known.

    Args:
        method: `temperature`; of a label `isotonic` and `beta`, too.
        label: `(numbers,)`, 0 and 1, or classes.
        logits: `(numbers,)` of a label, `(numbers, classes)` of classes.
        weight: `(numbers,)`; only a temperature can be fitted where some are negative.

    Raises:
        DataError: These events do not determine it; the message says what is wrong with them.
    """
    if not np.isfinite(logits).all():
        raise DataError("a logit is NaN or infinite")
    if len(np.unique(label)) < 2:
        raise DataError("it has events of one class only")
    if not weight.sum() > 0:
        raise DataError("its weights have no positive total")
    if method != "temperature" and (weight < 0).any():
        raise DataError(f"'{method}' cannot be fitted to negative weights")
    return Calibration(method, _FITS[method](label, logits, weight / weight.mean()))


def _temperature(label: Array, logits: Array, weight: Array) -> Parameters:
    """Find the minimum of the cross-entropy of logits over a temperature, where its slope is 0.

    Source: Guo et al., 1706.04599.
    """
    from scipy.optimize import brentq
    from scipy.special import softmax

    each = logits if logits.ndim > 1 else np.stack([np.zeros_like(logits), logits], axis=-1)
    true = np.take_along_axis(each, label.astype(int)[:, None], axis=-1)[:, 0]

    def slope(log_inverse: float) -> float:
        mean = (softmax(np.exp(log_inverse) * each, axis=-1) * each).sum(axis=-1)
        return float(weight @ (mean - true))

    if not slope(-_REACH) < 0:
        raise DataError(_NOTHING)
    if not slope(_REACH) > 0:
        raise DataError(_ALL)
    return {"temperature": float(np.exp(-brentq(slope, -_REACH, _REACH, xtol=1e-12)))}


def _beta(label: Array, logits: Array, weight: Array) -> Parameters:
    """Fit a, b of at least 0 and c of the logit a log(p) - b log(1 - p) + c to the labels.

    It is a logistic regression on both logarithms.

    Source: Kull, Silva Filho and Flach, Beyond sigmoids, 2017.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    if logits[label == 0].max() <= logits[label == 1].min():
        raise DataError(_ALL)
    features = np.stack([*_logarithms(logits), np.ones_like(logits)], axis=-1)

    def loss(values: Array) -> tuple[float, Array]:
        found = features @ values
        slope = weight * (expit(found) - label) / len(label)
        return float(weight @ (np.logaddexp(0, found) - label * found)) / len(label), (
            features.T @ slope
        )

    limits = [(0, None), (0, None), (None, None)]
    precise = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000}
    start = np.array([1.0, 1.0, 0.0])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits, options=precise).x
    if not found[:2].any():
        raise DataError(_NOTHING)
    return dict(zip("abc", found.tolist(), strict=True))


def _isotonic(label: Array, logits: Array, weight: Array) -> Parameters:
    """Fit a function that never falls; it is linear between its points, and constant beyond.

    So many events do not tell a probability below 1/(events + 2) from none: there it ends, on both
    sides, or a single event that nobody has expected would make the cross-entropy infinite. Of
    weighted events it is their effective number.

    Source: Zadrozny and Elkan 2002; Laplace's rule of succession.
    """
    from sklearn.isotonic import IsotonicRegression

    least = 1 / (weight.sum() ** 2 / (weight**2).sum() + 2)
    model = IsotonicRegression(y_min=least, y_max=1 - least).fit(logits, label, weight)
    if np.ptp(model.y_thresholds_) == 0:
        raise DataError(_NOTHING)
    return {"logit": model.X_thresholds_.tolist(), "probability": model.y_thresholds_.tolist()}


def _logarithms(logits: Values) -> tuple[Values, Values]:
    """Return log(p) and -log(1 - p)."""
    return log_sigmoid(logits), -log_sigmoid(-logits)


def _of_temperature(logits: Values, found: Parameters) -> Values:
    return logits / found["temperature"]


def _of_beta(logits: Values, found: Parameters) -> Values:
    one, other = _logarithms(logits)
    return found["a"] * one + found["b"] * other + found["c"]


def _of_isotonic(logits: Values, found: Parameters) -> Values:
    return logit(functions(logits).interp(logits, found["logit"], found["probability"]))


_FITS: dict[str, Callable[[Array, Array, Array], Parameters]] = {
    "temperature": _temperature,
    "isotonic": _isotonic,
    "beta": _beta,
}
_MAPS: dict[str, Callable[[Values, Parameters], Values]] = {
    "temperature": _of_temperature,
    "isotonic": _of_isotonic,
    "beta": _of_beta,
}
