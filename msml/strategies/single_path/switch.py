"""One branch of several in a graph, by its number."""

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil
from typing import Any

from msml.training.environment import tensorflow
from msml.training.epoch import Tensor

Number = int | Tensor

# Every branch of a switch is given the variables of all its branches, which is quadratic.
_LARGEST_SWITCH = 8


def choose(number: Number, branches: Sequence[Callable[[], Any]]) -> Any:
    """Run one of the branches, and nothing of the others."""
    tf = tensorflow()
    if isinstance(number, int) or len(branches) == 1:
        return branches[number if isinstance(number, int) else 0]()
    if len(branches) <= _LARGEST_SWITCH:
        # Inlined, the operations of all branches would be visited at each step.
        kept = {"_noinline": True}
        apart = partial(tf.function, autograph=False, experimental_attributes=kept)
        return tf.switch_case(number, [apart(branch) for branch in branches])
    size = ceil(len(branches) / _LARGEST_SWITCH)
    groups = [branches[i : i + size] for i in range(0, len(branches), size)]
    inner = number % size
    return tf.switch_case(number // size, [partial(choose, inner, group) for group in groups])
