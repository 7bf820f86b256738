"""Which candidate of a task each batch trains: drawn anew each epoch, the same at every resume."""

from typing import Literal

import numpy as np

from msml.data.kinematics import Array
from msml.training.epoch import generator

Sampling = Literal["uniform", "fair"]


def draw(sampling: Sampling, candidates: int, steps: int, seed: int, key: str, epoch: int) -> Array:
    """Candidate of a task in each step of an epoch, `(steps,) int32`.

    Args:
        sampling: `uniform` draws each step by itself; `fair` goes through permutations of the
            candidates, also beyond the end of an epoch, so that each is drawn equally often.
        candidates: Number of them.
        steps: Steps of an epoch.
        seed: Seed of the run.
        key: The task and what is trained.
        epoch: Number of the epoch, from 0.

    Source: paper, section 3.2 (uniform); Chu et al. 2019, arXiv:1907.01845 (fair).
    """
    if sampling == "uniform":
        return generator(seed, key, epoch).integers(candidates, size=steps, dtype=np.int32)
    first, left = divmod(epoch * steps, candidates)
    last = ((epoch + 1) * steps - 1) // candidates
    cycles = [generator(seed, key, c).permutation(candidates) for c in range(first, last + 1)]
    return np.concatenate(cycles)[left : left + steps].astype(np.int32)
