"""MkDocs' hook: pages that are made of the code at each build, so that none can go stale.

`recipe-reference.md` is made of the schemas' docstrings, `names.md` of the registries,
`commands.md` of the command line's help.
"""

import inspect
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from msml.arguments import FILLED, hint_of
from msml.cli import cli
from msml.data.importers.recipe import ColumnRecipe, TableRecipe
from msml.hints import spelled
from msml.recipe.schema import TrainRecipe
from msml.reference.docstrings import descriptions, summary
from msml.reference.keys import default_of, kind_of, written
from msml.registry import REGISTRIES, Entry
from msml.simulation.settings import EventRecipe

ROOT = Path(__file__).parents[1]
COPIES = {
    "changelog.md": "CHANGELOG.md",
    "darts-errors.md": "scripts/studies/darts_errors/README.md",
    "data/htautau_sample.png": "data/htautau_sample.png",
    "data/tau_id_sample.png": "data/tau_id_sample.png",
}
"""Files that lie elsewhere in the repository, by their place in the site."""

WIDTH = 80  # of the help of commands


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and files that lie elsewhere."""
    pages = {
        "recipe-reference.md": recipe_reference(),
        "names.md": names(),
        "commands.md": commands(),
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    for name, path in COPIES.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links to pictures beside the samples, which are right in the repository, go to copies."""
    return markdown.replace("](../data/", "](data/")


def recipe_reference() -> str:
    """Describe every block of the recipes that commands read."""
    lines = [
        "# Keys of recipes",
        "",
        "Made of the schemas of the code. A name in capitals stands for any name. A key without a",
        "default must be there, if its block is. `msml show RECIPE` prints a recipe in full,",
        "`msml show --defaults KEY` what stands here.",
        "",
        "Names that have arguments (`strategy`, `loss`, `schedule`, ...) take those listed in",
        "[Names](names.md); `optimizer` takes those of the Keras optimizer.",
    ]
    for title, path, schema in (
        ("Training", "", TrainRecipe),
        ("Tables: `msml import table`", "", TableRecipe),
        ("A column of a table", "columns.NAME", ColumnRecipe),
        ("Events: `msml generate`", "", EventRecipe),
    ):
        lines += ["", f"## {title}"]
        for block, found in blocks(path, schema):
            lines += ["", *_block(block, found, level=3)]
    return "\n".join(lines) + "\n"


def blocks(path: str, schema: type) -> Iterator[tuple[str, type]]:
    """Yield a schema and those below it, with the keys that lead there."""
    yield path, schema
    hints = get_type_hints(schema, include_extras=True)
    for field in fields(schema):
        for inner, below in _schemas(hints[field.name]):
            key = ".".join(filter(None, (path, spelled(field), *below)))
            yield from blocks(key, inner)


def _schemas(hint: Any, below: tuple[str, ...] = ()) -> Iterator[tuple[type, tuple[str, ...]]]:
    """Yield the schemas in a type: optional ones, those of a list, and of a mapping of names."""
    if is_dataclass(hint) and isinstance(hint, type):
        yield hint, below
    elif getattr(hint, "__origin__", None) is dict:
        yield from _schemas(get_args(hint)[1], (*below, "NAME"))
    else:
        for inner in get_args(hint):
            yield from _schemas(inner, below)


def _block(path: str, schema: type, level: int) -> Iterator[str]:
    """Write a block: what it is, and a table of its keys."""
    if path:
        yield f"{'#' * level} {path}"
        yield ""
    yield summary(schema)
    yield ""
    texts, hints = descriptions(schema), get_type_hints(schema, include_extras=True)
    yield "| key | value | default | |"
    yield "|---|---|---|---|"
    for field in fields(schema):
        text, value = _cell(texts.get(field.name, "")), _cell(_value(hints[field.name]))
        yield f"| `{spelled(field)}` | {value} | {_default(field)} | {text} |"


def _value(hint: Any) -> str:
    """Say which values a key takes; a block has a table of its own."""
    if any(_schemas(hint)):
        mapping = getattr(hint, "__origin__", None) is dict
        return "blocks by name" if mapping else "a block"
    return kind_of(hint)


def _default(field: Field[Any]) -> str:
    default = default_of(field)
    return "" if is_dataclass(default) or default is MISSING else f"`{written(default)}`"


def _cell(text: str) -> str:
    """Keep a text within its cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def names() -> str:
    """List what recipes can name, with the arguments of each."""
    lines = [
        "# Names",
        "",
        "What a recipe can name, made of the registries of the code. `msml ls` prints it, and",
        "`msml ls models` has the number of weights of each model, too.",
    ]
    for kind, registry in REGISTRIES.items():
        lines += ["", f"## {kind.replace('_', ' ').capitalize()}", ""]
        for entry in registry.entries():
            lines += _entry(entry)
    return "\n".join(lines) + "\n"


def _entry(entry: Entry) -> Iterator[str]:
    """Write a name, what it is, and its arguments."""
    yield f"`{entry.name}`"
    yield f":   {entry.summary or '-'}"
    arguments = list(_arguments(entry))
    if arguments:
        yield ""
        yield from (f"    - {line}" for line in arguments)
    yield ""


def _arguments(entry: Entry) -> Iterator[str]:
    """Describe the arguments that a recipe may set."""
    if not callable(entry.function):
        return
    function = inspect.unwrap(entry.function)
    texts = descriptions(function)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not parameter.KEYWORD_ONLY or parameter.name in FILLED:
            continue
        key = f"`{parameter.name.removesuffix('_')}`"
        default = "" if parameter.default is parameter.empty else _argument_default(parameter)
        kind = kind_of(hint_of(entry, parameter))
        text = texts.get(parameter.name, "")
        yield " ".join(filter(None, (f"{key}{default}, {kind}.", text)))


def _argument_default(parameter: inspect.Parameter) -> str:
    """Write a default; a dataclass whose default is made has a factory there."""
    value = parameter.default
    made = type(value).__name__ == "_HAS_DEFAULT_FACTORY_CLASS"
    return "" if made else f" = `{written(value)}`"


def commands() -> str:
    """Write the help of every command as the terminal shows it."""
    lines = [
        "# Commands",
        "",
        "What `msml COMMAND --help` prints, in the order of `msml --help`.",
        "",
        "Exit codes: 0 done, 1 crash, 2 recipe or usage, 3 data or disk, 4 diverged, 5 incomplete",
        "(run the same command again), 85 stopped on request (likewise), 130 by Ctrl-C.",
        "",
        *_help(click.Context(cli, info_name="msml", terminal_width=WIDTH)),
    ]
    context = click.Context(cli, info_name="msml", terminal_width=WIDTH)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        below = click.Context(command, context, name, terminal_width=WIDTH)
        lines += ["", f"## msml {name}", "", *_help(below)]
    return "\n".join(lines) + "\n"


def _help(context: click.Context) -> list[str]:
    return ["```text", context.command.get_help(context), "```"]
