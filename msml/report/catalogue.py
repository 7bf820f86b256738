"""The figures of a report: which there are, which are asked for, and drawing them.

A figure is a registered function that draws what its source gives. Its facts: `title`, `caption`;
`summary`, which makes a table of its numbers from the same; `source`, from `Results` to what both
are given, by default its table; `runs`, whether it shows runs, by default yes; `always`, whether it
goes along with those that a recipe names.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msml.errors import RecipeError
from msml.registry import figures
from msml.report.looks import NothingToDraw
from msml.report.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


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


def check(names: Sequence[str]) -> None:
    """Refuse figures that there are not.

    Raises:
        RecipeError: One line for each.
    """
    problems = []
    for name in names:
        try:
            figures.get(name)
        except RecipeError as error:
            problems.append(f"report.figures: {error}")
    if problems:
        raise RecipeError(problems)


def needs_runs(names: Sequence[str]) -> bool:
    """Whether any of the figures shows runs; so it is for those that are named by nobody."""
    return not names or any(_fact(name, "runs", True) for name in names)


def draw(results: Results) -> Iterator[Drawn | tuple[str, str]]:
    """Draw the figures that the recipe names, or all that its results allow.

    Yields:
        A figure, or the name of one that the recipe names and why there is nothing to draw.
    """
    wanted = list(results.figures)
    for name in wanted or [n for n in figures.names() if _fact(n, "runs", True)]:
        try:
            yield drawn(name, results)
        except NothingToDraw as reason:
            if wanted:
                yield name, str(reason)
    if not wanted or not needs_runs(wanted):
        return
    for name in figures.names():
        if _fact(name, "always", False) and name not in wanted:
            try:
                yield drawn(name, results)
            except NothingToDraw:
                continue


def drawn(name: str, results: Results) -> Drawn:
    """Draw one figure.

    Raises:
        NothingToDraw: The results have nothing for it.
    """
    entry = figures.get(name)
    source = _fact(name, "source", _table)(results)
    table, figure = entry.facts["summary"](source), entry.function(source)
    caption = entry.facts["caption"]
    if not _fact(name, "runs", True):
        caption = f"{caption} Events: {source}."
    return Drawn(name, entry.facts["title"], caption, figure, table)


def _fact(name: str, fact: str, otherwise: Any) -> Any:
    return figures.get(name).facts.get(fact, otherwise)


def _table(results: Results) -> "DataFrame":
    return results.table
