"""A small file of events with jets and their constituents, padded, with something to learn."""

from pathlib import Path

import numpy as np
from synthetic import write_events

JETS, CONSTITUENTS = 4, 6


def nested_events(rows: int = 300, seed: int = 1, garbage: float = 0.0) -> dict[str, np.ndarray]:
    """Jets that are taus where their constituents are few and hard; their mass tells the class.

    Args:
        rows: Events.
        seed: Of all numbers.
        garbage: What is written where there is padding.
    """
    rng = np.random.default_rng(seed)
    label = (np.arange(rows) % 2).astype(np.uint8)
    real = np.arange(JETS) < rng.integers(1, JETS + 1, rows)[:, None]
    tau = ((rng.random((rows, JETS)) < 0.5) & real).astype(np.int8)
    members = np.where(tau == 1, 2, 4) + rng.integers(0, 3, (rows, JETS))
    present = (np.arange(CONSTITUENTS) < members[..., None]) & real[..., None]
    pt = rng.uniform(1, 3, present.shape) * np.where(tau == 1, 10, 4)[..., None]
    angles = rng.normal(0, 0.2, (*present.shape, 2))
    constituents = np.concatenate([pt[..., None], angles], axis=-1)
    mass = np.where(tau == 1, 20 + 10 * label[:, None], 15)
    total = np.where(present, pt, 0).sum(axis=-1)
    angle = rng.uniform(-2, 2, (rows, JETS))
    jets = np.stack([total, angle, angle / 2, mass + rng.normal(0, 3, mass.shape)], axis=-1)
    true = np.stack([1.2 * total, angle, angle / 2], axis=-1)

    def padded(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
        wide = mask.reshape(*mask.shape, *(1,) * (values.ndim - mask.ndim))
        return np.where(wide, values, garbage).astype(np.float32)

    return {
        "all_jets": padded(jets, real),
        "all_jets_real": real,
        "all_jets_tau": np.where(real, tau, int(garbage) % 100).astype(np.int8),
        "all_jets_taus": padded(true, tau == 1),
        "constituents": padded(constituents, present),
        "constituents_real": present,
        "label": label,
        "weight": rng.uniform(0.5, 2, rows).astype(np.float32),
    }


def write_nested(path: Path, **arguments: float) -> Path:
    return write_events(path, nested_events(**arguments))
