"""Writing a report: figures, tables, and the page around them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from msml.errors import RecipeError
from msml.files import atomic
from msml.plotting import SUFFIXES, save, style
from msml.report import tables
from msml.report.catalogue import Drawn, check, draw, needs_runs
from msml.report.kept import keep
from msml.report.page import About, Section, page
from msml.report.results import Results
from msml.runs import layout

if TYPE_CHECKING:
    from pandas import Series

PAGE = "index.html"
_MARK = '<meta name="generator" content="msml">'
_EXAMPLES = {
    "roc": ("ROC curve", "Rejection of background against efficiency of signal, on test."),
    "mass": (
        "Di-tau mass",
        "Invariant mass before (jets) and after calibration, and true, on test.",
    ),
    "response": (
        "Momentum response and resolution",
        "Median and half width of pT over true pT, before (jets) and after calibration, on test.",
    ),
    "validity": (
        "Outputs beside the Gaussian process",
        "Bands of the Gaussian process and outputs of the chain, on test.",
    ),
    "reliability": (
        "Reliability",
        "How often probabilities came true, in bins of them, on test.",
    ),
    "importance": (
        "Importance of inputs",
        "What is lost where an input is that of other test events.",
    ),
    "dependence": (
        "Partial dependence",
        "Mean answer of a task where all test events have the same value of an input.",
    ),
}

_LATENT = ("Latent space", "The two numbers of a feature, coloured by label, on test.")


@dataclass(frozen=True)
class Written:
    """A report.

    Attributes:
        page: The HTML page.
        files: All files, the page included.
        undrawn: Figures that could not be drawn, and why.
    """

    page: Path
    files: list[Path] = field(default_factory=list)
    undrawn: dict[str, str] = field(default_factory=dict)


def check_folder(folder: Path) -> None:
    """Refuse a folder in which a report would take the place of something else.

    Raises:
        RecipeError: It is a file, or holds other files and no report.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise RecipeError(f"{folder}: is a file, expected a folder")
    page = folder / PAGE
    ours = page.is_file() and _MARK in page.read_text(errors="replace")
    if folder.is_dir() and any(folder.iterdir()) and not ours:
        raise RecipeError(f"{folder}: holds other files and no report; name another folder")


def write(results: Results, folder: Path) -> Written:
    """Write a report into a folder; what is missing is said on its page.

    Raises:
        DataError: If it cannot be written.
        RecipeError: The recipe names a figure that there is not.
    """
    check(results.figures)
    found = Written(folder / PAGE)
    sections = []
    with style():
        for each in draw(results):
            if isinstance(each, Drawn):
                sections.append(_section(each, folder))
                found.files.extend(sections[-1].files)
            else:
                found.undrawn[each[0]] = each[1]
    if needs_runs(results.figures):
        found.files.append(keep(results.table, folder))
        sections += examples(results)
    about = About(
        results.name,
        results.runs,
        results.points,
        results.missing,
        found.undrawn,
        tuple(map(results.evaluation, results.runs)),
    )
    with atomic(found.page) as temporary:
        temporary.write_text(page(about, sections, folder))
    found.files.insert(0, found.page)
    return found


def _section(drawn: Drawn, folder: Path) -> Section:
    """Write one figure and its numbers."""
    files = [folder / f"{drawn.name}{suffix}" for suffix in SUFFIXES]
    for file in files:
        save(drawn.figure, file)
    for suffix in tables.FORMATS:
        files.append(folder / f"{drawn.name}{suffix}")
        with atomic(files[-1]) as temporary:
            temporary.write_text(tables.text(drawn.table, suffix))
    picture = folder / f"{drawn.name}.png"
    number = drawn.name.removeprefix("fig")
    heading = f"Fig. {number}: {drawn.title}" if number != drawn.name else drawn.title
    return Section(
        drawn.name, heading, drawn.caption, picture, tables.cells(drawn.table), tuple(files)
    )


def examples(results: Results) -> list[Section]:
    """Show what `msml evaluate` has drawn of one run of each strategy: the one of median AUC.

    And, at each point of a sweep where a task gives a feature of two numbers, these of the first
    seed.
    """
    found = [s for row in typical(results) for s in _of_run(results, row)]
    return [*found, *_latent_spaces(results)]


def typical(results: Results) -> "Sequence[Series]":
    """Pick a run of each strategy: of the median weight of task 1, that of the median AUC."""
    rows = results.table[results.table["auc"].notna()]
    rows = rows.drop_duplicates("directory", keep="last")
    picked = []
    for _, here in rows.groupby("strategy", sort=True):
        weights = sorted(set(here["v1"]))
        same = here[here["v1"] == weights[len(weights) // 2]].sort_values("auc", kind="stable")
        picked.append(same.iloc[len(same) // 2])
    return picked


def _latent_spaces(results: Results) -> Iterator[Section]:
    seen: set[str] = set()
    for row in results.rows:
        place = results.place(row)
        evaluation = results.evaluation(Path(row["directory"]))
        folder = evaluation / layout.part(str(row.get("chain")))
        pictures = [] if place in seen else sorted(folder.glob("latent_*.png"))
        for picture in pictures:
            seen.add(place)
            title = f"{_LATENT[0]}, {place}" if place else _LATENT[0]
            anchor = f"{picture.stem}-{len(seen)}"
            about = f"{_LATENT[1]} Run {row['run']}."
            files = (picture, picture.with_suffix(".pdf"))
            yield Section(anchor, title, about, picture, None, files)


def _of_run(results: Results, row: "Series") -> Iterator[Section]:
    folder = results.evaluation(Path(row["directory"]))
    for name, (title, caption) in _EXAMPLES.items():
        chain = folder / layout.part(row["chain"])
        own = [
            p for p in (chain / f"{name}.png", chain / row["mode"] / f"{name}.png") if p.exists()
        ]
        common = sorted(folder.glob(f"{name}*.png")) if name == "roc" else []
        for picture in (own or common)[:1]:
            about = f"{caption} Run {row['run']}"
            about += f", chain {row['chain']}." if own else "."
            anchor = f"{name}-{row['strategy'] or 'given'}"
            heading = f"{title}, {row['strategy'] or 'given pairs'}"
            yield Section(
                anchor, heading, about, picture, None, (picture, picture.with_suffix(".pdf"))
            )
