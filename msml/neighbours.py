"""The modules that a plugin imports from its own folder."""

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from modulefinder import ModuleFinder
from pathlib import Path

_folders: list[str] = []  # of plugins, the last one first
_names: set[str] = set()  # of their neighbours


def neighbours(plugin: Path) -> dict[str, Path]:
    """Find the modules of a plugin's folder that it imports, also inside functions, by name.

    Also those that these import. What is imported by a name that is only known when the plugin
    runs, is not found. Where the plugin is not Python, every module beside it counts.
    """
    importlib.invalidate_caches()
    folder = plugin.parent
    finder = ModuleFinder(path=[str(folder)])
    try:
        finder.run_script(str(plugin))
    except (SyntaxError, TypeError, ValueError, AttributeError, OSError):
        return {path.stem: path for path in folder.glob("*.py")}
    files = {name: getattr(module, "__file__", None) for name, module in finder.modules.items()}
    found = {name: Path(file) for name, file in files.items() if file and name != "__main__"}
    broken = {name: folder.joinpath(*name.split(".")) for name in finder.badmodules}
    texts = {name: path.with_suffix(".py") for name, path in broken.items()}
    return found | {name: path for name, path in texts.items() if path.is_file()}


def fingerprint(text: bytes, modules: Mapping[str, Path]) -> str:
    """Hash the text of a plugin and its neighbours.

    Raises:
        OSError: One of them cannot be read.
    """
    digest = sha256(text)
    for name, path in sorted(modules.items()):
        digest.update(f"\0{name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


@contextmanager
def importable(folder: Path, modules: Mapping[str, Path]) -> Iterator[None]:
    """Put a plugin's folder on the path, at its end, and have its neighbours imported afresh.

    While the block runs those of other plugins are not there, and no bytecode is kept: that is told
    from a later version of its file by the second and the size only. The path stays, as functions
    may import later.
    """
    where = str(folder)
    _folders[:] = [where, *(other for other in _folders if other != where)]
    _names.update(modules)
    for name in _names & sys.modules.keys():
        file = getattr(sys.modules[name], "__file__", None)
        if file and any(Path(other) in Path(file).parents for other in _folders):
            del sys.modules[name]
    rest = [path for path in sys.path if path not in _folders]
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path[:] = [*rest, where]
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
        sys.path[:] = [*rest, *_folders]
