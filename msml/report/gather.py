"""From the command line to results, and to the folder of their report."""

import os
from collections.abc import Sequence
from pathlib import Path

from msml.errors import RecipeError
from msml.files import user_path
from msml.recipe import load
from msml.recipe.schema import TrainRecipe
from msml.report.catalogue import check, needs_runs
from msml.report.kept import of_table
from msml.report.results import Results, named_figures, of_recipe, of_runs, tidy

_FOLDER = "report"


def gather(
    asked: str, more: Sequence[str], runs: Path, kept: Path | None = None
) -> tuple[Results, Path]:
    """Gather results of a recipe with overrides, or of run directories.

    Args:
        asked: The recipe, or a run directory.
        more: Overrides, or more run directories.
        runs: Folder of all runs.
        kept: A table that was kept of a report of the recipe, to be taken instead of runs.

    Returns:
        The results, and the folder of their report.

    Raises:
        DataError: A directory is no run, or the table is none.
        RecipeError: The recipe is wrong, or a folder is given beside a recipe.
    """
    if kept:
        return of_table(asked, more, kept), _folder(asked, runs)
    if os.path.isdir(user_path(asked)):
        return _of_directories([user_path(asked), *map(user_path, more)])
    if os.sep in asked and Path(asked).suffix not in (".yaml", ".yml"):
        raise RecipeError(f"{asked}: no such folder; expected run directories, or a recipe")
    if folders := [text for text in more if "=" not in text or os.path.isdir(text)]:
        raise RecipeError(f"{folders[0]}: expected KEY=VALUE after a recipe")
    folder, figures = _folder(asked, runs), named_figures(asked)
    check(figures)
    if not needs_runs(figures):
        return Results(asked, figures, tidy([]), (), 0, (), tuple(more)), folder
    return of_recipe(asked, more, runs), folder


def _folder(recipe: str, runs: Path) -> Path:
    """Where the report of a recipe lies."""
    return runs / load(recipe, TrainRecipe).values.name / _FOLDER / Path(recipe).stem


def _of_directories(directories: list[Path]) -> tuple[Results, Path]:
    """One run has the report beside its results; several, where all of them lie."""
    if wrong := [path for path in directories if not path.is_dir()]:
        raise RecipeError(f"{wrong[0]}: no such folder")
    results = of_runs(directories)
    if len(directories) == 1:
        return results, directories[0] / _FOLDER
    common = Path(os.path.commonpath([path.absolute() for path in directories]))
    return results, common / _FOLDER / "runs"
