"""Finding recipe files, and reading one together with those it extends."""

import os
from pathlib import Path

from msml.errors import RecipeError, nearest
from msml.files import small_file, user_path
from msml.recipe.tree import Node, line, merge, parse

_LEVELS = 20  # of recipes that extend each other


def shipped() -> Path:
    """Return the folder of the shipped recipes: inside the wheel, else that of the checkout."""
    package = Path(__file__).parents[1]
    wheel = package / "_shipped" / "recipes"
    return wheel if wheel.is_dir() else package.parent / "recipes"


def find(name: str, beside: Path | None = None) -> Path | None:
    """Find a recipe in the folder `beside`, the working directory or the shipped recipes.

    Among the shipped ones a leading `recipes/` may be given or left out, and so may `base/`: a copy
    of a base recipe that extends its neighbour still finds it.
    """
    name = str(user_path(name))
    inside = Path(*Path(name).parts[1:]) if Path(name).parts[:1] == ("recipes",) else Path(name)
    folders = [] if beside is None else [beside / name]
    for path in [*folders, Path(name), shipped() / inside, shipped() / "base" / inside]:
        if os.path.exists(path):
            return Path(os.path.normpath(path))
    return None


def missing(name: str) -> str:
    """Say that there is no such recipe, with the nearest shipped ones."""
    prefix = "recipes/" if Path(name).parts[:1] == ("recipes",) else ""
    known = [prefix + path.relative_to(shipped()).as_posix() for path in shipped().rglob("*.yaml")]
    return f"no such recipe '{name}'" + (nearest(name, known) if known else "")


def display(path: Path) -> str:
    """Shorten a path for messages: relative when it lies under the working directory."""
    absolute, here = Path(os.path.abspath(path)), Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)


def read(path: Path, problems: list[str], chain: tuple[Path, ...] = ()) -> Node:
    """Read a recipe merged over the one it extends.

    Args:
        path: an existing path.
        problems: receives the mistakes that do not prevent reading on.
        chain: the recipes that led here by `extends`, outermost first.

    Raises:
        RecipeError: A file cannot be read or is not a mapping; holds `problems` too.
    """
    file = display(path)
    tree = parse(_text(path, file, problems), file, problems)
    if tree is None:
        raise RecipeError([*problems, f"{file}: empty, expected a mapping of keys to values"])
    if not isinstance(tree.value, dict):
        raise RecipeError([*problems, f"{tree.where}: expected a mapping of keys to values"])
    extends = tree.value.get("extends")
    tree = Node({k: node for k, node in tree.value.items() if k != "extends"}, f"{file}:1")
    if extends is None:
        return tree
    chain = (*chain, path)
    if len(chain) > _LEVELS:
        message = f"a recipe may extend at most {_LEVELS} others, one after the other"
        raise RecipeError([*problems, line(extends.where, "extends", message)])
    base = _base(extends, chain, problems)
    return merge(read(base, problems, chain), tree)


def _base(extends: Node, chain: tuple[Path, ...], problems: list[str]) -> Path:
    """Find the recipe that the last one of the chain extends."""

    def error(message: str) -> RecipeError:
        return RecipeError([*problems, line(extends.where, "extends", message)])

    if not isinstance(extends.value, str):
        raise error("expected a text, the path of a recipe")
    base = find(extends.value, chain[-1].parent)
    if base is None:
        raise error(missing(extends.value))
    if base.resolve() in {path.resolve() for path in chain}:
        shown = " -> ".join(display(path) for path in (*chain, base))
        raise error(f"recipes extend each other in a cycle: {shown}")
    return base


def _text(path: Path, file: str, problems: list[str]) -> str:
    try:
        content = small_file(path)
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"{file}: not UTF-8 text (byte {error.start}), expected a YAML file"
        raise RecipeError([*problems, message]) from error
    except RecipeError as error:
        raise RecipeError([*problems, f"{file}: {error}"]) from error
    except OSError as error:
        raise RecipeError([*problems, f"{file}: cannot be read: {error.strerror}"]) from error
