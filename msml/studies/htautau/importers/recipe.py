"""The recipe of an import, and carrying it out."""

from dataclasses import dataclass, field

from msml.data.described import EventFile
from msml.errors import DataError, nearest
from msml.files import user_path
from msml.recipe import Recipe
from msml.simulation.matching import TauPairCuts
from msml.studies.htautau.importers.delphes import Images, Process, import_delphes
from msml.studies.htautau.importers.npy import import_npy

SOURCES = ("npy", "delphes")


@dataclass(frozen=True)
class Source:
    """Where events come from.

    Attributes:
        name: `npy` for the published code's arrays, `delphes` for Delphes' ROOT files.
        prefix: npy: what stands before the files' names, a folder or any text.
        events: npy: how many events of each class, from the first; all where null.
    """

    name: str
    prefix: str | None = None
    events: int | None = None


@dataclass(frozen=True)
class ImportRecipe:
    """The schema of an import's recipe.

    Attributes:
        output: The event file to make, relative to the working directory.
        source: Where the events come from.
        processes: delphes: the files by name of the process, in the order of the event file.
        selection: delphes: cuts on the taus and their jets.
        images: delphes: the images around the jets.
    """

    output: str
    source: Source
    processes: dict[str, Process] = field(default_factory=dict)
    selection: TauPairCuts = field(default_factory=TauPairCuts)
    images: Images = field(default_factory=Images)


def run_import(recipe: Recipe[ImportRecipe]) -> EventFile:
    """Make the event file that a recipe describes.

    Returns:
        What the new event file says of itself.

    Raises:
        RecipeError: A value of the recipe makes no sense.
        DataError: The output exists, or as `import_npy` and `import_delphes`.
    """
    values = recipe.values
    recipe.fail(_problems(values))
    output = user_path(values.output)
    if output.exists():
        raise DataError(f"{output}: exists; remove it or choose another output=...")
    if values.source.name == "npy":
        return import_npy(values.source.prefix or "", output, values.source.events)
    return import_delphes(values.processes, output, values.selection, values.images)


def _problems(values: ImportRecipe) -> list[tuple[str, str]]:
    """Find what the schema's types cannot say: key and message of each problem."""
    source = values.source
    if source.name not in SOURCES:
        return [
            ("source.name", f"unknown source '{source.name}'{nearest(source.name, [*SOURCES])}")
        ]
    return _npy_problems(values) if source.name == "npy" else _delphes_problems(values)


def _npy_problems(values: ImportRecipe) -> list[tuple[str, str]]:
    problems = []
    if not values.source.prefix:
        problems.append(("source.prefix", "missing; expected the folder of the .npy files"))
    if values.source.events is not None and values.source.events < 1:
        problems.append(("source.events", f"{values.source.events}, expected at least 1 or null"))
    unused = (
        ("processes", bool(values.processes)),
        ("selection", values.selection != TauPairCuts()),
        ("images", values.images != Images()),
    )
    return problems + [
        (key, "has no effect: the arrays of source npy are selected and made already")
        for key, given in unused
        if given
    ]


def _delphes_problems(values: ImportRecipe) -> list[tuple[str, str]]:
    problems = [
        (f"source.{key}", "has no effect: only source npy has it")
        for key, given in (("prefix", values.source.prefix), ("events", values.source.events))
        if given is not None
    ]
    if not values.processes:
        problems.append(("processes", "missing; expected NAME: {label: 0 or 1, files: [...]}"))
    for name, process in values.processes.items():
        if process.label not in (0, 1):
            problems.append((f"processes.{name}.label", f"{process.label}, expected 0 or 1"))
        if not process.files:
            problems.append((f"processes.{name}.files", "empty; expected paths of ROOT files"))
    if values.images.pixels < 1:
        problems.append(("images.pixels", f"{values.images.pixels}, expected at least 1"))
    if not values.images.half_width > 0:
        problems.append(("images.half_width", f"{values.images.half_width}, expected above 0"))
    return problems
