"""Loading a recipe: files, overrides, checks, interpolation, and the dataclasses at the end."""

import glob
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException

from msml.errors import RecipeError
from msml.files import user_path
from msml.hints import words
from msml.recipe.blocks import by_blocks, configuration, plain, whole
from msml.recipe.check import (
    MISSING,
    Findings,
    check,
    entry_schema,
    hints_of,
    present,
    strip_optional,
    suggest,
)
from msml.recipe.files import find, missing, read, shipped
from msml.recipe.tree import COMMAND_LINE, Node, line, merge, parse, places

T = TypeVar("T")


@dataclass(frozen=True)
class Recipe(Generic[T]):
    """A recipe that fits its schema.

    Attributes:
        values: the instance of the schema; nothing of OmegaConf is left in it.
        path: the file read.
    """

    values: T
    path: Path
    _places: Mapping[str, str]
    _text: str

    def where(self, key: str) -> str:
        """Return `"FILE:LINE"` or `"command line"`, where a key's final value was set.

        Args:
            key: a dotted key, list items by their index. One that the recipe leaves to its default
                is placed at the nearest parent that the recipe has.
        """
        while key not in self._places:
            key = key.rpartition(".")[0]
        return self._places[key]

    def locate(self, key: str, name: str) -> Path:
        """Return the path of a file that a recipe names, whether it exists or not.

        It lies beside the recipe that names it, else in the working directory, else beside the
        folder of the shipped recipes; on the command line, in the working directory.

        Args:
            key: the key whose value names the file.
            name: the file as the recipe writes it.
        """
        paths = [folder / self._path(key, name) for folder in self.folders(key)]
        return next((path for path in paths if os.path.exists(path)), paths[-2])

    def named_recipe(self, key: str, name: str) -> Path | None:
        """Return the path of another recipe that a recipe names, found as `extends` finds one.

        Args:
            key: The key whose value names it.
            name: The recipe as this one writes it.
        """
        return find(name, self.folders(key)[0])

    def _path(self, key: str, name: str) -> Path:
        try:
            return user_path(name)
        except RecipeError as error:
            raise RecipeError(line(self.where(key), key, str(error))) from error

    def matches(self, key: str, pattern: str) -> list[tuple[str, Path]]:
        """Return the files that a name or a glob pattern stands for, sorted by name.

        They lie where `locate` looks, all in the first folder that has any.

        Args:
            key: the key whose value names the files.
            pattern: the name or pattern as the recipe writes it.
        """
        path = self.locate(key, pattern)
        if os.path.isfile(path):
            return [(pattern, path)]
        for folder in self.folders(key):
            expanded = str(self._path(key, pattern))
            names = sorted(glob.glob(expanded, root_dir=folder, recursive=True))
            if names:
                return [(name, folder / name) for name in names]
        return []

    def folders(self, key: str) -> list[Path]:
        """Return the folders in which `locate` looks, in order."""
        where = self.where(key)
        beside = [] if where == COMMAND_LINE else [Path(where.rpartition(":")[0]).parent]
        return [*beside, Path(), shipped().parent]

    def resolved(self) -> str:
        """Return the whole recipe as YAML text, with defaults, without `extends` and `${}`.

        Fields whose metadata say `resolved: False` are left out: a run does not depend on them.
        """
        return self._text

    def plain(self) -> dict[str, Any]:
        """Return what `resolved` says as plain values, as any reader of YAML does."""
        return plain(self._text)

    def fail(self, problems: list[tuple[str, str]]) -> None:
        """Report problems, each a key and a message, as `load` reports its own.

        Raises:
            RecipeError: There is at least one.
        """
        if problems:
            raise RecipeError([line(self.where(key), key, message) for key, message in problems])


@dataclass(frozen=True)
class Source(Generic[T]):
    """A recipe and everything it extends, read once, for any number of overrides.

    Attributes:
        path: the file read.
        schema: a dataclass. Its `dict[str, Dataclass]` fields start empty: recipes add entries.
    """

    path: Path
    schema: type[T]
    _tree: Node
    _problems: Sequence[str]

    def recipe(self, overrides: Sequence[str] = ()) -> Recipe[T]:
        """Apply overrides and check what that gives, as `load` does."""
        recipe, findings = self.attempt(overrides)
        if findings.problems:
            raise RecipeError(findings.problems)
        return recipe

    def attempt(self, overrides: Sequence[str] = ()) -> tuple[Recipe[T], Findings]:
        """Do the same, and go on where there are problems.

        Returns:
            The recipe, in which the values of the keys `bad` are left to their defaults or are
            empty, and what was found.

        Raises:
            RecipeError: There are problems with which no recipe can be made.
        """
        findings, tree = Findings(list(self._problems)), self._tree
        for override in overrides:
            tree = _override(tree, override, self.schema, findings)
        checked = check(tree, self.schema, (), findings)
        assert isinstance(checked, dict)
        if findings.interpolations:
            failed = _check_interpolations(configuration(self.schema, checked), findings)
            if failed:  # what is looked at next needs other values in their place
                checked = check(_without(tree, failed), self.schema, (), Findings())
                assert isinstance(checked, dict)
            try:
                values, text = whole(configuration(self.schema, checked), self.schema)
            except OmegaConfBaseException:
                if not findings.problems:
                    raise
                raise RecipeError(findings.problems) from None  # one that refers to a mistake
        else:
            values, text = by_blocks(self.schema, checked)
        return Recipe(values, self.path, places(tree), text), findings


