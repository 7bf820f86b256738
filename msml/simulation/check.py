"""What is wrong with an event recipe that its types do not show."""

from collections.abc import Collection, Iterator

from msml.data.schema import COLUMNS
from msml.errors import RecipeError, nearest
from msml.recipe.messages import Problem, name_problem
from msml.simulation.columns import ALWAYS, COLLECTIONS
from msml.simulation.detector_card import Efficiency, Tracking
from msml.simulation.generator import Generator, PythiaError, refused_settings
from msml.simulation.selections import build_selection
from msml.simulation.settings import EventRecipe

_SOURCES = ("towers", "energy_flow")
_RING = 4
_EFFICIENCIES = ("hadrons", "electrons", "muons", "electron_identification", "muon_identification")
_TAGGING = {
    "b": ("height", "rise", "fall"),
    "c": ("height", "rise", "fall"),
    "light": ("constant", "slope"),
}


def check(recipe: EventRecipe) -> list[Problem]:
    """Find every mistake before anything is generated: keys and messages."""
    problems = [*_detector(recipe), *_processes(recipe), *_names(recipe), *_pythia(recipe)]
    if not problems:
        problems = list(_start(recipe))
    return problems


def _detector(recipe: EventRecipe) -> Iterator[Problem]:
    """Check that the tables fit together."""
    detector = recipe.detector
    for kind in _EFFICIENCIES:
        yield from _efficiency(f"detector.{kind}", getattr(detector, kind))
    for name, numbers in _TAGGING.items():
        if len(getattr(detector.b_tagging, name)) != len(numbers):
            yield f"detector.b_tagging.{name}", f"expected [{', '.join(numbers)}]"
    for kind in ("ecal", "hcal"):
        edge = 0.0
        for i, ring in enumerate(getattr(detector, kind).rings):
            if len(ring) != _RING or ring[0] != edge or ring[1] <= edge or min(ring[2:]) < 1:
                yield (
                    f"detector.{kind}.rings.{i}",
                    f"{ring}, expected [eta from, eta to, cells in eta, cells in phi] from {edge}",
                )
                break
            edge = ring[1]


def _efficiency(key: str, table: Efficiency) -> Iterator[Problem]:
    """Check a table of efficiencies, and of resolutions where it has one."""
    rising = ["eta", "pt"]
    if [len(row) for row in table.efficiency] != [len(table.pt)] * len(table.eta):
        yield f"{key}.efficiency", "expected one row for each of eta, one number for each of pt"
    if isinstance(table, Tracking):
        rising.append("resolution_eta")
        if [len(row) for row in table.resolution] != [2] * len(table.resolution_eta):
            yield f"{key}.resolution", "expected [a, b] for each of resolution_eta"
    for name in rising:
        if sorted(getattr(table, name)) != getattr(table, name):
            yield f"{key}.{name}", "expected rising numbers"


def _processes(recipe: EventRecipe) -> Iterator[Problem]:
    if not recipe.processes:
        yield "processes", "none; expected at least one"
    for name in recipe.processes:  # those of files have them
        if message := name_problem(name):
            yield f"processes.{name}", message


def _names(recipe: EventRecipe) -> Iterator[Problem]:
    if recipe.images.source not in _SOURCES:
        suggestion = nearest(recipe.images.source, list(_SOURCES))
        yield "images.source", f"unknown source '{recipe.images.source}'{suggestion}"
    try:
        filled = {*ALWAYS, *build_selection(recipe).columns}
    except RecipeError as error:
        filled = set(COLUMNS)
        for problem in error.problems:
            key, _, message = problem.partition(": ")
            yield key, message
    for message in _columns(recipe, filled):
        yield "columns", message


def _columns(recipe: EventRecipe, filled: Collection[str]) -> Iterator[str]:
    """Check the columns that are kept; the selection fills some."""
    if recipe.columns == []:
        yield "none; expected at least one"
    for column in recipe.columns or []:
        if column not in COLUMNS:
            yield f"unknown column '{column}'{nearest(column, list(COLUMNS))}"
        elif column in COLLECTIONS and recipe.collections.jets == 0:
            yield f"'{column}' needs collections.jets above 0"
        elif column not in COLLECTIONS and column not in filled:
            name = recipe.selection["name"]
            yield f"the selection '{name}' fills no '{column}'{nearest(column, list(filled))}"
        elif (mask := COLUMNS[column].mask) and mask not in (recipe.columns or []):
            yield f"'{column}' needs '{mask}', which says what is real in it"


def _pythia(recipe: EventRecipe) -> Iterator[Problem]:
    blocks = {"pythia": recipe.pythia, "pileup.pythia": recipe.pileup.pythia}
    blocks |= {f"processes.{name}.pythia": p.pythia for name, p in recipe.processes.items()}
    for key, settings in blocks.items():
        for name in refused_settings(settings):
            yield f"{key}.{name}", f"Pythia has no such setting or refuses '{settings[name]}'"


def _start(recipe: EventRecipe) -> Iterator[Problem]:
    for name in recipe.processes:
        try:
            Generator.of(recipe, name)
        except PythiaError as error:
            yield f"processes.{name}.pythia", str(error)
