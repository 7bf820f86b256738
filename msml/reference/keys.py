"""All keys of a training recipe, from its schema."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from msml.domains import Domain
from msml.hints import is_union, spelled, words
from msml.recipe.check import entry_schema, hints_of, strip_optional
from msml.recipe.optimizers import OPTIMIZERS
from msml.recipe.schema import TrainRecipe
from msml.recipe.tree import dump_line
from msml.reference.docstrings import descriptions, summary
from msml.registry import REGISTRIES

NAME = "NAME"
"""Stands in keys for a name that a recipe is free to give."""


@dataclass(frozen=True)
class Key:
    """A key of a recipe.

    Attributes:
        name: The dotted key; `NAME` in it is any name.
        kind: Which values it takes, in words.
        required: Whether it must be given.
        default: Its default as YAML; empty where there is none.
        text: What it means.
        of: What has such an argument, as `strategy 'darts'`; empty for keys of the schema.
        names: Texts that it may be, or be made of, or the plural of what is registered under them.
        call: Plural of what is registered, where the key holds a `name` and arguments of it.
        arguments: The same, where the key holds arguments alone.
    """

    name: str
    kind: str
    required: bool
    default: str
    text: str
    of: str = ""
    names: tuple[str, ...] | str = ()
    call: str = ""
    arguments: str = ""

    @property
    def values(self) -> tuple[str, ...]:
        """Texts that it may be, or be made of; empty where these are not known."""
        return registered(self.names) if isinstance(self.names, str) else self.names

    @property
    def facts(self) -> str:
        """What has it, which values it takes, and its default, in one line."""
        said = all(value in self.kind for value in self.values)
        known = "" if said else f"names: {', '.join(self.values)}"
        ending = "must be given" if self.required else self.default and f"default: {self.default}"
        return "; ".join(filter(None, (self.of and f"of {self.of}", self.kind, known, ending)))

    @property
    def is_open(self) -> bool:
        """Whether there may be keys below it of which nothing is known."""
        known = self.call or self.arguments
        return not known and self.kind.startswith(("a mapping of", "any value"))


_EXTENDS = Key(
    "extends", "a text", False, "", "Another recipe, over which this one is laid, key by key."
)


@cache
def schema_keys() -> tuple[Key, ...]:
    """All keys that the schema has, each before those below it."""
    return (_EXTENDS, *_of_block(TrainRecipe, ""))


def registered(plural: str) -> tuple[str, ...]:
    """Return the names of all that is registered of a kind, of optimizers too."""
    return tuple(OPTIMIZERS if plural == "optimizers" else REGISTRIES[plural].names())


def kind_of(hint: Any) -> str:
    """Say which values a type takes, the domain of its numbers too."""
    parts = get_args(hint) if is_union(hint) else (hint,)
    if any(map(dataclasses.is_dataclass, parts)):  # its keys are described, too
        return " or ".join("a mapping" if each is not NoneType else "null" for each in parts)
    return ", ".join(filter(None, (words(hint), *map(_domain, parts))))


def choices(hint: Any) -> tuple[str, ...]:
    """Return the texts that a type accepts where it accepts few."""
    if is_union(hint):
        return tuple(text for part in get_args(hint) for text in choices(part))
    if get_origin(hint) is Literal:
        return tuple(map(str, get_args(hint)))
    return ("true", "false") if hint is bool else ()


def default_of(field: "dataclasses.Field[Any]") -> Any:
    """Return the default of a field, `MISSING` where there is none."""
    make: Any = field.default_factory
    return field.default if make is dataclasses.MISSING else make()


def written(default: Any) -> str:
    """Write a default as a recipe would; nothing where there is none."""
    if default is dataclasses.MISSING:
        return ""
    if dataclasses.is_dataclass(default):
        return "{}"  # each of its keys says its own
    return dump_line(list(default) if isinstance(default, tuple) else default)


def _of_block(schema: Any, prefix: str) -> Iterator[Key]:
    """Yield the keys of a dataclass, and those below them."""
    texts, hints = descriptions(schema), hints_of(schema)
    for field in dataclasses.fields(schema):
        name, hint = prefix + spelled(field), hints[field.name]
        key = _of_field(name, hint, field, texts[field.name])
        yield key
        bare = strip_optional(hint)
        entry = f"{name}.{NAME}"
        if dataclasses.is_dataclass(bare):
            yield from _of_block(bare, f"{name}.")
        elif block := entry_schema(bare):
            yield Key(entry, kind_of(block), False, "", summary(block))
            yield from _of_block(block, f"{entry}.")
        elif get_origin(bare) is dict and not (key.call or key.arguments):
            kind = kind_of(get_args(bare)[1])
            yield dataclasses.replace(key, name=entry, kind=kind, required=False, default="")


def _of_field(name: str, hint: Any, field: "dataclasses.Field[Any]", text: str) -> Key:
    default = default_of(field)
    return Key(
        name,
        kind_of(hint),
        default is dataclasses.MISSING,
        written(default),
        text,
        names=field.metadata.get("names") or choices(hint),
        call=field.metadata.get("call", ""),
        arguments=field.metadata.get("arguments", ""),
    )


def _domain(hint: Any) -> str:
    """Say which numbers a type has, without the word for them; empty where that is all."""
    domain = next((each for each in get_args(hint)[1:] if isinstance(each, Domain)), Domain())
    limited = domain.finite and domain != Domain()
    return domain.near(float("-inf")).words("").strip() if limited else ""
