"""The columns of any HDF5 file: where they lie and how they describe themselves.

A column is a dataset of numbers or booleans, or a field of a compound dataset, whose first axis are
the events. Its name is its path in the file: `jets/pt` lies in a group, `jets.pt` is a field.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from msml.data.schema import Column

_KINDS = {"c": "complex numbers", "S": "texts", "U": "texts", "O": "texts or lists", "V": "opaque"}
_LARGEST_FLOAT = 8  # bytes
# What is not in the file is not in the hash of it.
_ELSEWHERE = "expected them in this one, or that file in `data.files`"


@dataclass(frozen=True)
class Stored:
    """Where a column lies in its file.

    Attributes:
        dataset: Path of the dataset.
        shape: Events included.
        dtype: Type in this machine's byte order.
        fields: Names that lead to the field of a compound dataset; empty for a plain one.
        told: The attributes that describe the column, those of them that are texts.
        chunk: Number of events that the file keeps together.
        row_bytes: Size of an event in the file's dataset.
    """

    dataset: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fields: tuple[str, ...]
    told: dict[str, tuple[str, ...]] = field(default_factory=dict)
    chunk: int = 1
    row_bytes: int = 1

    def read(self, file: h5py.File, events: slice) -> npt.NDArray[Any]:
        """Read some events, in the file's type and this machine's byte order."""
        dataset = file[self.dataset]
        array = dataset.fields(self.fields[0])[events] if self.fields else dataset[events]
        for name in self.fields[1:]:
            array = array[name]
        native: npt.NDArray[Any] = array.astype(self.dtype, copy=False)
        return native

    def column(self, name: str) -> Column:
        """Describe the column as its attributes do, where these fit its shape."""
        sizes = self.shape[1:]
        axes = self.told["axes"]
        if len(axes) != len(self.shape):
            axes = ()
        components, units = self.told["components"], self.told["units"]
        if sizes[-1:] != (len(components),):
            components = ()
        if len(units) != 1 and sizes[-1:] != (len(units),):
            units = ()
        description, mask = (" ".join(self.told[name][:1]) for name in ("description", "mask"))
        return Column(name, str(self.dtype), axes[1:], sizes, components, units, description, mask)


def find(file: h5py.File) -> tuple[dict[str, Stored], dict[str, str]]:
    """Find what may be columns, whatever their lengths.

    Returns:
        Columns by name; and why the others are none, by name.
    """
    found: dict[str, Stored] = {}
    ignored: dict[str, str] = {}
    for path, item in _walk(file, "", (file,)):
        if isinstance(item, str):
            ignored[path] = item
        elif not item.shape:
            ignored[path] = "empty" if item.shape is None else "a single value"
        elif (dtypes := _dtype(item)) is None:
            ignored[path] = "of a type that NumPy does not have"
        else:
            for fields, dtype in _fields(dtypes):
                name = ".".join((path, *fields))
                base, inner = dtype.subdtype or (dtype, ())
                if 0 in (*item.shape[1:], *inner):
                    ignored[name] = "no numbers: an axis of length 0"
                elif base.kind in "biu" or (base.kind == "f" and base.itemsize <= _LARGEST_FLOAT):
                    found[name] = _stored(item, path, fields, base, inner)
                else:
                    ignored[name] = _KINDS.get(base.kind, f"type {base}")
    return found, ignored


def texts(attribute: object) -> tuple[str, ...]:
    """Read an attribute of one or several texts, as C, Fortran, Julia and Python write them.

    Returns:
        The texts; none where the attribute is something else.
    """
    if attribute is None or isinstance(attribute, h5py.Empty):
        return ()
    values = np.atleast_1d(np.asarray(attribute, dtype=object)).ravel().tolist()
    if not all(isinstance(value, str | bytes) for value in values):
        return ()
    decoded = (v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in values)
    return tuple(text.rstrip("\0 ") for text in decoded)


def _walk(
    group: h5py.Group, prefix: str, above: Sequence[h5py.Group]
) -> Iterator[tuple[str, h5py.Dataset | str]]:
    """Yield each dataset with its path, and why anything else holds no column."""
    for name in group:
        if isinstance(name, bytes):
            yield prefix + name.decode(errors="replace"), "its name is no UTF-8"
            continue
        path = prefix + name
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            yield path, f"a link into another file; {_ELSEWHERE}"
            continue
        try:
            item = group[name]
        except (KeyError, OSError):
            if isinstance(link, h5py.HardLink):
                raise  # what it leads to is damaged
            yield path, "a link to nothing"
            continue
        if isinstance(item, h5py.Dataset):
            elsewhere = item.is_virtual or item.external
            yield path, f"its numbers lie in other files; {_ELSEWHERE}" if elsewhere else item
        elif not isinstance(item, h5py.Group):
            yield path, "a type"
        elif item in above:
            yield path, "a link back to a group around it"
        elif len(item):
            yield from _walk(item, f"{path}/", (*above, item))
        else:
            yield path, "a group with nothing in it"


def _dtype(dataset: h5py.Dataset) -> np.dtype[Any] | None:
    try:
        dtype: np.dtype[Any] = dataset.dtype
    except (TypeError, ValueError):
        return None
    return dtype


def _fields(dtype: np.dtype[Any]) -> Iterator[tuple[tuple[str, ...], np.dtype[Any]]]:
    """Yield the path and the type of each field of a compound type; of any other, itself."""
    if dtype.names is None:
        yield (), dtype
        return
    for name in dtype.names:
        for rest, inner in _fields(dtype[name]):
            yield (name, *rest), inner


def _stored(
    dataset: h5py.Dataset,
    path: str,
    fields: tuple[str, ...],
    base: np.dtype[Any],
    inner: tuple[int, ...],
) -> Stored:
    """Note where a column lies; the attributes of a compound dataset describe no field."""
    names = ("axes", "components", "units", "description", "mask")
    rows = dataset.shape[0]
    return Stored(
        path,
        (*dataset.shape, *inner),
        np.dtype(base.newbyteorder("=").str),
        fields,
        {name: () if fields else texts(attribute(dataset, name)) for name in names},
        dataset.chunks[0] if dataset.chunks else 1,
        max(1, dataset.nbytes // rows if rows else 1),
    )


def attribute(item: h5py.Dataset | h5py.Group, name: str) -> object:
    """Read an attribute; None where there is none, or none that can be read."""
    try:
        return item.attrs.get(name)
    except (OSError, TypeError):  # a type that h5py cannot read is no text
        return None
