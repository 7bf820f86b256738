"""How fast a plain HDF5 file becomes the arrays of its splits, against h5py alone.

    python scripts/bench_reading.py [events]

Wall seconds, the best of five, of a file that the system holds in memory.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from rich.console import Console
from rich.table import Table

from msml.data.dataset import load_splits
from msml.recipe.schema import Data

_FEATURES = 30
_TIMES = 5
_LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunks": {"chunks": (8192, _FEATURES)},
    "chunks, gzip": {"chunks": (8192, _FEATURES), "compression": "gzip", "shuffle": True},
}


def seconds(call: Callable[[], object]) -> float:
    """Measure the fastest of some calls."""
    found = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return min(found)


def alone(path: Path) -> None:
    """Read all bytes with h5py."""
    with h5py.File(path) as file:
        file["features"][...]


def splits(path: Path) -> None:
    """Read all splits with msml."""
    load_splits(Data(str(path)), ("train", "valid", "test"), ["features"], path)


def main() -> None:
    """Measure and print."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    features = np.random.default_rng(1).random((events, _FEATURES), np.float32)
    table = Table(title=f"{events:,} events of {_FEATURES} float32, seconds")
    for heading in ("layout", "h5py alone", "three splits", "ratio"):
        table.add_column(heading, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        for layout, options in _LAYOUTS.items():
            path = Path(folder) / "events.h5"
            with h5py.File(path, "w") as file:
                file.create_dataset("features", data=features, **options)
            bytes_, arrays = seconds(lambda p=path: alone(p)), seconds(lambda p=path: splits(p))
            table.add_row(layout, f"{bytes_:.3f}", f"{arrays:.3f}", f"{arrays / bytes_:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
