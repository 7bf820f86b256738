"""Import of the challenge's CSV files: the official one, or Kaggle's for training and for test."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from msml.data.described import EventFile
from msml.data.events import describe, read_blocks
from msml.data.importers.branches import Options
from msml.data.importers.csv import header
from msml.data.importers.recipe import TableRecipe
from msml.data.importers.table import import_table
from msml.data.kinematics import Array
from msml.errors import DataError, RecipeError
from msml.files import atomic, user_path
from msml.recipe import Recipe, load
from msml.registry import importers
from msml.studies.higgsml.table import check_derived, check_sets, kind_of

_RECIPE = "events/higgsml.yaml"
_MISSING = (
    "the official file is record 328 of the CERN Open Data portal, "
    "atlas-higgs-challenge-2014-v2.csv.gz"
)
# Columns that a kind of file has not.
_LACKS = {
    "official": (),
    "training": ("weight", "kaggle_set"),
    "test": ("weight", "kaggle_set", "kaggle_weight", "label"),
}


@importers.register("higgsml")
def higgsml(first: str, others: Sequence[str]) -> EventFile:
    """The HiggsML challenge's CSV files, checked: columns, sizes, weights, derived features.

    Args:
        first: A file.
        others: More files of the same kind, and `output=PATH`.

    Raises:
        RecipeError: There is something else.
        DataError: A file is missing, or is not what it must be.
    """
    names, overrides = [first], list[str]()
    for text in others:
        (overrides if text.startswith("output=") else names).append(text)
    paths = [user_path(name) for name in names]
    if missing := [path for path in paths if not path.exists()]:
        raise DataError(f"{missing[0]}: no such file; {_MISSING}")
    kinds = {kind_of(header(path, Options()), str(path)) for path in paths}
    if len(kinds) > 1:
        raise RecipeError(f"files of different kinds: {' and '.join(sorted(kinds))}")
    (kind,) = kinds
    given = [f"source.files={json.dumps(list(map(str, paths)))}", *overrides]
    recipe = load(_RECIPE, TableRecipe, given)
    output = user_path(recipe.values.output)
    if output.exists():
        raise DataError(f"{output}: exists; remove it or choose another output=...")
    with atomic(output) as temporary:
        import_table(_of_kind(recipe, kind, temporary))
        for line in _check(temporary, kind, ", ".join(names)):
            click.echo(line, err=True)
    return describe(output)


def _of_kind(recipe: Recipe[TableRecipe], kind: str, output: Path) -> Recipe[TableRecipe]:
    """Leave out what a kind of file has not; the weights of Kaggle's are those of its own set."""
    columns = dict(recipe.values.columns)
    for name in _LACKS[kind]:
        del columns[name]
    if kind == "training":
        columns["kaggle_weight"] = {**columns["kaggle_weight"], "branch": "Weight"}
    return replace(recipe, values=replace(recipe.values, columns=columns, output=str(output)))


def _check(path: Path, kind: str, where: str) -> list[str]:
    """Check the numbers of a new event file; says what could not be checked."""
    columns = {name: _column(path, name) for name in describe(path).columns}
    sums = columns["sums"]
    features = np.concatenate(
        [
            *(columns["derived"], columns["tau"], columns["lepton"], columns["met"]),
            *(sums[:, 1:2], columns["jet_num"][:, None]),
            *(columns["jet_leading"], columns["jet_subleading"], sums[:, 2:]),
        ],
        axis=1,
    )
    try:
        check_derived(features, columns["event_id"])
        if kind == "official":
            names = ("kaggle_set", "label", "weight", "kaggle_weight")
            return check_sets(*(columns[name] for name in names))
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    return []


def _column(path: Path, name: str) -> Array:
    return np.concatenate([block for _, block in read_blocks(path, name, finite=False)])
