"""Predictions as new branches of the tree that holds the events."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from msml.data.events import Columns
from msml.data.importers.branches import Options
from msml.data.importers.root import look, opened_tree, uproot
from msml.errors import DataError, RecipeError
from msml.files import atomic
from msml.stages.prediction.formats import Predictions, Write, flat, flat_names

_STEP = "16 MB"
_FRIEND = "write a friend tree instead, with -o FILE.root"


def check_in_place(path: Path, tree: str | None) -> None:
    """Refuse a tree that uproot cannot give branches.

    It writes a new branch in one basket, and wants that of all others.

    Raises:
        RecipeError: uproot is too old.
        DataError: There is no such file, or the tree is another.
    """
    package = uproot()
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if not hasattr(package.writing.writable.WritableTree, "add_branches"):
        known = package.__version__
        raise RecipeError(f"--in-place: uproot {known} adds no branches to trees; {_FRIEND}")
    with opened_tree(path, tree) as found:
        branches = [*found.itervalues()] if isinstance(found, package.TTree) else []
        odd = next((b.name for b in branches if b.classname != "TBranch" or b.num_baskets > 1), "")
    if odd or not branches:
        why = f"branch '{odd}' is no plain one of a single basket" if odd else "it is no TTree"
        raise DataError(f"{path}: uproot adds no branches to this tree, {why}; {_FRIEND}")


@contextmanager
def in_place(path: Path, tree: str | None, predictions: Predictions) -> Iterator[Write]:
    """Add branches to a tree; its file is replaced, by one with all that it had, at the end.

    Columns of several numbers become several branches, as in a CSV file.

    Args:
        path: A file that `check_in_place` lets pass.
        tree: Name of the tree; the only one where None.
        predictions: What there will be.

    Raises:
        DataError: The tree has a branch of that name, or the file cannot be written.
    """
    columns = predictions.columns
    there = look(path, [], Options(tree)).names
    for name in [name for column in columns.values() for name in flat_names(column)]:
        if name in there:
            raise DataError(f"{path}: has a branch '{name}' already")
    blocks: list[Columns] = []
    yield blocks.append
    whole = {name: np.concatenate([block[name] for block in blocks]) for name in columns}
    with atomic(path.resolve()) as temporary:
        shutil.copy(path, temporary)
        with opened_tree(path, tree) as before:
            _add(temporary, before.object_path.lstrip("/").partition(";")[0], flat(whole, columns))
            _compare(before, temporary, path)


def _add(path: Path, tree: str, branches: Columns) -> None:
    """Write the new branches."""
    with uproot().update(path) as file:
        file[tree].add_branches(branches)


def _compare(before: Any, path: Path, named: Path) -> None:
    """Make sure that all branches that were there are as they were.

    Raises:
        DataError: One is not.
    """
    import awkward

    names = before.keys()
    with uproot().open(path) as file:
        after = file[before.object_path.partition(";")[0].lstrip("/")]
        parts = (tree.iterate(names, step_size=_STEP) for tree in (before, after))
        same = before.num_entries == after.num_entries and all(
            awkward.array_equal(one, other, equal_nan=True)
            for one, other in zip(*parts, strict=True)
        )
    if not same:
        raise DataError(f"{named}: uproot did not keep all that this tree had; {_FRIEND}")
