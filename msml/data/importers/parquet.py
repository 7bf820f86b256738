"""Parquet files."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msml.data.importers.arrow import branch, kind_of, pyarrow
from msml.data.importers.branches import (
    BLOCK_BYTES,
    Block,
    Contents,
    Kind,
    Options,
    broken,
)
from msml.errors import DataError

PACKAGE = "pyarrow"


def look(path: Path, wanted: Sequence[str], _options: Options) -> Contents:
    """Say what is in a file."""
    with _opened(path) as file:
        schema = file.schema_arrow
        kinds = {name: _kind(path, schema.field(name)) for name in wanted if name in schema.names}
        return Contents(file.metadata.num_rows, schema.names, kinds)


def blocks(
    path: Path, kinds: Mapping[str, Kind], _options: Options, rows: int | None
) -> Iterator[Block]:
    """Yield all rows of the branches."""
    with _opened(path) as file:
        for batch in file.iter_batches(rows or _rows(file.metadata, kinds), columns=list(kinds)):
            yield {name: branch(batch.column(name), kind) for name, kind in kinds.items()}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file, or say in one line why not."""
    package = pyarrow("Parquet files")
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except (package.ArrowException, OSError, ValueError, KeyError) as error:
        raise broken(path, "Parquet", error) from error


def _rows(metadata: Any, kinds: Mapping[str, Kind]) -> int:
    """Rows of a block: by their size in the file, or in memory where that is larger."""
    groups = range(metadata.num_row_groups)
    size = sum(metadata.row_group(group).total_byte_size for group in groups)
    in_file = size // max(1, metadata.num_rows)
    in_memory = sum(kind.row_bytes for kind in kinds.values())
    return max(1, BLOCK_BYTES // max(1, in_file, in_memory))


def _kind(path: Path, field: Any) -> Kind:
    kind = kind_of(field.type)
    if kind is None:
        raise DataError(
            f"{path}: branch '{field.name}' holds {field.type},"
            " expected numbers, texts or lists of numbers"
        )
    return kind
