"""What shells may complete: recipes, keys and values. Nothing of a recipe's plugins is executed."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from msml.errors import MsmlError

if TYPE_CHECKING:
    from msml.reference.keys import Key

SCHEMAS = ("run", "generate", "import")
"""Commands whose recipes have a schema of their own; all others have that of `run`."""

_RECIPES = (".yaml", ".yml")


def schema_of(command: str | None) -> Any:
    """Return the schema of a command's recipes."""
    if command == "generate":
        from msml.simulation.settings import EventRecipe

        return EventRecipe
    if command == "import":
        from msml.data.importers.recipe import TableRecipe

        return TableRecipe
    from msml.recipe.schema import TrainRecipe

    return TrainRecipe


def complete_recipe(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a recipe: files and folders here, and the shipped ones."""
    from msml.catalogue import items

    prefix = "recipes/" if incomplete.startswith("recipes/") else ""
    names = dict.fromkeys(_paths(incomplete), "")
    for item in items("recipes"):
        if f"{prefix}{item.name}".startswith(incomplete):
            names.setdefault(f"{prefix}{item.name}", item.summary)
    return [CompletionItem(name, help=text or None) for name, text in names.items()]


def complete_override(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete `key=value` from the schema, and from the names in the recipe at hand."""
    schema = schema_of(context.info_name)
    recipe = _content(context.params, schema)
    if "=" in incomplete:
        key = incomplete.partition("=")[0]
        found = (CompletionItem(f"{key}={each}") for each in _values(key, recipe, schema))
        return [item for item in found if item.value.startswith(incomplete)]
    return [
        CompletionItem(f"{name}{end}", help=text)
        for name, end, text in _keys(incomplete, recipe, schema)
    ]


def complete_key(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a key without a recipe."""
    found = _keys(incomplete, {}, schema_of(context.params.get("command_name")))
    return [CompletionItem(name + end.strip("="), help=text) for name, end, text in found]


def _paths(incomplete: str) -> Iterator[str]:
    """Yield folders, and files that end as recipes do."""
    folder, _, start = incomplete.rpartition("/")
    base = Path(f"{folder}/" if folder or incomplete.startswith("/") else ".").expanduser()
    for path in sorted(base.iterdir()) if base.is_dir() else ():
        if path.name.startswith(start) and (start or not path.name.startswith(".")):
            name = incomplete.removesuffix(start) + path.name
            if path.is_dir():
                yield f"{name}/"
            elif path.suffix in _RECIPES:
                yield name


def _content(given: dict[str, Any], schema: Any) -> dict[str, Any]:
    """Return what is in the recipe with the overrides so far; nothing where it cannot be read."""
    from msml.recipe import read_source

    try:
        source = read_source(given["recipe"], schema)
        return source.attempt(given.get("overrides") or ())[0].plain()
    except (KeyError, TypeError, MsmlError):
        return {}


def _keys(incomplete: str, recipe: dict[str, Any], schema: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the keys that begin so, `.` or `=` that follows, and their text."""
    from msml.reference.find import children, has_inside
    from msml.reference.keys import NAME

    above = incomplete.split(".")[:-1]
    seen = set()
    for key in children(above, schema):
        last = key.name.rpartition(".")[2]
        for name in _names(recipe, above) if last == NAME and recipe else [last]:
            dotted = ".".join([*above, name])
            if dotted.startswith(incomplete) and dotted not in seen and _is_for(key, above, recipe):
                seen.add(dotted)
                yield dotted, "." if has_inside(key, schema) else "=", key.text


def _values(name: str, recipe: dict[str, Any], schema: Any) -> list[str]:
    """Return the known values of a key."""
    from msml.reference.find import find

    block, _, task = name.partition(".")
    if block == "chain" and (tasks := _at(recipe, ["tasks"])) and task in tasks:
        return list(_names(recipe, ["tasks", task, "candidates"]))
    try:
        keys = [
            key for key in find(name, schema) if not key.kind.startswith(("a list", "a mapping"))
        ]
    except MsmlError:
        return []
    nulls = ["null"] if any(key.kind.endswith("or null") for key in keys) else []
    return list(dict.fromkeys([value for key in keys for value in key.values] + nulls))


def _is_for(key: "Key", above: Sequence[str], recipe: dict[str, Any]) -> bool:
    """Say whether an argument is one of what the recipe names, or may be."""
    block = _at(recipe, above if above[-1:] != ["args"] else above[:-1])
    named = isinstance(block, dict) and (block.get("name") or block.get("model"))
    return not (key.of and named) or str(named) in re.findall(r"\w+", key.of)[1:]


def _names(recipe: dict[str, Any], path: Sequence[str]) -> list[str]:
    """Return the names below a key of a recipe."""
    found = _at(recipe, path)
    return list(map(str, found)) if isinstance(found, dict) else []


def _at(recipe: Any, path: Sequence[str]) -> Any:
    for name in path:
        recipe = recipe.get(name) if isinstance(recipe, dict) else None
    return recipe
