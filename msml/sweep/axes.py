"""What a sweep scans, from the `over` of its recipe and from the command line."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from msml.errors import RecipeError, nearest
from msml.recipe.expand import duplicates
from msml.recipe.messages import too_many
from msml.recipe.schema import Sweep
from msml.recipe.tree import COMMAND_LINE, Node, dump_line, line, parse, plain

_RANGE = re.compile(r"(-?\d{1,99}):(-?\d{1,99})(?::([1-9]\d{0,99}))?$")
_OPENING, _CLOSING, _QUOTES, _BEFORE_QUOTE = "[{(", "]})", "'\"", "[{(,:"
_EXPECTED = "expected a list of values, a range like 0:20, or a mapping of names to overrides"
SETTINGS = "sweep"

Problems = list[str]


@dataclass(frozen=True)
class Choice:
    """One point of an axis.

    Attributes:
        shown: The value, or the name of the variant, as tables show it.
        overrides: What it changes, as `key=value`.
    """

    shown: Any
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Axis:
    """One thing that is scanned.

    Attributes:
        name: A dotted key, or the name of a set of variants.
        choices: Its points, in order.
        named: Whether the choices are named variants.
        where: Where it was set, for messages.
    """

    name: str
    choices: tuple[Choice, ...]
    named: bool
    where: str


@dataclass(frozen=True)
class Space:
    """All that is scanned.

    Attributes:
        axes: The axes; the first varies slowest.
        fixed: Overrides of the command line that hold at every point.
    """

    axes: tuple[Axis, ...]
    fixed: tuple[str, ...]

    def points(self) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
        """Yield each point: the value on each axis, and the overrides that make it.

        The command line wins over named variants. Of two overrides of one key the last one stays,
        after a null if there was one: what that removes is not to be merged with.
        """
        for chosen in product(*(axis.choices for axis in self.axes)):
            pairs = list(zip(self.axes, chosen, strict=True))
            given = [text for axis, choice in pairs if axis.named for text in choice.overrides]
            given += self.fixed
            given += [text for axis, choice in pairs if not axis.named for text in choice.overrides]
            yield {axis.name: choice.shown for axis, choice in pairs}, _last(given)


def split_settings(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divide overrides of the command line into those of the `sweep` block and all others."""
    settings = [o for o in overrides if re.match(rf"\s*{SETTINGS}\s*[.=]", o)]
    return settings, [o for o in overrides if o not in settings]


def space(
    over: Mapping[str, Any],
    places: Mapping[str, str],
    overrides: Sequence[str],
    most: int = Sweep.max_points,
) -> Space:
    """Find all axes.

    Args:
        over: The `over` of the recipe's `sweep` block.
        places: Where each of its keys was set.
        overrides: Those of the command line, without `sweep.…`: `key=a,b,c` and `key=0:20` are
            axes, and take the place of the recipe's; so is any value of a key that the recipe
            scans. For named variants, it is the names of those wanted.
        most: Most points.

    Raises:
        RecipeError: Holds all problems found.
    """
    problems: Problems = []
    axes = {
        name: _recipe_axis(name, content, places[name], most, problems)
        for name, content in over.items()
        if content is not None
    }
    fixed = []
    for override in overrides:
        key, _, text = override.partition("=")
        name = key.strip()
        if name in axes and axes[name].named:
            axes[name] = _selected(axes[name], text, problems)
        elif name in axes or _is_several(text):
            axes[name] = _typed_axis(name, text, most, problems)
        else:
            fixed.append(override)
    problems += [_repeated(axis) for axis in axes.values() if _repeated(axis)]
    number = prod(len(axis.choices) for axis in axes.values())
    if number > most:
        axis = max(axes.values(), key=lambda axis: len(axis.choices))
        problems.append(line(axis.where, axis.name, _too_many(number, most)))
    if problems:
        raise RecipeError(problems)
    return Space(tuple(axes.values()), tuple(fixed))


