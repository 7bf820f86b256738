"""Events with objects that are quick to make: masses of two classes differ."""

from pathlib import Path

import numpy as np

from msml.data.events import EventWriter


def write_objects(path: Path, events: int, seed: int, kinds=(1, 4, 2, 2, 3, 3)) -> None:
    """Write events, half of them signal; of some the last object is not there."""
    random = np.random.default_rng(seed)
    label = (np.arange(events) % 2).astype(np.uint8)
    types = np.tile(np.int8(kinds), (events, 1))
    types[::5, -1] = 0
    vectors = np.stack(
        [
            random.exponential(40 + 40 * label[:, None], types.shape) + 20,
            random.normal(0, 1, types.shape) * (types != 4),
            random.uniform(-np.pi, np.pi, types.shape),
            random.uniform(1, 9, types.shape) * (types > 1) * (types != 4),
        ],
        axis=-1,
    )
    real = types > 0
    with EventWriter(path, events, {"source": "a test"}) as writer:
        writer.append(
            {
                "event_objects": np.where(real[..., None], vectors, 0).astype(np.float32),
                "event_object_types": types,
                "event_objects_real": real,
                "label": label,
            }
        )
        writer.finish()
