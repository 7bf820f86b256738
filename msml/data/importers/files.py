"""The files of a table: found, looked at, and compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import cast

import numpy as np

from msml.data.importers.branches import Contents, Kind, Reader
from msml.data.importers.recipe import READERS, TableRecipe
from msml.errors import DataError
from msml.recipe import Recipe

_COMPRESSED = (".gz", ".bz2", ".zst")


@dataclass(frozen=True)
class File:
    """One file of a table.

    Attributes:
        name: As the recipe or its pattern names it.
        path: Where it is.
        process: Name of its process; "" where the recipe has none.
        reader: Module that reads it.
    """

    name: str
    path: Path
    process: str
    reader: Reader


def files(recipe: Recipe[TableRecipe]) -> list[File]:
    """Find all files, in order.

    Raises:
        DataError: A name or pattern matches no file, or nothing says of which kind a file is.
    """
    values = recipe.values
    groups = {f"processes.{name}": (name, one.files) for name, one in values.processes.items()}
    groups = groups or {"source": ("", values.source.files)}
    return [
        File(name, path, process, _reader(path, values.source.kind))
        for group, (process, patterns) in groups.items()
        for number, pattern in enumerate(patterns)
        for name, path in _matches(recipe, f"{group}.files.{number}", pattern)
    ]


def common_kinds(found: Sequence[tuple[File, Contents]]) -> dict[str, Kind]:
    """Give each branch the kind that takes the values of all files.

    Args:
        found: The files and what is in them.

    Raises:
        DataError: A file lacks a branch that the first has, or holds something else in it.
    """
    first, contents = found[0]
    kinds = dict(contents.kinds)
    for file, other in found[1:]:
        for name, kind in kinds.items():
            theirs = other.kinds.get(name)
            if theirs is None:
                raise DataError(f"{file.path}: no branch '{name}', which {first.path} has")
            shape = (kind.dtype is None, kind.sizes, kind.jagged)
            if shape != (theirs.dtype is None, theirs.sizes, theirs.jagged):
                texts = next((each for each in (kind.text, theirs.text) if each), "")
                raise DataError(
                    f"{file.path}: branch '{name}' holds {theirs}, but {kind} in {first.path}"
                    + (f" ({texts})" if texts else "")
                )
            if kind.dtype is not None and theirs.dtype is not None:
                dtype = np.result_type(kind.dtype, theirs.dtype)
                kinds[name] = Kind(dtype, kind.sizes, kind.jagged)
    return kinds


def _matches(recipe: Recipe[TableRecipe], key: str, pattern: str) -> list[tuple[str, Path]]:
    """Return name and path of each file."""
    found = recipe.matches(key, pattern)
    if not found:
        raise DataError(f"{recipe.where(key)}: {key}: {pattern}: no such file")
    return found


def kind_of(path: Path) -> str | None:
    """Say of which kind a table's file is, by its suffix; None where that does not tell."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    named = [suffix for suffix in suffixes if suffix not in _COMPRESSED][-1:]
    return next((kind for kind, known in READERS.items() if {*named} & {*known}), None)


def reader(kind: str) -> Reader:
    """Load the module that reads files of a kind."""
    return cast(Reader, import_module(f"msml.data.importers.{kind}"))


def _reader(path: Path, kind: str | None) -> Reader:
    kind = kind or kind_of(path)
    if kind is None:
        raise DataError(
            f"{path}: its name does not say of which kind it is;"
            f" set source.kind to one of {', '.join(READERS)}"
        )
    return reader(kind)
