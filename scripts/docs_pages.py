"""MkDocs' hook: pages that are made of the code at each build, so that none can go stale.

`recipe-reference.md` is made of the schemas' docstrings, `names.md` of the registries,
`commands.md` of the command line's help.
"""

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from msml.cli import cli
from msml.data.importers.recipe import ColumnRecipe, TableRecipe
from msml.hints import spelled
from msml.recipe.check import entry_schema, hints_of, strip_optional
from msml.recipe.schema import TrainRecipe
from msml.reference.docstrings import descriptions, summary
from msml.reference.find import arguments_of
from msml.reference.keys import NAME, default_of, kind_of, written
from msml.registry import REGISTRIES, Entry
from msml.simulation.settings import EventRecipe

ROOT = Path(__file__).parents[1]
COPIES = {
    "changelog.md": "CHANGELOG.md",
    "darts-errors.md": "scripts/studies/darts_errors/README.md",
    "darts-robust.md": "scripts/studies/darts_robust/README.md",
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
    hints = hints_of(schema)
    for field in fields(schema):
        key, hint = (
            ".".join(filter(None, (path, spelled(field)))),
            strip_optional(hints[field.name]),
        )
        if is_dataclass(hint):
            yield from blocks(key, hint)
        elif entry := entry_schema(hint):
            yield from blocks(f"{key}.{NAME}", entry)


def _block(path: str, schema: type, level: int) -> Iterator[str]:
    """Write a block: what it is, and a table of its keys."""
    if path:
        yield f"{'#' * level} {path}"
        yield ""
    yield summary(schema)
    yield ""
    texts, hints = descriptions(schema), hints_of(schema)
    yield "| key | value | default | |"
    yield "|---|---|---|---|"
    for field in fields(schema):
        text, value = _cell(texts.get(field.name, "")), _cell(_value(hints[field.name]))
        yield f"| `{spelled(field)}` | {value} | {_default(field)} | {text} |"


def _value(hint: Any) -> str:
    """Say which values a key takes; a block has a table of its own."""
    bare = strip_optional(hint)
    if is_dataclass(bare):
        return "a block"
    return "blocks by name" if entry_schema(bare) else kind_of(hint)


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
    if callable(entry.function):
        for key in arguments_of(entry):
            default = "" if key.required else f" = `{key.default}`"
            yield " ".join(filter(None, (f"`{key.name}`{default}, {key.kind}.", key.text)))


def commands() -> str:
    """Write the help of every command as the terminal shows it."""
    lines = [
        "# Commands",
        "",
        "What `msml COMMAND --help` prints, in the order of `msml --help`.",
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