def split_values(text: str) -> list[str]:
    """Split at the commas that are in no brackets, braces or quotes."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES and parts[-1].rstrip()[-1:] in ("", *_BEFORE_QUOTE):
            quote = character
        elif character in _OPENING + _CLOSING:
            depth += 1 if character in _OPENING else -1
        elif character == "," and depth <= 0:
            parts.append("")
            continue
        parts[-1] += character
    return [part.strip() for part in parts]


def integers(text: str) -> range | None:
    """Return the range that `first:end` or `first:end:step` stands for, the end left out."""
    if not (match := _RANGE.match(text.strip())):
        return None
    return range(int(match[1]), int(match[2]), int(match[3] or 1))


def _short_range(text: str, place: str, most: int, problems: Problems) -> range | None:
    """Return the range of a text; one number of it where there are too many to write them down."""
    numbers = integers(text)
    if numbers is None:
        return None
    count = -((numbers.start - numbers.stop) // numbers.step)  # len() fails beyond 64 bits
    if count <= most:
        return numbers
    problems.append(f"{place}: {_too_many(count, most)}")
    return numbers[:1]


def _too_many(number: int, most: int) -> str:
    return too_many(number, "points", most, f"{SETTINGS}.max_points")


def _last(overrides: Sequence[str]) -> tuple[str, ...]:
    """Keep the last override of each key, and a null before it."""
    kept: dict[tuple[str, bool], str] = {}
    for override in overrides:
        key, _, text = (part.strip() for part in override.partition("="))
        removes = text == "null"
        if removes:
            kept.pop((key, False), None)
        kept[key, removes] = override
    return tuple(kept.values())


def _is_several(text: str) -> bool:
    return integers(text) is not None or len(split_values(text)) > 1


def _typed_axis(name: str, text: str, most: int, problems: Problems) -> Axis:
    """An axis from the command line; its overrides are the very texts that were typed."""
    numbers = _short_range(text, line(COMMAND_LINE, name, ""), most, problems)
    parts = split_values(text) if numbers is None else [str(number) for number in numbers]
    choices = []
    for part in parts:
        found: Problems = []
        try:
            node = parse(part, COMMAND_LINE, found) or Node(None, COMMAND_LINE)
        except RecipeError:  # loading the point says what is wrong with it
            node = Node(part, COMMAND_LINE)
        choices.append(Choice(plain(node), (f"{name}={part}",)))
    if not choices:
        problems.append(line(COMMAND_LINE, name, f"the range {text.strip()} is empty"))
    if "" in parts and len(parts) > 1:
        problems.append(line(COMMAND_LINE, name, f"'{text}': nothing between two commas"))
    return Axis(name, tuple(choices), False, COMMAND_LINE)


def _recipe_axis(name: str, content: Any, where: str, most: int, problems: Problems) -> Axis:
    """An axis from the recipe: a list, a range or named variants."""
    here = f"{SETTINGS}.over.{name}"
    if isinstance(content, dict):
        variants = {each: changes for each, changes in content.items() if changes is not None}
        choices = [_variant(f"{here}.{n}", n, c, where, problems) for n, c in variants.items()]
    else:
        numbers = None
        if isinstance(content, str):
            numbers = _short_range(content, line(where, here, ""), most, problems)
        values = content if isinstance(content, list) else numbers
        if values is None:
            problems.append(line(where, here, _EXPECTED))
            values = [None]  # one problem is enough
        choices = [Choice(value, (f"{name}={dump_line(value)}",)) for value in values]
    if not choices:
        problems.append(line(where, here, f"is empty; {_EXPECTED}"))
    return Axis(name, tuple(choices), isinstance(content, dict), where)


def _variant(here: str, name: str, changes: Any, where: str, problems: Problems) -> Choice:
    if not isinstance(changes, dict):
        problems.append(line(where, here, "expected a mapping of dotted keys to values"))
        changes = {}
    return Choice(name, tuple(f"{key}={dump_line(value)}" for key, value in changes.items()))


def _selected(axis: Axis, text: str, problems: Problems) -> Axis:
    """Keep the named variants that the command line asks for, in its order."""
    known = {str(choice.shown): choice for choice in axis.choices}
    wanted = split_values(text)
    for name in wanted:
        if name not in known:
            message = f"unknown variant '{name}'{nearest(name, list(known))}"
            problems.append(line(COMMAND_LINE, axis.name, message))
    chosen = tuple(known[name] for name in wanted if name in known)
    return Axis(axis.name, chosen, True, COMMAND_LINE)


def _repeated(axis: Axis) -> str:
    """Say which choices are there more than once."""
    texts = [str(c.shown) if axis.named else c.overrides[0].partition("=")[2] for c in axis.choices]
    again = ", ".join(duplicates(texts))
    return line(axis.where, axis.name, f"more than once: {again}") if again else ""
