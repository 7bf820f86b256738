"""YAML text as a tree in which every value knows the file and line that set it."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from msml.errors import RecipeError

COMMAND_LINE = "command line"
_LARGEST = 100_000  # values of a file
_BITS = 4096  # of a whole number; Python does not write down much longer ones

_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null")}
_MERGE_TAG = "tag:yaml.org,2002:merge"
_INT = re.compile(r"[-+]?(?:0|[1-9][\d_]*|0x[\da-fA-F]+)$")
_FLOAT = re.compile(
    r"""[-+]?(?:(?:\d[\d_]*\.[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?
        |\d[\d_]*[eE][-+]?\d+
        |\.(?:inf|Inf|INF))$
        |\.(?:nan|NaN|NAN)$""",
    re.VERBOSE,
)


class _Loader(yaml.SafeLoader):
    """YAML 1.1 with `1e-3` a number; dates, base-60 (`1:30`) and octal (`010`) stay text."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, regexp) for tag, regexp in resolvers if tag.endswith((":bool", ":null", ":merge"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


class _Dumper(yaml.SafeDumper):
    """Quotes also the texts that only `_Loader` reads as numbers."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Escape the rare line breaks that PyYAML writes but does not read back."""
    style = '"' if set(text) & set("\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _represent_text)


@dataclass(frozen=True)
class Node:
    """A value and where it was set: `"FILE:LINE"` or `"command line"`."""

    value: "dict[str, Node] | list[Node] | str | int | float | bool | None"
    where: str
    removes: bool = False  # a null that took the place of a value


def line(where: str, key: str, message: str) -> str:
    """Format a problem as one line of text."""
    text = ": ".join(part for part in (where, key, message) if part)
    return "\\n".join(text.splitlines())


def parse(text: str, source: str, problems: list[str], path: tuple[str, ...] = ()) -> Node | None:
    """Parse YAML text; None where there is nothing in it.

    Args:
        text: one YAML document.
        source: the file's name as shown to people, or `COMMAND_LINE`, which has no lines.
        problems: receives a line for each duplicate key and each tag that is not data.
        path: the key that the text is the value of.

    Raises:
        RecipeError: The text is not YAML; holds `problems` too.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
        if root is None:
            return None
        if _size(root, {}) > _LARGEST:
            where = _place(source, root.start_mark)
            message = f"more than {_LARGEST} values, the most that is read, aliases written out"
            raise RecipeError([*problems, line(where, "", message)])
        return _convert(root, _place(source, root.start_mark), path, source, problems)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = _place(source, mark)
        if mark is not None and source != COMMAND_LINE:
            where += f":{mark.column + 1}"
        reason = ", ".join(part for part in (error.context, error.problem) if part)
    except yaml.YAMLError as error:
        where, reason = source, str(error).splitlines()[0]
    except RecursionError:
        where, reason = source, "nested too deeply, or an alias that contains itself"
    raise RecipeError([*problems, line(where, "", f"not valid YAML: {reason}")])


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Count the values of a node; each alias counts as all that it stands for."""
    if id(node) not in known:
        children = node.value if isinstance(node, yaml.CollectionNode) else []
        pairs = isinstance(node, yaml.MappingNode)
        inner = [each for pair in children for each in pair] if pairs else children
        known[id(node)] = 1 + sum(_size(each, known) for each in inner)
    return known[id(node)]


def _place(source: str, mark: yaml.Mark | None) -> str:
    return source if source == COMMAND_LINE or mark is None else f"{source}:{mark.line + 1}"


def _convert(
    node: yaml.Node, where: str, path: tuple[str, ...], source: str, problems: list[str]
) -> Node:
    """Turn a PyYAML node into a `Node`; what cannot be converted becomes a problem."""
    key = ".".join(path)
    if isinstance(node, yaml.MappingNode) and node.tag.endswith(":map"):
        return Node(_convert_mapping(node, path, source, problems), where)
    if isinstance(node, yaml.SequenceNode) and node.tag.endswith(":seq"):
        items = [
            _convert(item, _place(source, item.start_mark), (*path, str(i)), source, problems)
            for i, item in enumerate(node.value)
        ]
        return Node(items, where)
    if node.tag in _TAGS:
        try:
            value = _Loader("").construct_object(node, deep=True)
            if isinstance(value, int) and value.bit_length() > _BITS:
                raise ValueError
            return Node(value, where)
        except (ValueError, KeyError):
            problems.append(line(where, key, f"not a {node.tag.rpartition(':')[2]}"))
    else:
        problems.append(line(where, key, f"the tag '{node.tag}' is not supported"))
    return Node(None, where)


def _convert_mapping(
    node: yaml.MappingNode, path: tuple[str, ...], source: str, problems: list[str]
) -> dict[str, Node]:
    entries: dict[str, Node] = {}
    merged: dict[str, Node] = {}
    for key_node, value in node.value:
        where = _place(source, key_node.start_mark)
        if key_node.tag == _MERGE_TAG:
            for each in _merged(value, where, path, source, problems):
                merged = {**each, **merged}
            continue
        if not isinstance(key_node, yaml.ScalarNode):
            problems.append(line(where, ".".join(path), "a key must be a plain name"))
            continue
        name = key_node.value
        here = (*path, name)
        if name in entries:
            message = f"duplicate key, first set at {entries[name].where}"
            problems.append(line(where, ".".join(here), message))
        else:
            entries[name] = _convert(value, where, here, source, problems)
    return {**merged, **entries}


def _merged(
    node: yaml.Node, where: str, path: tuple[str, ...], source: str, problems: list[str]
) -> Iterator[dict[str, Node]]:
    """Yield the mappings that `<<` names, of which the first wins."""
    for each in node.value if isinstance(node, yaml.SequenceNode) else [node]:
        if isinstance(each, yaml.MappingNode):
            yield _convert_mapping(each, path, source, problems)
        else:
            problems.append(line(where, ".".join(path), "`<<` expects mappings, such as `*name`"))


def merge(base: Node, over: Node) -> Node:
    """Merge two trees deeply: `over` wins, lists are replaced.

    A mapping that both have is placed where `over` has it, unless that is the command line: an
    override of one value does not claim its neighbours.
    """
    if isinstance(base.value, dict) and isinstance(over.value, dict):
        merged = dict(base.value)
        for name, node in over.value.items():
            merged[name] = merge(merged[name], node) if name in merged else node
        return Node(merged, base.where if over.where == COMMAND_LINE else over.where)
    return Node(None, over.where, removes=True) if over.value is None else over


def places(node: Node, key: str = "") -> dict[str, str]:
    """Map every key of a tree, joined with dots (list items by index), to where it was set."""
    found = {key: node.where}
    children: list[tuple[str, Node]] = []
    if isinstance(node.value, dict):
        children = list(node.value.items())
    elif isinstance(node.value, list):
        children = [(str(i), item) for i, item in enumerate(node.value)]
    for name, child in children:
        found |= places(child, f"{key}.{name}" if key else name)
    return found


def dump(content: object) -> str:
    """Write plain values as YAML text that `parse` and OmegaConf read back to the same values."""
    text: str = yaml.dump(_escape(content), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def dump_line(content: object) -> str:
    """Write plain values as one line of YAML, as in an override."""
    text: str = yaml.dump(
        _escape(content),
        Dumper=_Dumper,
        default_flow_style=True,
        sort_keys=False,
        allow_unicode=True,
        width=math.inf,
    )
    return text.removesuffix("\n").removesuffix("...").removesuffix("\n")


def plain(node: Node) -> Any:
    """Return the values of a tree without their places."""
    if isinstance(node.value, dict):
        return {name: plain(child) for name, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(item) for item in node.value]
    return node.value


def _escape(content: object) -> object:
    r"""Write a literal `${` as `\${`, so that reading it again does not interpolate."""
    if isinstance(content, dict):
        return {name: _escape(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_escape(value) for value in content]
    if isinstance(content, str):
        return re.sub(r"(\\*)\$\{", r"\1\1\\${", content)
    return content