def read_source(path: str | Path, schema: type[T], partial: bool = False) -> Source[T]:
    """Read a recipe and everything it extends.

    Raises:
        RecipeError: There is no such recipe, or one of the files cannot be read.
    """
    found = find(str(path))
    if found is None:
        raise RecipeError(missing(str(path)))
    problems: list[str] = []
    tree = read(found, problems)
    if partial:
        assert isinstance(tree.value, dict)
        known = {field.name for field in fields(schema)}  # type: ignore[arg-type]
        tree = Node({name: node for name, node in tree.value.items() if name in known}, tree.where)
    return Source(found, schema, tree, problems)


def load(
    path: str | Path, schema: type[T], overrides: Sequence[str] = (), partial: bool = False
) -> Recipe[T]:
    """Read a recipe and everything it extends, apply overrides and check it.

    Args:
        path: a file, else the name of a shipped recipe.
        schema: a dataclass. Its `dict[str, Dataclass]` fields start empty: recipes add entries.
        overrides: `dotted.key=value` with a YAML value, applied in order.
        partial: leave keys of the recipe that the schema does not have to others.

    Raises:
        RecipeError: Holds all problems found, each one line.
    """
    return read_source(path, schema, partial).recipe(overrides)


def _override(tree: Node, override: str, schema: Any, findings: Findings) -> Node:
    """Merge one `key=value` over the tree, or record why that cannot be."""
    key, equals, text = override.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        message = f"malformed override '{override}', expected KEY=VALUE with a dotted key"
        findings.problems.append(line(COMMAND_LINE, "", message))
        return tree
    try:
        over, problems = _parsed(text, tuple(path))
    except RecipeError as error:
        message = f"{text!r}: {error.problems[-1].removeprefix(f'{COMMAND_LINE}: ')}"
        findings.problems.append(line(COMMAND_LINE, key, message))
        return tree
    for name in reversed(path):
        over = Node({name: over}, COMMAND_LINE)
    new = [line(COMMAND_LINE, *p) for p in _unknown_entries(over, tree, schema)]
    findings.problems += [*problems, *new]
    return tree if new else merge(tree, over)


@lru_cache(maxsize=4096)
def _parsed(text: str, path: tuple[str, ...]) -> tuple[Node, tuple[str, ...]]:
    """Parse the value of an override, which many points of a sweep have; see `parse`."""
    problems: list[str] = []
    return parse(text, COMMAND_LINE, problems, path) or Node(None, COMMAND_LINE), tuple(problems)


def _unknown_entries(
    over: Node, base: Node | None, hint: Any, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    """Yield a key and a message for each entry that an override would add to a dict of dataclasses.

    Recipe files may add entries; in an override a new name is a slip of the pen.
    """
    if not isinstance(over.value, dict):
        return
    hint = strip_optional(hint)
    hints = hints_of(hint) if is_dataclass(hint) else {}
    entry = entry_schema(hint)
    known = base.value if base is not None and isinstance(base.value, dict) else {}
    for name, node in over.value.items():
        here = (*path, name)
        if entry is not None and name not in present(known):
            yield ".".join(here), f"unknown entry '{name}'{suggest(name, present(known))}"
        else:
            yield from _unknown_entries(node, known.get(name), hints.get(name, entry), here)


def _check_interpolations(config: DictConfig, findings: Findings) -> set[tuple[str, ...]]:
    """Resolve each `${...}` without types, and check what it gives as if it were written there.

    Returns:
        Paths of those that give nothing good.
    """
    failed = set()
    untyped = OmegaConf.create(OmegaConf.to_container(config))
    for path, node, hint in findings.interpolations:
        try:
            value: Any = untyped
            for name in path:
                value = value[int(name)] if OmegaConf.is_list(value) else _entry(value, name)
            if OmegaConf.is_config(value):
                value = OmegaConf.to_container(value, resolve=True)
        except InterpolationToMissingValueError:
            failed.add(path)  # that the target is missing or wrong is a problem of its own
            findings.bad.add(".".join(path))
        except (OmegaConfBaseException, RecursionError) as error:
            reason = str(error).splitlines()[0]
            findings.add(node, path, f"{node.value!r}: {reason}; expected {words(hint)}")
            failed.add(path)
        else:
            below = Findings(findings.problems)
            check(_as_node(value, node.where), hint, path, below)
            if below.bad:
                failed.add(path)
                findings.bad.add(".".join(path))
    return failed


def _without(node: Node, failed: Collection[tuple[str, ...]], path: tuple[str, ...] = ()) -> Node:
    """Mark the values at some paths as missing."""
    if path in failed:
        return Node(MISSING, node.where)
    if isinstance(node.value, dict):
        content = {name: _without(v, failed, (*path, name)) for name, v in node.value.items()}
        return replace(node, value=content)
    if isinstance(node.value, list):
        items = [_without(v, failed, (*path, str(i))) for i, v in enumerate(node.value)]
        return replace(node, value=items)
    return node


def _entry(content: Any, key: str) -> Any:
    """Look up a key as recipes spell it."""
    return content[key if key in content else f"{key}_"]


def _as_node(value: Any, where: str) -> Node:
    if isinstance(value, dict):
        return Node({str(name): _as_node(v, where) for name, v in value.items()}, where)
    if isinstance(value, list):
        return Node([_as_node(v, where) for v in value], where)
    # A `${` that is still there was escaped: it must not count as an interpolation again.
    return Node(value.replace("${", "$ {") if isinstance(value, str) else value, where)
