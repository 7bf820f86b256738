"""Arrays of pyarrow, in which Parquet and CSV are read, as branches."""

from typing import Any

import numpy as np

from msml.data.importers.branches import Branch, Kind
from msml.data.kinematics import Array
from msml.errors import DataError


def pyarrow(what: str) -> Any:
    """Import pyarrow.

    Raises:
        DataError: It is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise DataError(f"{error}; reading {what} needs: pip install 'msml[parquet]'") from error
    return pyarrow


def kind_of(found: Any) -> Kind | None:
    """Turn a type of pyarrow into a kind; None where it is no table's."""
    from pyarrow import types

    if types.is_dictionary(found):
        return kind_of(found.value_type)
    if types.is_string(found) or types.is_large_string(found):
        return Kind(None)
    if types.is_decimal(found) or types.is_null(found):
        return Kind(np.dtype(np.float64))
    if types.is_boolean(found) or types.is_integer(found) or types.is_floating(found):
        return Kind(np.dtype(found.to_pandas_dtype()))
    if types.is_fixed_size_list(found) or types.is_list(found) or types.is_large_list(found):
        inner = kind_of(found.value_type)
        if inner is None or inner.dtype is None or inner.jagged or inner.sizes:
            return None
        if types.is_fixed_size_list(found):
            return Kind(inner.dtype, (found.list_size,))
        return Kind(inner.dtype, jagged=True)
    return None


def branch(array: Any, kind: Kind) -> Branch:
    """Turn an array of pyarrow into a branch; a list that is null counts as empty.

    Raises:
        ValueError: A list of fixed size is null.
    """
    if kind.jagged:
        values, missing = _numbers(array.flatten(), kind)
        counts = _dense(array.value_lengths(), 0).astype(np.int64)
        return Branch(values, missing, counts)
    if kind.sizes:
        if array.null_count:
            raise ValueError("a list of fixed size is null")
        values, missing = _numbers(array.flatten(), kind)
        shape = (-1, *kind.sizes)
        return Branch(values.reshape(shape), None if missing is None else missing.reshape(shape))
    if kind.dtype is None:
        coded = array.dictionary_encode()
        known = coded.dictionary.to_numpy(zero_copy_only=False)
        if len(known) == 0:  # nothing but nulls, which point at something all the same
            known = np.array([""], object)
        return Branch(_dense(coded.indices, 0), _nulls(coded), words=known)
    return Branch(*_numbers(array, kind))


def _numbers(array: Any, kind: Kind) -> tuple[Array, Array | None]:
    """Return numbers, and where there are none."""
    from pyarrow import types

    if types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if types.is_decimal(array.type) or types.is_null(array.type):
        array = array.cast("float64")
    zero: object = False if types.is_boolean(array.type) else 0
    return _dense(array, zero).astype(kind.dtype, copy=False), _nulls(array)


def _dense(array: Any, filling: object) -> Array:
    filled = array.fill_null(filling) if array.null_count else array
    dense: Array = filled.to_numpy(zero_copy_only=False)
    return dense


def _nulls(array: Any) -> Array | None:
    if not array.null_count:
        return None
    nulls: Array = array.is_null().to_numpy(zero_copy_only=False)
    return nulls
