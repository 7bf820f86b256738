"""Trees of ROOT files, TTree and RNTuple alike."""

import contextlib
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from msml.data.importers.branches import (
    BLOCK_BYTES,
    Block,
    Branch,
    Contents,
    Kind,
    Options,
    broken,
    near,
    words,
)
from msml.errors import DataError

PACKAGE = "uproot"
# What uproot raises on files that are cut short or are none of ROOT's.
BROKEN = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    AssertionError,
    NotImplementedError,
    struct.error,
    zlib.error,
)
_TREES = ("TTree", "ROOT::RNTuple")


def uproot() -> Any:
    """Import uproot.

    Raises:
        DataError: It is not installed.
    """
    try:
        import awkward  # noqa: F401 (uproot's arrays need it)
        import uproot
    except ImportError as error:
        raise DataError(f"{error}; reading ROOT files needs: pip install 'msml[root]'") from error
    return uproot


def look(path: Path, wanted: Sequence[str], options: Options) -> Contents:
    """Say what is in a tree; branches by their last name, such as `Jet.PT` for `Jet/Jet.PT`."""
    with opened_tree(path, options.tree) as tree:
        names = [key.rpartition("/")[2] for key in tree.keys()]  # noqa: SIM118
        found = [name for name in wanted if name in names]
        kinds = {}
        if found:
            empty = tree.arrays(filter_name=_only(found), entry_stop=0)
            kinds = {name: _kind(path, name, empty[name].type.content) for name in found}
        others = tuple(name for name in _trees(tree.file.root_directory) if name != tree.name)
        return Contents(int(tree.num_entries), names, kinds, others)


def blocks(
    path: Path, kinds: Mapping[str, Kind], options: Options, rows: int | None
) -> Iterator[Block]:
    """Yield all rows of the branches."""
    with opened_tree(path, options.tree) as tree:
        step = rows or f"{BLOCK_BYTES} B"
        for block in tree.iterate(filter_name=_only(kinds), step_size=step):
            yield {name: _branch(block[name], kind) for name, kind in kinds.items()}


@contextlib.contextmanager
def opened_tree(path: Path, name: str | None) -> Iterator[Any]:
    """Open a tree of a file, or say in one line why not."""
    package = uproot()
    try:
        with package.open(path) as file:
            if file.file.fEND > path.stat().st_size:  # what is missing may be none of our branches
                raise EOFError("it is shorter than its header says")
            yield file[_tree(path, file, name)]
    except (*BROKEN, package.DeserializationError) as error:
        raise broken(path, "ROOT", error) from error


def _tree(path: Path, file: Any, name: str | None) -> str:
    """Find the tree of this name, or the only one."""
    trees = _trees(file)
    if name is not None and name not in trees:
        raise DataError(f"{path}: no tree '{name}'{near(name, trees)}")
    if name is None and len(trees) != 1:
        known = (
            f"the trees {', '.join(trees)}; say which one with source.tree, or --tree"
            if trees
            else ""
        )
        raise DataError(f"{path}: holds {known or 'no tree'}")
    return name or trees[0]


def _trees(directory: Any) -> list[str]:
    classes = directory.classnames(cycle=False)
    return sorted(key for key, kind in classes.items() if kind in _TREES)


def _only(names: Mapping[str, Kind] | Sequence[str]) -> Any:
    """Make uproot's filter for these very names, whatever wildcards are in them."""
    return lambda key: key.rpartition("/")[2] in names


def _kind(path: Path, name: str, found: Any) -> Kind:
    """Turn awkward's type of one entry into a kind."""
    from awkward.types import ListType, NumpyType, RegularType

    inner, jagged, sizes = found, False, []
    if isinstance(inner, ListType) and inner.parameter("__array__") != "string":
        inner, jagged = inner.content, True
    while isinstance(inner, RegularType) and inner.parameter("__array__") != "string":
        sizes.append(inner.size)
        inner = inner.content
    if isinstance(inner, ListType) and inner.parameter("__array__") == "string" and not jagged:
        return Kind(None)
    if isinstance(inner, NumpyType) and np.dtype(inner.primitive).kind in "biuf":
        return Kind(np.dtype(inner.primitive), tuple(sizes), jagged)
    raise DataError(
        f"{path}: branch '{name}' holds {found}, expected numbers, texts or lists of numbers"
    )


def _branch(array: Any, kind: Kind) -> Branch:
    import awkward

    if kind.dtype is None:
        return words(np.array(awkward.to_list(array), dtype=str))
    if kind.jagged:
        counts = np.asarray(awkward.num(array, axis=1), np.int64)
        return Branch(awkward.to_numpy(awkward.flatten(array, axis=1)), counts=counts)
    return Branch(awkward.to_numpy(array))
