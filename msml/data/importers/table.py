"""Making an event file of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from msml.data.described import EventFile
from msml.data.events import Columns, EventWriter, describe
from msml.data.importers.branches import Contents, Kind, Options, near
from msml.data.importers.build import build
from msml.data.importers.cuts import kind_problem
from msml.data.importers.files import File, common_kinds, files
from msml.data.importers.layout import Layout, layouts
from msml.data.importers.provenance import Summary, provenance
from msml.data.importers.recipe import (
    FILE,
    LABEL,
    PROCESS,
    ROW,
    TABLE,
    TableRecipe,
)
from msml.data.importers.selection import Selection, selection
from msml.data.kinematics import Array
from msml.data.schema import COLUMNS, Column
from msml.errors import DataError
from msml.files import user_path
from msml.progress import Meter
from msml.recipe import Recipe

_METER = "import"


def import_table(recipe: Recipe[TableRecipe], rows: int | None = None) -> EventFile:
    """Make the event file that a recipe describes.

    Besides the recipe's columns it holds `source_file`, an index into the root's attribute
    `files`, and `source_row`; with processes also `process` and, where the recipe has it, `label`.
    The attribute `cut_off` says how many events had more objects than a jagged column has room for.

    Args:
        recipe: The recipe.
        rows: How many rows are in memory at once, at most; by their size where None. Changes
            nothing in the event file.

    Returns:
        What the new event file says of itself.

    Raises:
        RecipeError: The recipe is wrong, or does not fit the branches of the first file.
        DataError: The output exists; a file is missing, broken, or differs from the first; a value
            does not fit its column; no event passes the cuts.
    """
    values, wanted = recipe.values, selection(recipe)
    output = user_path(values.output)
    if output.exists():
        raise DataError(f"{output}: exists; remove it or choose another output=...")
    options = Options(
        values.source.tree,
        values.source.delimiter,
        tuple(marker for marker in wanted.markers if isinstance(marker, str)),
    )
    found = files(recipe)
    branches = list(dict.fromkeys(branch for _, branch in wanted.uses()))
    contents = [(file, file.reader.look(file.path, branches, options)) for file in found]
    made = _checked(recipe, wanted, contents)
    left_out = _left_out(branches, [one for _, one in contents])
    _write(recipe, wanted, made, contents, options, rows, left_out)
    return describe(output)


def _checked(
    recipe: Recipe[TableRecipe], wanted: Selection, contents: Sequence[tuple[File, Contents]]
) -> list[Layout]:
    """Lay out the columns, or say all that does not fit the files."""
    path, first = contents[0][0].path, contents[0][1]
    problems = [
        (key, f"{path} has no branch '{branch}'{near(branch, first.names)}")
        for key, branch in wanted.uses()
        if branch not in first.kinds
    ]
    kinds: dict[str, Kind] = common_kinds(contents) if not problems else first.kinds
    made, more = layouts(wanted.columns, kinds)
    for number, cut in enumerate(wanted.cuts):
        if cut.branch in kinds and (problem := kind_problem(cut, kinds[cut.branch])):
            more.append((f"cuts.{number}", problem))
    recipe.fail(problems + more)
    return made


def _write(
    recipe: Recipe[TableRecipe],
    wanted: Selection,
    made: Sequence[Layout],
    contents: Sequence[tuple[File, Contents]],
    options: Options,
    rows: int | None,
    left_out: Sequence[str],
) -> None:
    """Read, select and write, block by block."""
    values = recipe.values
    columns, nullable = _descriptions(made)
    passed = {name: np.zeros(1 + len(wanted.cuts), np.int64) for name in values.processes or [""]}
    cut_off = {layout.column.name: 0 for layout in made if layout.mask is not None}
    about, output = _about(values, [f for f, _ in contents], left_out), user_path(values.output)
    with EventWriter(output, None, about, columns, nullable) as writer, Meter("rows") as meter:
        meter.add(_METER, sum(one.rows for _, one in contents))
        for number, (file, one) in enumerate(contents):
            start = 0
            for block in file.reader.blocks(file.path, one.kinds, options, rows):
                built = build(block, made, wanted.cuts, wanted.markers, str(file.path), start)
                read = len(next(iter(block.values())))
                passed[file.process] += [read, *built.passed]
                for name, events in built.cut_off.items():
                    cut_off[name] += events
                if len(built.rows):
                    writer.append(built.columns | _origin(built.rows, number, file, values))
                start += read
                meter.advance(_METER, read)
        writer.finish(_summary(values, wanted, passed) | {"cut_off": cut_off})


def _descriptions(made: Sequence[Layout]) -> tuple[dict[str, Column], list[str]]:
    """Describe the columns of the file, and name those that may hold NaN."""
    columns = {layout.column.name: layout.column for layout in made}
    nullable = [
        name
        for name, column in columns.items()
        if np.dtype(column.dtype).kind == "f" and name not in COLUMNS
    ]
    masks = [layout.mask for layout in made if layout.mask is not None]
    origin = (
        Column(FILE, "int64", (), (), (), (), "index into the attribute `files`"),
        Column(ROW, "int64", (), (), (), (), "row in that file, the first being 0"),
    )
    return columns | {column.name: column for column in (*masks, *origin)}, nullable


def _origin(rows: Array, number: int, file: File, values: TableRecipe) -> Columns:
    """Say of each event where it comes from."""
    columns = {ROW: rows, FILE: np.full(len(rows), number)}
    if file.process:
        columns[PROCESS] = np.full(len(rows), list(values.processes).index(file.process))
        label = values.processes[file.process].label
        if label is not None:
            columns[LABEL] = np.full(len(rows), label)
    return columns


def _left_out(branches: Sequence[str], contents: Sequence[Contents]) -> list[str]:
    """Name what might matter and is not imported: weights, and other trees."""
    found = [f"tree {name}" for one in contents for name in one.others]
    names = (name for one in contents for name in one.names)
    found += [name for name in names if "weight" in name.lower() and name not in branches]
    return list(dict.fromkeys(found))


def _about(values: TableRecipe, found: Sequence[File], left_out: Sequence[str]) -> dict[str, Any]:
    """Collect what is known before the first event is read."""
    settings = asdict(values)
    del settings["output"]
    packages = sorted({file.reader.PACKAGE for file in found})
    versions = {package: version(package) for package in packages}
    about = provenance(TABLE, list(values.processes), settings, **versions)
    about |= {"files": [file.name for file in found]}
    return about | {"left_out": left_out} if left_out else about


def _summary(values: TableRecipe, wanted: Selection, passed: Mapping[str, Array]) -> dict[str, Any]:
    """Say how many events were left after each cut.

    Raises:
        DataError: There are none, of some process.
    """
    summary = {}
    for process, counts in passed.items():
        names = ("read", *map(str, wanted.cuts))
        flow = tuple(zip(names, counts.tolist(), strict=True))
        if counts[-1] == 0:
            text = ", ".join(f"{cut}: {left}" for cut, left in flow)
            raise DataError(
                f"process '{process}': no event passes the cuts ({text})"
                if process
                else f"no event passes the cuts ({text})"
            )
        label = values.processes[process].label if process else None
        summary[process or "all"] = Summary(label, flow).as_json()
    return {"summary": summary}
