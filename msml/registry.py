"""Names for the functions a recipe may use: models, losses, metrics, strategies, weightings.

A recipe holds names, never paths to code. The built-in functions are registered when their modules
are first asked for, and so are those of the studies: a study has a module for each kind, such as
`msml.studies.htautau.models`. These modules import Keras inside their functions, so that listing
what there is needs no TensorFlow.
"""

import importlib
import importlib.util
import inspect
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar

from msml.errors import RecipeError, StoppedError, nearest
from msml.files import small_file
from msml.neighbours import fingerprint, importable, neighbours

Function = TypeVar("Function", bound=Callable[..., Any])

_fingerprints: dict[Path, str] = {}  # of the loaded plugins
_loading: list[str] = []  # the plugin being loaded


@dataclass(frozen=True)
class Entry:
    """One registered function, or column.

    Attributes:
        kind: What it is: "model", "loss", ...
        name: Its name in recipes.
        function: The function itself; the description of a column.
        summary: The first line of its docstring.
        facts: What is known about it without calling it, such as `parameters` of a model.
        source: The module or the plugin that registered it.
    """

    kind: str
    name: str
    function: Any
    summary: str
    facts: Mapping[str, Any]
    source: str


class Registry:
    """The functions of one kind, by name."""

    def __init__(self, kind: str, plural: str, modules: tuple[str, ...] = ()) -> None:
        """Make a registry whose built-in functions live in `modules`."""
        self.kind = kind
        self.plural = plural
        self._modules = modules
        self._entries: dict[str, Entry] = {}
        self._loaded = False

    def register(self, name: str, **facts: Any) -> Callable[[Function], Function]:
        """Register the decorated function under `name`, with facts about it."""

        def add(function: Function) -> Function:
            summary = (inspect.getdoc(function) or "").partition("\n")[0]
            self.add(name, function, summary, function.__module__, facts)
            return function

        return add

    def add(
        self,
        name: str,
        function: Any,
        summary: str,
        module: str,
        facts: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Register anything under `name`, as a plugin's or else as a module's.

        Raises:
            RecipeError: The name is taken.
        """
        source = _loading[-1] if _loading else module
        if name in self._entries:
            other = self._entries[name].source
            message = f"{self.kind} '{name}' is registered twice, in {other} and in {source}"
            raise RecipeError(message)
        self._entries[name] = Entry(self.kind, name, function, summary, facts, source)

    def get(self, name: str) -> Entry:
        """Return the entry of this name.

        Raises:
            RecipeError: There is none; the message says which names are near.
        """
        self.load()
        if name not in self._entries:
            ending = nearest(name, self.names()) if self._entries else "; there are none"
            raise RecipeError(f"unknown {self.kind} '{name}'{ending}")
        return self._entries[name]

    def names(self) -> list[str]:
        """Return all names, sorted."""
        self.load()
        return sorted(self._entries)

    def entries(self) -> list[Entry]:
        """Return all entries, sorted by name."""
        return [self._entries[name] for name in self.names()]

    def load(self) -> None:
        """Import the modules with the built-in functions, and those of the studies."""
        if not self._loaded:
            for module in (*self._modules, *_of_studies(self.plural)):
                importlib.import_module(module)
            self._loaded = True

    def forget(self, source: str) -> None:
        """Remove what a module or plugin has registered."""
        self._entries = {n: e for n, e in self._entries.items() if e.source != source}


models = Registry(
    "model",
    "models",
    (
        *("msml.models.dense", "msml.models.sets", "msml.models.graphs", "msml.models.ordered"),
        "msml.models.dummies",
    ),
)
losses = Registry("loss", "losses", ("msml.losses",))
metrics = Registry(
    "metric",
    "metrics",
    tuple(f"msml.metrics.{name}" for name in ("generic", "reliability", "significance")),
)
transforms = Registry(
    "transform",
    "transforms",
    tuple(f"msml.data.transforms.{name}" for name in ("numbers", "classes", "momenta")),
)
strategies = Registry(
    "strategy",
    "strategies",
    tuple(
        f"msml.strategies.{name}"
        for name in ("darts.search", "grid", "random", "single_path.asng", "single_path.spos")
    ),
)
weightings = Registry(
    "weighting",
    "weightings",
    tuple(
        f"msml.weighting.{name}" for name in ("fixed", "uncertainty", "rates", "imtl", "conflicts")
    ),
)


schedules = Registry("schedule", "schedules", ("msml.training.schedules",))


def is_dummy(model: str) -> bool:
    """Say whether a model is registered as one that passes on nothing of its input."""
    return model in models.names() and bool(models.get(model).facts.get("dummy"))


figures = Registry(
    "figure",
    "figures",
    tuple(f"msml.report.{name}" for name in ("cost", "loss_curves", "points", "weight_curves")),
)
event_pages = Registry("event page", "event_pages", ("msml.report.event_pages",))
columns = Registry("column", "columns", ("msml.data.schema", "msml.simulation.columns"))
importers = Registry("importer", "importers", ("msml.data.importers",))
formats = Registry("format", "formats", ("msml.stages.prediction.formats",))
evaluation_figures = Registry(
    "figure of an evaluation",
    "evaluation_figures",
    ("msml.report.roc", "msml.report.reliability", "msml.report.explanations"),
)

REGISTRIES = {
    registry.plural: registry
    for registry in (
        models,
        losses,
        metrics,
        transforms,
        strategies,
        weightings,
        schedules,
        figures,
        evaluation_figures,
        event_pages,
        columns,
        importers,
        formats,
    )
}


@cache
def _of_studies(plural: str) -> tuple[str, ...]:
    """Name the modules of the studies that register functions of a kind, such as `models`."""
    folder = str(Path(__file__).parent / "studies")
    found = (f"msml.studies.{study.name}.{plural}" for study in pkgutil.iter_modules([folder]))
    return tuple(name for name in found if importlib.util.find_spec(name) is not None)


def load_plugins(paths: Iterable[str | Path]) -> None:
    """Import a user's Python files, so that their registrations take effect.

    A file that has not changed since it was loaded, nor any module that it imports from its folder,
    is left alone; one that has replaces its earlier registrations.

    Raises:
        RecipeError: Files that are missing or broken, one line each.
    """
    for registry in REGISTRIES.values():
        registry.load()
    problems = []
    for path in paths:
        try:
            _load_plugin(Path(path))
        except RecipeError as error:
            problems.extend(error.problems)
    if problems:
        raise RecipeError(problems)


def plugin_fingerprint(entry: Entry) -> str | None:
    """Return the hash of the plugin that registered an entry, None for msml's own."""
    return _fingerprints.get(Path(entry.source))


def plugin_hash(path: Path) -> str:
    """Return the hash of a plugin and its neighbours as they were when it was loaded."""
    return _fingerprints[path.resolve()]


def _load_plugin(path: Path) -> None:
    try:
        resolved, text = path.resolve(), small_file(path)
        modules = neighbours(resolved)
        mark = fingerprint(text, modules)
    except OSError as error:
        raise RecipeError(f"plugin {path}: {error.strerror}") from error
    except RecipeError as error:
        raise RecipeError(f"plugin {path}: {error}") from error
    if _fingerprints.get(resolved) == mark:
        return
    _forget_plugin(resolved)
    _loading.append(str(resolved))
    try:
        with importable(resolved.parent, modules):
            _execute(text, resolved)
    except StoppedError:  # a signal, no fault of the plugin
        raise
    except (Exception, SystemExit) as error:
        _forget_plugin(resolved)
        raise RecipeError(f"plugin {path}: {_reason(error, str(resolved))}") from error
    finally:
        _loading.pop()
    _fingerprints[resolved] = mark


def _execute(text: bytes, path: Path) -> None:
    """Run the text of a plugin as a module of its own, whatever other files are called."""
    module = ModuleType(_module_name(path))
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    exec(compile(text, str(path), "exec"), module.__dict__)


def _forget_plugin(path: Path) -> None:
    _fingerprints.pop(path, None)
    sys.modules.pop(_module_name(path), None)
    for registry in REGISTRIES.values():
        registry.forget(str(path))


def _module_name(path: Path) -> str:
    return f"msml_plugin_{sha256(str(path).encode()).hexdigest()[:12]}"


def _reason(error: BaseException, path: str) -> str:
    """Say in one line why a plugin failed, with its own line number."""
    if isinstance(error, SyntaxError) and error.filename == path:
        line, text = error.lineno, error.msg
    else:
        frames = traceback.extract_tb(error.__traceback__)
        line = next((f.lineno for f in reversed(frames) if f.filename == path), None)
        text = str(error)
    kind = "" if isinstance(error, RecipeError) else f"{type(error).__name__}: "
    return (f"line {line}: " if line else "") + kind + " ".join(text.split())
