"""What there is to name in a recipe, and the shipped recipes.

The command line knows the kinds before it knows its command, so nothing large is imported here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from msml.errors import DataError, RecipeError
from msml.files import atomic
from msml.registry import REGISTRIES

KINDS = (*REGISTRIES, "recipes")


@dataclass(frozen=True)
class Item:
    """One thing with a name.

    Attributes:
        kind: One of `KINDS`.
        name: Its name in recipes, or on the command line.
        parameters: Number of a model's weights with its default arguments.
        summary: What it is, one line.
    """

    kind: str
    name: str
    parameters: int | None
    summary: str


def items(kind: str) -> Iterator[Item]:
    """Yield all items of a kind, sorted by name."""
    from msml.recipe.files import shipped

    if kind == "recipes":
        for path in sorted(shipped().rglob("*.yaml")):
            name = path.relative_to(shipped()).as_posix()
            yield Item(kind, name, None, _first_comment(path))
    else:
        for entry in REGISTRIES[kind].entries():
            yield Item(kind, entry.name, entry.facts.get("parameters"), entry.summary)


def copy(name: str, destination: Path) -> Path:
    """Copy a shipped recipe; what it extends is found among the shipped recipes.

    Args:
        name: As `items` names it; a leading `recipes/` may be there.
        destination: A file that does not exist, or a folder.

    Returns:
        The file made.

    Raises:
        RecipeError: There is no such recipe.
        DataError: The file exists, or cannot be written.
    """
    from msml.recipe.files import missing, shipped

    source = shipped() / name.removeprefix("recipes/")
    if not source.is_file() or not source.resolve().is_relative_to(shipped().resolve()):
        raise RecipeError(missing(name))
    target = destination / source.name if destination.is_dir() else destination
    if target.exists():
        raise DataError(f"{target}: exists, and is not overwritten")
    with atomic(target) as temporary:
        temporary.write_bytes(source.read_bytes())
    return target


def _first_comment(path: Path) -> str:
    for line in path.read_text(encoding="utf-8").splitlines():
        if text := line.lstrip("# "):
            return text if line.startswith("#") else ""
    return ""
