"""Where the events of a recipe lie."""

from msml.data.described import Files, Source
from msml.errors import DataError
from msml.recipe.load import Recipe
from msml.recipe.schema import TrainRecipe


def event_source(recipe: Recipe[TrainRecipe]) -> Source:
    """Find the event files that a recipe names; a single one need not exist.

    Raises:
        DataError: The recipe names no file or in two ways, a pattern matches none, a file is
            there twice, or it is not there and the recipe says where to get it.
    """
    data = recipe.values.data
    if (data.file is None) == (data.files is None):
        found = "neither" if data.file is None else "both"
        raise DataError(f"expected either `file` or `files`, found {found}")
    if data.file is not None:
        path = recipe.locate("data.file", data.file)
        if data.origin is not None and not path.exists():
            raise DataError(f"{path}: no such file; {data.origin}")
        return path
    patterns = data.files if isinstance(data.files, list) else [data.files]
    if not patterns or not all(isinstance(pattern, str) for pattern in patterns):
        raise DataError(f"expected a file name, a pattern or a list of these, got {data.files!r}")
    found_paths = []
    for pattern in patterns:
        matched = [path for _, path in recipe.matches("data.files", pattern)]
        if not matched:
            raise DataError(f"{pattern}: no such file")
        found_paths += matched
    for number, path in enumerate(found_paths):
        if path.resolve() in [other.resolve() for other in found_paths[:number]]:
            raise DataError(f"{path} is there twice")
    return Files(tuple(found_paths))
