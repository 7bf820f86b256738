"""Dividing events into train, valid and test."""

from collections.abc import Mapping

import numpy as np

from msml.data.kinematics import Array
from msml.errors import DataError


def split_rows(
    total: int, fractions: Mapping[str, float], seed: int, used: int | None = None
) -> dict[str, Array]:
    """Cut one fixed permutation of the events into consecutive parts.

    The permutation is NumPy's legacy one, and the cuts are truncated running sums, as in the
    paper's published code: 100,000 events at 0.6, 0.2, 0.2 give 60,000, 20,000 and 20,000.

    Args:
        total: Number of events there are.
        fractions: Fraction of each part, in order; they sum to 1.
        seed: Seed of the permutation.
        used: Use the first so many events of the permutation; all where None.

    Returns:
        Event numbers of each part, `(events of the part,) int64`, in the order of the permutation.

    Raises:
        DataError: If a part is empty.
    """
    order = np.random.RandomState(seed).permutation(total)[:used]
    # Rounded first: 0.7 + 0.2 + 0.1 must not end before the last event.
    edges = [int(round(len(order) * part, 6)) for part in np.cumsum(list(fractions.values()))]
    parts = dict(zip(fractions, np.split(order, edges[:-1]), strict=True))
    for name, part in parts.items():
        if not len(part):
            raise DataError(f"the {name} split of {len(order)} events is empty")
    return parts
