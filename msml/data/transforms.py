"""Transforms of columns, named in a recipe under `data.transform`. They keep a column's shape."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

PT_OFFSET = 0.1  # GeV, keeps the logarithm of a vanishing pt finite
LOG_PT_LIMIT = 7.0  # 1096.5 GeV, and -0.099 GeV at the other end

Transform = Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]]


def log_pt(column: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Replace pt, the first component of the last axis, by log(0.1 + pt/GeV).

    Args:
        column: `(events, ..., components)`, pt in GeV; left as it is.

    Returns:
        A float32 copy, the other components unchanged.

    Source:
        Paper, section 4.2.
    """
    transformed = np.array(column, np.float32)
    transformed[..., 0] = np.log(np.float32(PT_OFFSET) + transformed[..., 0])
    return transformed


TRANSFORMS: dict[str, Transform] = {"log_pt": log_pt}

FIRST_COMPONENT = {"log_pt": "pt"}
"""The component that a transform expects first on a column's last axis."""
