"""Import of the published code's arrays.

Eight `.npy` files, `{prefix}{Htautau|Zpure_tau}_{jet|tau|istau|energy}.npy`, the events of a class
in the same order in each. Their first column of every object is log(0.1 + pT/GeV). The order of the
images' layers is stated nowhere; it is taken to be that of the paper's Table 1.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from msml.data.described import EventFile
from msml.data.events import Columns, EventWriter, describe
from msml.data.importers.provenance import Summary, provenance
from msml.data.kinematics import Array
from msml.errors import DataError

# Name of the process: stem of its files, label.
_CLASSES = {"higgs": ("Htautau", 1), "z": ("Zpure_tau", 0)}
_SHAPES: dict[str, tuple[int | None, ...]] = {
    "jet": (None, 8),
    "tau": (None, 8),
    "istau": (None, 2),
    "energy": (None, 2, None, None, 3),
}
_BLOCK = 1024
# A logarithm above this is a pT beyond 160 TeV: a file in GeV, or of something else.
_LOG_PT_RANGE = (np.log(0.1) - 1e-3, 12.0)


def import_npy(prefix: str, output: Path, events: int | None = None) -> EventFile:
    """Make an event file of the published code's arrays.

    Args:
        prefix: What stands before the files' names: a folder, or any text.
        output: The event file.
        events: How many events of each class, from the first; all where None.

    Returns:
        What the event file says of itself: columns `jets`, `calo_images`, `taus`, `label`,
        `process`, `event_number`; H first, then Z.

    Raises:
        DataError: A file is missing, truncated or of another shape; the files of a class differ in
            length or are shorter than `events`; NaN, infinity, or pT that is no logarithm.
    """
    prefix = os.path.expanduser(prefix)
    if os.path.isdir(prefix):
        prefix = os.path.join(prefix, "")
    paths = {
        process: {kind: Path(f"{prefix}{stem}_{kind}.npy") for kind in _SHAPES}
        for process, (stem, _) in _CLASSES.items()
    }
    missing = [
        str(path) for files in paths.values() for path in files.values() if not path.exists()
    ]
    if missing:
        raise DataError(f"no such file: {', '.join(missing)}")
    arrays = {process: _open_class(files) for process, files in paths.items()}
    sizes = {process: _size(paths[process], arrays[process], events) for process in _CLASSES}
    settings = {"source": {"name": "npy", "prefix": prefix, "events": events}}
    summaries = {
        process: Summary(label, (("read", sizes[process]),)).as_json()
        for process, (_, label) in _CLASSES.items()
    }
    about = provenance("npy", list(_CLASSES), settings) | {"summary": summaries}
    with EventWriter(output, sum(sizes.values()), about) as writer:
        for number, (process, (_, label)) in enumerate(_CLASSES.items()):
            for block in _blocks(paths[process], arrays[process], sizes[process]):
                rows = len(block["jets"])
                block["label"] = np.full(rows, label)
                block["process"] = np.full(rows, number)
                writer.append(block)
        writer.finish()
    return describe(output)


def _open_class(paths: dict[str, Path]) -> dict[str, Array]:
    """Map the files of a class into memory, their kinds and shapes checked."""
    return {kind: _open(path, _SHAPES[kind]) for kind, path in paths.items()}


def _open(path: Path, shape: tuple[int | None, ...]) -> Array:
    try:
        array: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError, SyntaxError, TokenError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path}: not a complete .npy file of numbers: {reason}") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise DataError(f"{path}: an archive, expected an array of numbers")
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: of type {array.dtype}, expected an array of numbers")
    fits = len(array.shape) == len(shape) and all(
        size is None or size == length for size, length in zip(shape, array.shape, strict=True)
    )
    if not fits or (array.ndim > 3 and array.shape[2] != array.shape[3]):
        square = ("events", "2", "pixels", "pixels", "3")
        wanted = square if len(shape) > 2 else ("events", str(shape[1]))
        raise DataError(f"{path}: shape {array.shape}, expected ({', '.join(wanted)})")
    return array


def _size(paths: dict[str, Path], arrays: dict[str, Array], events: int | None) -> int:
    """Number of events to take of a class."""
    lengths = {paths[kind].name: len(array) for kind, array in arrays.items()}
    folder = paths["jet"].parent
    if len(set(lengths.values())) != 1:
        text = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DataError(f"{folder}: files of one class with different numbers of rows: {text}")
    rows = len(arrays["jet"])
    if rows == 0 or rows < (events or 0):
        wanted = "at least 1" if events is None else str(events)
        raise DataError(f"{paths['jet']}: {rows} rows, expected {wanted} (events)")
    return rows if events is None else events


def _blocks(paths: dict[str, Path], arrays: dict[str, Array], size: int) -> Iterator[Columns]:
    """Yield a class's events in blocks, in GeV and leading jet first."""
    for start in range(0, size, _BLOCK):
        rows = slice(start, min(start + _BLOCK, size))
        taken = {kind: np.asarray(array[rows]) for kind, array in arrays.items() if kind != "istau"}
        for kind, array in taken.items():
            _check_finite(paths[kind], array, start)
        jets = _four_vectors(paths["jet"], taken["jet"], start)
        taus = _four_vectors(paths["tau"], taken["tau"], start)[..., :3]
        swap = jets[:, 1, 0] > jets[:, 0, 0]
        columns = {"jets": jets, "calo_images": taken["energy"], "taus": taus}
        for name, array in columns.items():
            where = swap.reshape(-1, *(1,) * (array.ndim - 1))
            columns[name] = np.where(where, array[:, ::-1], array)
        columns["event_number"] = np.arange(rows.start, rows.stop)
        yield columns


def _check_finite(path: Path, array: Array, start: int) -> None:
    good = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if not good.all():
        raise DataError(f"{path}: NaN or infinity in row {start + int(np.argmin(good))}")


def _four_vectors(path: Path, rows: Array, start: int) -> Array:
    """Turn `(events, 8)` of log(0.1 + pT/GeV), eta, phi, m into `(events, 2, 4)` with pt in GeV."""
    vectors = rows.astype(np.float64).reshape(-1, 2, 4)
    log_pt = vectors[..., 0]
    wrong = ((log_pt < _LOG_PT_RANGE[0]) | (log_pt > _LOG_PT_RANGE[1])).any(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{path}: row {start + row} has {log_pt[row].tolist()} for pT,"
            " expected log(0.1 + pT/GeV)"
        )
    vectors[..., 0] = np.maximum(np.exp(log_pt) - 0.1, 0.0)
    return vectors
