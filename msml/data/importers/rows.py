"""Reading tables as the events that an import would make of them: every row, nothing written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from msml.data.described import Files
from msml.data.events import Columns
from msml.data.importers.branches import Contents, Kind, Options, near
from msml.data.importers.build import build
from msml.data.importers.files import File, common_kinds, kind_of, reader
from msml.data.importers.layout import Layout, layouts
from msml.data.importers.recipe import ColumnRecipe, TableRecipe
from msml.data.importers.selection import as_mapping, selection
from msml.data.schema import COLUMNS, Column
from msml.data.stream import Stream, check_columns
from msml.errors import DataError
from msml.recipe import load

_JOINTS = (".", "_")  # between the names of a column and of its component


@dataclass(frozen=True)
class Mapped:
    """How branches become columns.

    Attributes:
        columns: How each column is made.
        markers: Numbers and texts that stand for a missing value.
        tree: ROOT: name of the tree; the only one where None.
        delimiter: CSV: what stands between values; by the file's suffix where None.
        masks: Names of masks that are not `COLUMN_mask`, by column.
    """

    columns: Mapping[str, ColumnRecipe]
    markers: tuple[float | str, ...] = ()
    tree: str | None = None
    delimiter: str | None = None
    masks: Mapping[str, str] = field(default_factory=dict)

    @property
    def options(self) -> Options:
        """How files are read."""
        texts = tuple(marker for marker in self.markers if isinstance(marker, str))
        return Options(self.tree, self.delimiter, texts)


def of_settings(settings: Mapping[str, Any]) -> Mapped:
    """Map as the import did whose values an event file keeps."""
    given = {name: as_mapping(each) for name, each in settings["columns"].items()}
    columns = {name: ColumnRecipe(**each) for name, each in given.items()}
    source = settings["source"]
    return Mapped(columns, tuple(settings["missing"]), source["tree"], source["delimiter"])


def of_recipe(path: str) -> Mapped:
    """Map as a recipe of `msml import table` says; its files, processes and cuts do not count.

    Raises:
        RecipeError: There is no such recipe, or it is wrong.
    """
    recipe = load(path, TableRecipe)
    wanted, source = selection(recipe), recipe.values.source
    return Mapped(wanted.columns, wanted.markers, source.tree, source.delimiter)


def by_name(wanted: Mapping[str, Column], names: Sequence[str]) -> Mapped:
    """Map branches to the columns of their names.

    A column is the branch of its name; or that of each component, `column.component` or
    `column_component`, stacked. A jagged branch is padded where the column has a mask.

    Args:
        wanted: The columns.
        names: Of the branches.
    """
    columns, masks = {}, {}
    for name, column in wanted.items():
        about: dict[str, Any] = {key: list(getattr(column, key)) for key in ("components", "units")}
        stacked = [[f"{name}{joint}{each}" for each in column.components] for joint in _JOINTS]
        found = next((each for each in stacked if each and set(each) <= set(names)), None)
        if name not in names and found:
            columns[name] = ColumnRecipe(branches=found, **about)
        elif name in names:
            columns[name] = ColumnRecipe(branch=name, **about)
        if column.mask:
            masks[name] = column.mask
    return Mapped(columns, masks=masks)


def table_stream(
    paths: Sequence[Path],
    wanted: Mapping[str, Column],
    keep: Sequence[str],
    mapped: Mapped | None,
    tree: str | None,
) -> Stream:
    """Read the files of a table as one, row by row; no cuts are made.

    Args:
        paths: The files, whose suffixes say of which kind they are.
        wanted: The columns that are needed, as they must be.
        keep: Names of further columns, or of branches with one number a row.
        mapped: How branches become columns; by their names where None.
        tree: ROOT: name of the tree, in place of the one that `mapped` has.

    Raises:
        DataError: A file is missing or broken; a branch is missing, or does not give the column
            that is needed; a value does not fit.
    """
    if missing := [path for path in paths if not path.exists()]:
        raise DataError(f"{missing[0]}: no such file")
    files = [File(str(path), path, "", reader(kind_of(path) or "")) for path in paths]
    first = files[0]
    options = mapped.options if mapped else Options()
    options = replace(options, tree=tree or options.tree)
    names = first.reader.look(first.path, [], options).names
    given = mapped or by_name(wanted, names)
    recipes = {name: given.columns[name] for name in wanted if name in given.columns}
    plain = {name: ColumnRecipe(branch=name, missing=[]) for name in keep}
    recipes |= {name: given.columns.get(name, own) for name, own in plain.items()}
    _check_branches(first.path, recipes, wanted, given, names)
    branches = list(dict.fromkeys(branch for each in recipes.values() for branch in each.names))
    contents = [(file, file.reader.look(file.path, branches, options)) for file in files]
    kinds = common_kinds(contents)
    for name in keep:
        if recipes[name] is plain[name]:
            recipes[name] = _one_number(plain[name], kinds[name], first.path)
    fitted = {name: _fitted(each, wanted.get(name), kinds) for name, each in recipes.items()}
    made, problems = layouts(fitted, kinds)
    if problems:
        lines = [(key.removeprefix("columns."), text) for key, text in problems]
        raise DataError("\n".join(f"{first.path}: column '{key}': {text}" for key, text in lines))
    columns = {column.name: column for column in _described(made, given.masks)}
    path = Files(tuple(paths)) if len(paths) > 1 else first.path
    check_columns(path, columns, wanted)

    def blocks() -> Iterator[Columns]:
        for file, one in contents:
            for block in _blocks(file, one, made, given, options):
                yield {name: block[name] for name in columns}

    return Stream(path, sum(one.rows for _, one in contents), columns, blocks)


def _check_branches(
    path: Path,
    recipes: Mapping[str, ColumnRecipe],
    wanted: Mapping[str, Column],
    given: Mapped,
    names: Sequence[str],
) -> None:
    """Refuse a table that lacks branches.

    Raises:
        DataError: It does.
    """
    for name, recipe in recipes.items():
        for branch in recipe.names:
            if branch not in names:
                raise DataError(
                    f"{path}: no branch '{branch}' for column '{name}'{near(branch, names)}"
                )
    masks = {column.mask for column in wanted.values()}
    for name, column in wanted.items():
        if name not in recipes and name not in masks:
            parts = [f"{name}.{each}" for each in column.components]
            more = f", nor {', '.join(parts)}" if parts else ""
            raise DataError(
                f"{path}: no branch '{name}'{more}, for column '{name}'{near(name, names)};"
                " a recipe of `msml import table` can say how it is made: --columns"
            )


def _one_number(recipe: ColumnRecipe, kind: Kind, path: Path) -> ColumnRecipe:
    """Keep a branch in its own type, unless its name is one of msml's.

    Raises:
        DataError: It holds anything but one number a row.
    """
    if kind.dtype is None or kind.jagged or kind.sizes:
        raise DataError(f"{path}: branch '{recipe.branch}' holds {kind}, expected a number a row")
    return recipe if recipe.branch in COLUMNS else replace(recipe, dtype=str(kind.dtype))


def _fitted(recipe: ColumnRecipe, wanted: Column | None, kinds: Mapping[str, Kind]) -> ColumnRecipe:
    """Make a column of the type that is needed, whatever this table's numbers need; and padded."""
    if wanted is None:
        return recipe
    padded = recipe.size is None and wanted.mask and all(kinds[n].jagged for n in recipe.names)
    size = wanted.sizes[0] if padded else recipe.size
    return replace(recipe, dtype=wanted.dtype, size=size)


def _described(made: Sequence[Layout], masks: Mapping[str, str]) -> Iterator[Column]:
    """Describe the columns, and their masks under the names that they must have."""
    for layout in made:
        column, mask = layout.column, layout.mask
        name = masks.get(column.name, column.mask)
        yield replace(column, mask=name)
        if mask is not None:
            yield replace(mask, name=name)


def _blocks(
    file: File, contents: Contents, made: Sequence[Layout], given: Mapped, options: Options
) -> Iterator[Columns]:
    """Yield the columns of a file, block by block."""
    start = 0
    padded = [layout.column.name for layout in made if layout.mask is not None]
    for block in file.reader.blocks(file.path, contents.kinds, options, None):
        columns = build(block, made, (), given.markers, str(file.path), start).columns
        for name in padded:
            real, mask = columns.pop(f"{name}_mask"), given.masks.get(name, f"{name}_mask")
            if (columns.setdefault(mask, real) != real).any():
                raise DataError(
                    f"{file.path}: the branches of '{name}' have other numbers of objects than"
                    f" those of another column of the mask '{mask}'"
                )
        start += len(next(iter(block.values())))
        yield columns
