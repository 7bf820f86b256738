"""Finding keys of a recipe by what somebody wrote: those of the schema, and of what is registered.

A key is given by its parts, with `NAME` or any name where recipes are free to give one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass, replace
from inspect import Parameter
from typing import Any

from msml.arguments import hint_of, settable
from msml.errors import RecipeError, nearest
from msml.recipe.optimizers import OPTIMIZERS
from msml.recipe.schema import TrainRecipe
from msml.reference.docstrings import descriptions
from msml.reference.keys import (
    NAME,
    Key,
    choices,
    default_of,
    kind_of,
    schema_keys,
    written,
)
from msml.registry import REGISTRIES, Entry


def find(name: str, schema: Any = TrainRecipe) -> list[Key]:
    """Find a key of a recipe of a schema.

    Returns:
        The key; several where arguments of several registered functions have this name. Below a
        mapping that may have any keys, that mapping.

    Raises:
        RecipeError: There is no such key; the message says which are near.
    """
    parts = name.split(".")
    found: list[Key] = []
    for size in range(1, len(parts) + 1):
        last, found = found, _fitting(parts[:size], schema)
        if not found:
            if last and last[0].is_open:
                return last
            raise RecipeError(_unknown(name, parts[:size], schema))
    return found


def inside(key: Key, schema: Any = TrainRecipe) -> list[Key]:
    """Return all keys below one."""
    deeper = (each for each in schema_keys(schema) if each.name.startswith(f"{key.name}."))
    return [*deeper, *_below(key)]


def has_inside(key: Key, schema: Any = TrainRecipe) -> bool:
    """Say whether a recipe may have keys below one."""
    deeper = any(each.name.startswith(f"{key.name}.") for each in schema_keys(schema))
    return bool(deeper or key.call or key.arguments)


def children(parts: Sequence[str], schema: Any = TrainRecipe) -> list[Key]:
    """Return the keys directly below one; those at the top where it has no parts."""
    size = len(parts)
    deep = (key for key in schema_keys(schema) if key.name.count(".") == size)
    found = [key for key in deep if _fits(key, parts)]
    return found + [each for key in _fitting(parts, schema) for each in _below(key)]


def _fitting(parts: Sequence[str], schema: Any) -> list[Key]:
    return [key for key in children(parts[:-1], schema) if _fits(key, parts)] if parts else []


def _fits(key: Key, parts: Sequence[str]) -> bool:
    """Say whether the first parts of a key are these."""
    pairs = zip(key.name.split("."), parts, strict=False)
    return all(own in (part, NAME) for own, part in pairs)


def _below(key: Key) -> Iterator[Key]:
    """Yield the keys of what is registered: `name` and arguments, or arguments alone."""
    plural = key.call or key.arguments
    if key.call:
        text = "Which one; the other keys beside it are its arguments."
        yield Key(f"{key.name}.name", "a text", True, "", text, names=plural)
    if plural == "optimizers":
        yield from _of_optimizers(key.name)
    elif plural:
        for entry in REGISTRIES[plural].entries():
            for each in arguments_of(entry):
                name, text = f"{key.name}.{each.name}", each.text or entry.summary
                yield replace(each, name=name, text=text)


def _of_optimizers(block: str) -> Iterator[Key]:
    """Yield the arguments of optimizers, once for all that take the same."""
    owners: dict[tuple[str, str], list[str]] = {}
    for optimizer, hints in OPTIMIZERS.items():
        for name, hint in hints.items():
            owners.setdefault((name, kind_of(hint)), []).append(optimizer)
    for (name, kind), those in owners.items():
        text = "λ of coupled L2: λ w is added to the gradient of each weight w."
        text = text if name == "l2" else "The argument of Keras's optimizer."
        yield Key(f"{block}.{name}", kind, False, "", text, f"optimizer {', '.join(those)}")


def arguments_of(entry: Entry) -> Iterator[Key]:
    """Yield the arguments of something registered that a recipe may set, as keys by their names."""
    texts = descriptions(entry.function)
    made = {f.name: f for f in fields(entry.function)} if is_dataclass(entry.function) else {}
    for parameter in settable(entry):
        name, default, hint = parameter.name, parameter.default, hint_of(entry, parameter)
        default = default_of(made[name]) if name in made else default
        required = default in (Parameter.empty, MISSING)
        yield Key(
            name,
            kind_of(hint),
            required,
            "" if required else written(default),
            texts.get(name, ""),
            f"{entry.kind} '{entry.name}'",
            choices(hint),
        )


def _unknown(name: str, parts: Sequence[str], schema: Any) -> str:
    """Say that there is no such key, with the nearest ones: beside it, or elsewhere."""
    near = [key.name.split(".")[-1] for key in children(parts[:-1], schema)]
    elsewhere = [key.name for key in schema_keys(schema) if key.name.split(".")[-1] == parts[-1]]
    problem = f"unknown key '{parts[-1]}'"
    if elsewhere:
        ending = "; did you mean " + " or ".join(f"'{each}'" for each in elsewhere) + "?"
    else:
        ending = nearest(parts[-1], list(dict.fromkeys(near))) if near else "; there are none"
    return f"{name}: {problem}{ending}"
