"""A small event file with something to learn, and a session on it."""

from pathlib import Path

import numpy as np

from msml.data.events import EventWriter

PIXELS = 12  # enough for the layers of tau_cnn


def synthetic_events(rows: int = 400, seed: int = 1) -> dict[str, np.ndarray]:
    """Two taus an event; jets carry part of their momentum, images the rest of it.

    The class moves the angle between the taus and so their mass.
    """
    rng = np.random.default_rng(seed)
    label = (np.arange(rows) * 7 % 10 < 5).astype(np.uint8)
    pt = rng.uniform(30, 80, (rows, 2))
    eta = rng.uniform(-1.5, 1.5, (rows, 2))
    phi = rng.uniform(-3, 3, rows)
    apart = np.where(label == 1, 2.8, 2.0) + rng.normal(0, 0.3, rows)
    phi = np.stack([phi, (phi + apart + np.pi) % (2 * np.pi) - np.pi], axis=1)
    taus = np.stack([pt, eta, phi], axis=-1)
    seen = rng.uniform(0.4, 0.9, (rows, 2))
    jets = np.stack([pt * seen, eta, phi, np.ones_like(pt)], axis=-1)
    images = rng.random((rows, 2, PIXELS, PIXELS, 3)) * (
        rng.random((rows, 2, PIXELS, PIXELS, 3)) < 0.1
    )
    images[:, :, PIXELS // 2, PIXELS // 2, 1] = 5 * seen
    return {
        "jets": jets.astype(np.float32),
        "calo_images": images.astype(np.float32),
        "taus": taus.astype(np.float32),
        "label": label,
        "weight": rng.uniform(0.5, 2, rows).astype(np.float32),
    }


def write_events(path: Path, columns: dict[str, np.ndarray] | None = None) -> Path:
    columns = synthetic_events() if columns is None else columns
    rows = len(next(iter(columns.values())))
    with EventWriter(path, rows, {}) as writer:
        writer.append(columns)
        writer.finish()
    return path
