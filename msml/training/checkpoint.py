"""HDF5 files of arrays with JSON beside them: weights, and the state of interrupted work."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from msml.data.disk import Disk
from msml.data.kinematics import Array
from msml.errors import DataError
from msml.files import atomic

FORMAT_VERSION = 1


@contextmanager
def new_hdf5(path: Path) -> Iterator[h5py.File]:
    """Give an HDF5 file to fill; it appears under `path` when the block ends well.

    Raises:
        DataError: If it cannot be written.
    """
    with atomic(path) as temporary:
        disk = Disk(temporary)  # HDF5 itself does not survive a full disk
        try:
            with h5py.File(disk, "w") as file:
                yield file
        finally:
            disk.close()
        if disk.error is not None:
            raise disk.error


def save_arrays(path: Path, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> None:
    """Write arrays and JSON-able facts about them; a reader never sees half of it.

    Raises:
        DataError: If the file cannot be written.
    """
    with new_hdf5(path) as file:
        file.attrs["format_version"] = FORMAT_VERSION
        file.create_dataset("about", data=json.dumps(about))
        for name, array in arrays.items():
            file.create_dataset(f"arrays/{name}", data=array)


def load_arrays(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what `save_arrays` wrote.

    Raises:
        DataError: If the file is missing, broken or of another format version.
    """
    try:
        with h5py.File(path, "r") as file:
            version = int(file.attrs.get("format_version", 0))
            if version != FORMAT_VERSION:
                raise DataError(
                    f"{path}: checkpoint of format version {version}, this msml reads version "
                    f"{FORMAT_VERSION}; remove it to start again"
                )
            arrays: dict[str, Array] = {}

            def collect(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset):
                    arrays[name] = np.asarray(item)

            if "arrays" in file:
                file["arrays"].visititems(collect)
            return arrays, json.loads(file["about"][()])
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not a complete checkpoint ({error})") from error


def variable_arrays(variables: Mapping[str, Any]) -> dict[str, Array]:
    """Values of variables by name."""
    return {name: variable.numpy() for name, variable in variables.items()}


def check_fit(variables: Mapping[str, Any], arrays: Mapping[str, Array], where: str) -> None:
    """Compare saved values with the variables they are for.

    Raises:
        DataError: If names or shapes are not those of the variables.
    """
    for name, variable in variables.items():
        if name not in arrays or tuple(arrays[name].shape) != tuple(variable.shape):
            found = arrays[name].shape if name in arrays else "missing"
            raise DataError(
                f"{where}: '{name}': expected shape {tuple(variable.shape)}, found {found}"
            )


def assign(variables: Mapping[str, Any], arrays: Mapping[str, Array], where: str) -> None:
    """Set variables to saved values, all or none.

    Raises:
        DataError: As `check_fit`.
    """
    check_fit(variables, arrays, where)
    for name, variable in variables.items():
        variable.assign(arrays[name])
