"""NumPy's functions for tensors of Keras, so that one formula serves arrays and graphs.

    xp = functions(values)
    return xp.sign(values) * xp.log1p(xp.abs(values) / scale)

Those that are not here are of `keras.ops`, which has most of NumPy's names. What is here lacks in
Keras or ONNX, or ONNX Runtime does not compute it in float64. A number of NumPy comes second, as in
`x + number`, and what is compared goes through `equal`: a tensor knows no `==`.
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

Values = Any
"""An array of NumPy, or a tensor of Keras."""


def is_tensor(values: Values) -> bool:
    """Whether values are no array of NumPy, nor a number."""
    return not isinstance(values, (np.ndarray, np.generic, bool, int, float))


def functions(values: Values) -> Any:
    """Where the functions are that compute with these values: `numpy`, or this module."""
    return sys.modules[__name__] if is_tensor(values) else np


def as_type(values: Values, dtype: str) -> Values:
    """Convert, to an array where it is none of both."""
    if not is_tensor(values):
        return np.asarray(values, dtype)
    from keras import ops

    return ops.cast(values, dtype)


def parts(values: Values) -> list[Values]:
    """Take the last axis apart."""
    if not is_tensor(values):
        return list(np.moveaxis(values, -1, 0))
    from keras import ops

    return list(ops.unstack(values, axis=-1))


def with_parts(values: Values, places: Sequence[int], changed: Values) -> Values:
    """Put others in some places of the last axis, `(..., places)`; to the type of these."""
    found = parts(values)
    for place, part in zip(places, parts(changed), strict=True):
        found[place] = part
    return functions(values).stack(found, axis=-1)


def sigmoid(logits: Values) -> Values:
    """1 / (1 + exp(-x))."""
    if is_tensor(logits):
        from keras import ops

        return ops.sigmoid(logits)
    from scipy.special import expit

    return expit(logits)


def softmax(logits: Values) -> Values:
    """exp(x) / Σ exp(x) over the last axis."""
    if is_tensor(logits):
        from keras import ops

        return ops.softmax(logits, axis=-1)
    from scipy.special import softmax as of_scipy

    return of_scipy(logits, axis=-1)


def log_sigmoid(logits: Values) -> Values:
    """-log(1 + exp(-x))."""
    if is_tensor(logits):
        from keras import ops

        return ops.minimum(logits, 0.0) - log1p(ops.exp(-ops.abs(logits)))
    from scipy.special import log_expit

    return log_expit(logits)


def logit(shares: Values) -> Values:
    """log(p / (1 - p))."""
    if is_tensor(shares):
        from keras import ops

        return ops.log(shares) - log1p(-shares)
    from scipy.special import logit as of_scipy

    return of_scipy(shares)


def interp(x: Values, places: Sequence[float], heights: Sequence[float]) -> Values:
    """Interpolate between points of rising places, constant beyond: as `numpy.interp`."""
    from keras import ops

    at, height = np.asarray(places, np.float64), np.asarray(heights, np.float64)
    if len(at) == 1:
        return ops.zeros_like(x) + height[0]
    width = np.diff(at)
    within = ops.minimum(ops.maximum(ops.expand_dims(x, -1) - at[:-1], 0.0), width)
    return ops.sum(within * (np.diff(height) / width), axis=-1) + height[0]


def log1p(x: Values) -> Values:
    """Logarithm of 1 + x, of a tensor; of a small float64 its digits are those of 1."""
    from keras import ops

    return ops.log(x + 1.0)


def expm1(x: Values) -> Values:
    """Inverse of `log1p`, of a tensor."""
    from keras import ops

    return ops.exp(x) - 1.0


def sinh(x: Values) -> Values:
    """Hyperbolic sine, of a tensor."""
    from keras import ops

    return 0.5 * (ops.exp(x) - ops.exp(-x))


def arcsinh(x: Values) -> Values:
    """Inverse of `sinh`, of a tensor."""
    from keras import ops

    size = ops.abs(x)
    return ops.sign(x) * ops.log(size + ops.sqrt(size * size + 1.0))


def arctan2(y: Values, x: Values) -> Values:
    """Angle of tensors, to the digits of float32."""
    from keras import ops

    return ops.cast(ops.arctan2(ops.cast(y, "float32"), ops.cast(x, "float32")), y.dtype)


def hypot(x: Values, y: Values) -> Values:
    """Length, of tensors."""
    from keras import ops

    return ops.sqrt(x * x + y * y)


def copysign(size: Values, sign: Values) -> Values:
    """A size of 0 or more with the sign of another tensor."""
    from keras import ops

    return ops.where(sign < 0, -size, size)


def rint(x: Values) -> Values:
    """The nearest whole number, of a tensor."""
    from keras import ops

    return ops.round(x)


def __getattr__(name: str) -> Any:
    if name.startswith("_"):  # Python asks for these at each import
        raise AttributeError(name)
    from keras import ops

    return getattr(ops, name)
