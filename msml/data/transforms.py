"""Transforms of columns that a recipe names, applied when a split is read."""

from collections.abc import Callable

import numpy as np

from msml.data.kinematics import Array


def log_pt(column: Array) -> Array:
    """Replace pt, the first component, by log(0.1 + pt/GeV) (paper, section 4.2)."""
    changed = np.array(column, dtype=np.float32)
    changed[..., 0] = np.log(0.1 + changed[..., 0])
    return changed


TRANSFORMS: dict[str, Callable[[Array], Array]] = {"log_pt": log_pt}
