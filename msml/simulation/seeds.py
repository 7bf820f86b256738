"""Seeds: every batch of events has its own, derived from the recipe's seed."""

import zlib

import numpy as np

_PYTHIA_SEEDS = 900_000_000


def batch_seeds(seed: int, name: str, shard: int, batch: int) -> tuple[int, np.random.Generator]:
    """Seeds of one batch: Pythia's, and the generator of the detector's random numbers.

    Every batch starts afresh, so that an event that another processor rounds across a cut changes
    no batch but its own.
    """
    sequence = np.random.SeedSequence([seed, zlib.crc32(name.encode()), shard, batch])
    pythia, detector = sequence.spawn(2)
    return 1 + int(pythia.generate_state(1)[0]) % _PYTHIA_SEEDS, np.random.default_rng(detector)
