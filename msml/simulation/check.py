"""What is wrong with an event recipe that its types do not show."""

from collections.abc import Iterator

from msml.data.schema import COLUMNS
from msml.errors import RecipeError, nearest
from msml.recipe.messages import Problem, name_problem
from msml.simulation.columns import COLLECTIONS
from msml.simulation.generator import Generator, PythiaError, refused_settings
from msml.simulation.selections import build_selection
from msml.simulation.settings import EventRecipe

_SOURCES = ("towers", "energy_flow")
_RING = 4


def check(recipe: EventRecipe) -> list[Problem]:
    """Find every mistake before anything is generated: keys and messages."""
    problems = [*_detector(recipe), *_processes(recipe), *_names(recipe), *_pythia(recipe)]
    if not problems:
        problems = list(_start(recipe))
    return problems


def _detector(recipe: EventRecipe) -> Iterator[Problem]:
    """Check that the tables fit together."""
    detector = recipe.detector
    for kind in ("hadrons", "electrons", "muons"):
        table, key = getattr(detector, kind), f"detector.{kind}"
        if [len(row) for row in table.efficiency] != [len(table.pt)] * len(table.eta):
            yield f"{key}.efficiency", "expected one row for each of eta, one number for each of pt"
        if [len(row) for row in table.resolution] != [2] * len(table.resolution_eta):
            yield f"{key}.resolution", "expected [a, b] for each of resolution_eta"
        for name in ("eta", "pt", "resolution_eta"):
            if sorted(getattr(table, name)) != getattr(table, name):
                yield f"{key}.{name}", "expected rising numbers"
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
    if recipe.columns == []:
        yield "columns", "none; expected at least one"
    for column in recipe.columns or []:
        if column not in COLUMNS:
            yield "columns", f"unknown column '{column}'{nearest(column, list(COLUMNS))}"
        elif column in COLLECTIONS and recipe.collections.jets == 0:
            yield "columns", f"'{column}' needs collections.jets above 0"
        elif (mask := COLUMNS[column].mask) and mask not in (recipe.columns or []):
            yield "columns", f"'{column}' needs '{mask}', which says what is real in it"
    try:
        build_selection(recipe.selection)
    except RecipeError as error:
        for problem in error.problems:
            key, _, message = problem.partition(": ")
            yield key, message


def _pythia(recipe: EventRecipe) -> Iterator[Problem]:
    blocks = {"pythia": recipe.pythia, "pileup.pythia": recipe.pileup.pythia}
    blocks |= {f"processes.{name}.pythia": p.pythia for name, p in recipe.processes.items()}
    for key, settings in blocks.items():
        for name in refused_settings(settings):
            yield f"{key}.{name}", f"Pythia has no such setting or refuses '{settings[name]}'"


def _start(recipe: EventRecipe) -> Iterator[Problem]:
    for name, process in recipe.processes.items():
        try:
            Generator({**recipe.pythia, **process.pythia})
        except PythiaError as error:
            yield f"processes.{name}.pythia", str(error)
