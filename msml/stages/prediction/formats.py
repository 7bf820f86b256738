"""Files of predictions: event files, ROOT trees, Parquet, CSV.

A format is a registered context manager `fn(path, predictions)` of the file to make and of what is
known of its content, which gives a function that writes a block of events; the file appears when
all is written. Facts of the registration: `suffix`, by which the format is chosen where none is
named; `keep`, names of columns of the events that it needs.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from msml.data.events import Columns, EventWriter
from msml.data.importers.arrow import pyarrow
from msml.data.importers.root import uproot
from msml.data.kinematics import Array
from msml.data.schema import COLUMNS, Column
from msml.errors import DataError, RecipeError
from msml.files import atomic
from msml.recipe.expand import chain_name
from msml.registry import formats
from msml.stages.prediction.finished import Finished

TREE = "predictions"

Write = Callable[[Columns], None]


@dataclass(frozen=True)
class Predictions:
    """What a file of predictions will hold.

    Attributes:
        found: The chain that predicts.
        columns: Description of each column, in order.
    """

    found: Finished
    columns: Mapping[str, Column]

    def about(self) -> dict[str, Any]:
        """Say where the predictions come from."""
        found = self.found
        run = found.setup.directory.path.name
        name = found.setup.values.name
        made = {"source": "predict", "name": name, "run": run, "mode": found.mode}
        return {**made, "chain": chain_name(found.chosen)}


def format_of(path: Path, name: str | None) -> str:
    """Name the format of a file: the one asked for, or that of its suffix.

    Raises:
        RecipeError: There is no such format.
    """
    if name is not None:
        return formats.get(name).name
    known = {entry.facts.get("suffix"): entry.name for entry in formats.entries()}
    if path.suffix not in known:
        suffixes = ", ".join(suffix for suffix in known if suffix)
        raise RecipeError(f"{path}: no format has this suffix; expected one of {suffixes}")
    return known[path.suffix]


@formats.register("hdf5", suffix=".h5")
@contextmanager
def hdf5(path: Path, predictions: Predictions) -> Iterator[Write]:
    """An event file, HDF5: `msml inspect` shows it, and a recipe may name it."""
    columns = {name: _in_event_file(path, each) for name, each in predictions.columns.items()}
    about = predictions.about()
    missing = [name for name, column in columns.items() if np.dtype(column.dtype).kind == "f"]
    with EventWriter(path, None, about, columns, missing, empty=True) as writer:
        yield lambda block: writer.append(_of_type(path, block, columns))
        writer.finish()


def _in_event_file(path: Path, column: Column) -> Column:
    """Describe a column as event files do, where its name has a meaning in them.

    Raises:
        RecipeError: It is something else.
    """
    if column.name not in COLUMNS:
        return column
    known = COLUMNS[column.name]
    pairs = [(getattr(column, name), getattr(known, name)) for name in ("components", "units")]
    odd = known.shape((0, *column.lengths)) or any(there and there != own for there, own in pairs)
    if odd:
        raise RecipeError(
            f"{path}: '{column.name}' has a meaning of its own in event files"
            f" ({known.description}), and is another; expected .root, .parquet or .csv"
        )
    return replace(known, sizes=column.sizes)


def _of_type(path: Path, block: Columns, columns: Mapping[str, Column]) -> Columns:
    """Refuse whole numbers that do not fit into the type of their column.

    Raises:
        DataError: There is one.
    """
    for name, array in block.items():
        fitting = array.astype(columns[name].dtype)
        if array.dtype.kind in "iu" and (fitting != array).any():
            value = array[fitting != array].flat[0]
            raise DataError(f"{path}: column '{name}': {value} is no {fitting.dtype}")
    return block


@formats.register("root", suffix=".root")
@contextmanager
def root(path: Path, predictions: Predictions) -> Iterator[Write]:
    """A ROOT file with the tree `predictions`, which can be a friend of the tree of events."""
    package = uproot()
    columns = predictions.columns.items()
    types = {name: np.dtype((column.dtype, column.lengths)) for name, column in columns}
    with atomic(path) as temporary, package.recreate(temporary) as file:
        yield file.mktree(TREE, types).extend


@formats.register("parquet", suffix=".parquet")
@contextmanager
def parquet(path: Path, predictions: Predictions) -> Iterator[Write]:
    """A Parquet file; columns of several numbers are lists of fixed size."""
    package = pyarrow("Parquet files")
    from pyarrow import parquet as files

    columns = predictions.columns
    schema = package.schema([(name, _list_type(column)) for name, column in columns.items()])

    def table(block: Columns) -> Any:
        arrays = [_lists(block[name], column) for name, column in columns.items()]
        return package.Table.from_arrays(arrays, schema=schema)

    with atomic(path) as temporary, files.ParquetWriter(temporary, schema) as writer:
        yield lambda block: writer.write_table(table(block))


@formats.register("csv", suffix=".csv")
@contextmanager
def csv(path: Path, predictions: Predictions) -> Iterator[Write]:
    """A CSV file; columns of several numbers become several, named by component or number."""
    import pandas

    columns = predictions.columns
    names = [name for column in columns.values() for name in flat_names(column)]
    with atomic(path) as temporary, temporary.open("w") as file:
        pandas.DataFrame(columns=names).to_csv(file, index=False)
        yield lambda block: pandas.DataFrame(flat(block, columns)).to_csv(
            file, index=False, header=False
        )


def flat(block: Columns, columns: Mapping[str, Column]) -> dict[str, Array]:
    """Divide columns into such of one number an event, `(events,)`."""
    divided: dict[str, Array] = {}
    for name, column in columns.items():
        array = block[name]
        numbers = array.reshape(len(array), int(np.prod(array.shape[1:])))
        divided |= dict(zip(flat_names(column), numbers.T, strict=True))
    return divided


def flat_names(column: Column) -> list[str]:
    """Name the numbers of a column: `column_0_pt`; along axes by number, or by component."""
    axes = [[str(number) for number in range(size)] for size in column.lengths]
    if column.components:
        axes[-1] = list(column.components)
    return ["_".join((column.name, *place)) for place in product(*axes)]


def _list_type(column: Column) -> Any:
    import pyarrow

    made = pyarrow.from_numpy_dtype(np.dtype(column.dtype))
    for size in reversed(column.lengths):
        made = pyarrow.list_(made, size)
    return made


def _lists(array: Array, column: Column) -> Any:
    import pyarrow

    made = pyarrow.array(array.reshape(-1))
    for size in reversed(column.lengths):
        made = pyarrow.FixedSizeListArray.from_arrays(made, size)
    return made
