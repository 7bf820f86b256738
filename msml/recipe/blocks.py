"""The top-level blocks of a recipe: each is made once, however many recipes have it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, lru_cache
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from msml.hints import spelled
from msml.recipe.check import entry_schema, hints_of, strip_optional
from msml.recipe.tree import dump

_BLOCK = re.compile(r"^(?=\S)(?!- )", re.MULTILINE)  # where a key of the top level begins
_READER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Block:
    """One top-level value of a recipe.

    Attributes:
        value: What the schema makes of it.
        text: YAML of its key and value; empty where a run does not depend on it.
    """

    value: Any
    text: str


def configuration(schema: Any, checked: Mapping[str, Any]) -> DictConfig:
    """Merge checked values over the defaults of a schema."""
    config = OmegaConf.unsafe_merge(_defaults(schema).copy(), checked)  # neither is used again
    assert isinstance(config, DictConfig)
    return config


def whole(config: DictConfig, schema: Any) -> tuple[Any, str]:
    """Return the instance of the schema, and its text without what a run does not depend on."""
    content = spell(OmegaConf.to_container(config, resolve=True), schema)
    return OmegaConf.to_object(config), dump(content)


def by_blocks(schema: Any, checked: Mapping[str, Any]) -> tuple[Any, str]:
    """Do what `whole` does, for values without interpolations, from blocks made before."""
    made = {}
    for name in (field.name for field in fields(schema)):
        own = {name: checked[name]} if name in checked else {}  # a null is not the default
        made[name] = _block(schema, name, _Given(repr(own), own))
    values = {name: block.value for name, block in made.items()}
    return schema(**values), "".join(block.text for block in made.values())


def plain(text: str) -> dict[str, Any]:
    """Read the text of a recipe as any reader of YAML does."""
    found: dict[str, Any] = {}
    for block in _BLOCK.split(text):
        found |= _read(block)
    return found


@lru_cache(maxsize=4096)
def _read(block: str) -> dict[str, Any]:
    return yaml.load(block, Loader=_READER) or {}


class _Given:
    """The checked value of a block, if there is one; alike where that is written alike."""

    def __init__(self, text: str, own: dict[str, Any]) -> None:
        self.text = text
        self.own = own

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Given) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


@lru_cache(maxsize=4096)
def _block(schema: Any, name: str, given: _Given) -> Block:
    own = given.own
    field = next(f for f in fields(schema) if f.name == name)
    value = content = own.get(name)
    if not own or isinstance(value, dict | list):
        node = configuration(schema, own)[name]
        config = OmegaConf.is_config(node)
        value = OmegaConf.to_object(node) if config else node
        content = OmegaConf.to_container(node) if config else value
    if not field.metadata.get("resolved", True):
        return Block(value, "")
    return Block(value, dump({spelled(field): spell(content, hints_of(schema)[name])}))


@cache
def _defaults(schema: Any) -> DictConfig:
    config = OmegaConf.structured(schema)
    assert isinstance(config, DictConfig)
    return config


def spell(content: Any, hint: Any) -> Any:
    """Name keys as recipes do, not as fields, and leave out what a run does not depend on."""
    bare = strip_optional(hint)
    if not isinstance(content, dict):
        return content
    if not is_dataclass(bare):
        item = entry_schema(bare)
        return {key: spell(value, item) for key, value in content.items()} if item else content
    hints = hints_of(bare)
    kept = (f for f in fields(bare) if f.metadata.get("resolved", True))
    return {spelled(f): spell(content[f.name], hints[f.name]) for f in kept}
