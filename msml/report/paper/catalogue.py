"""The figures by name, and what each is made from."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from msml.errors import RecipeError, nearest
from msml.recipe import load
from msml.recipe.schema import TrainRecipe
from msml.report.paper import fig2, fig3, fig4, fig5, fig6, fig7, fig8, losses
from msml.report.paper.looks import NothingToDraw
from msml.report.paper.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


@dataclass(frozen=True)
class Entry:
    """One figure that there can be.

    Attributes:
        module: Has `TITLE`, `CAPTION`, `summary` and `draw`.
        source: What these two are given.
    """

    module: ModuleType
    source: Callable[[Results], Any]


@dataclass(frozen=True)
class Drawn:
    """One figure that there is.

    Attributes:
        name: Its name.
        title: Its heading.
        caption: What it shows.
        figure: The picture.
        table: Its numbers.
    """

    name: str
    title: str
    caption: str
    figure: "Figure"
    table: "DataFrame"


def _table(results: Results) -> "DataFrame":
    return results.table


def _searches(results: Results) -> list[fig4.Search]:
    return fig4.searches(list(results.selections.values()))


def _events(results: Results) -> Path:
    """The event file of a recipe; there may be no runs yet."""
    about_data = [each for each in results.overrides if each.startswith("data.")]
    loaded = load(results.name, TrainRecipe, about_data)
    return loaded.locate("data.file", loaded.values.data.file)


FIGURES = {
    "fig2": Entry(fig2, _table),
    "fig3": Entry(fig3, _table),
    "fig4": Entry(fig4, _searches),
    "fig5": Entry(fig5, _table),
    "fig6": Entry(fig6, _table),
    "fig7": Entry(fig7, _table),
    "fig8": Entry(fig8, _events),
    "losses": Entry(losses, _table),
}
_NO_RUNS = ("fig8",)
_ALWAYS = ("losses",)


def check(names: Sequence[str]) -> None:
    """Refuse figures that there are not.

    Raises:
        RecipeError: One line for each.
    """
    wrong = [name for name in names if name not in FIGURES]
    if wrong:
        raise RecipeError(
            [f"report.figures: unknown figure '{n}'{nearest(n, list(FIGURES))}" for n in wrong]
        )


def needs_runs(names: Sequence[str]) -> bool:
    """Whether any of the figures shows runs; so it is for those that are named by nobody."""
    return not names or any(name not in _NO_RUNS for name in names)


def draw(results: Results) -> Iterator[Drawn | tuple[str, str]]:
    """Draw the figures that the recipe names, or all that its results allow.

    Yields:
        A figure, or the name of one that the recipe names and why there is nothing to draw.
    """
    wanted = list(results.figures)
    for name in wanted or [n for n in FIGURES if n not in _NO_RUNS]:
        try:
            yield drawn(name, results)
        except NothingToDraw as reason:
            if wanted:
                yield name, str(reason)
    for name in _ALWAYS if wanted and needs_runs(wanted) else ():
        if name not in wanted:
            try:
                yield drawn(name, results)
            except NothingToDraw:
                continue


def drawn(name: str, results: Results) -> Drawn:
    """Draw one figure.

    Raises:
        NothingToDraw: The results have nothing for it.
    """
    module = FIGURES[name].module
    source = FIGURES[name].source(results)
    table, figure = module.summary(source), module.draw(source)
    caption = f"{module.CAPTION} Events: {source}." if name in _NO_RUNS else module.CAPTION
    return Drawn(name, module.TITLE, caption, figure, table)
