"""What figures and checks are made of: all results of some runs in one table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msml.errors import DataError, RecipeError
from msml.recipe import Recipe, load
from msml.recipe.files import find, missing
from msml.recipe.schema import Report
from msml.recipe.tree import line
from msml.report.facts import Facts, facts
from msml.runs import layout
from msml.runs.directory import read_json, read_records
from msml.sweep.collect import Row, collect, columns, run_rows
from msml.sweep.plan import Plan, make
from msml.sweep.tables import missing_lines

if TYPE_CHECKING:
    from pandas import DataFrame

SHORT = {
    "first": ("momentum_mse_gev2", "momentum_mse", "validity"),
    "last": ("auc",),
}
"""Metrics of the first and of the last task that have a column of their own."""


COLUMNS = (
    *("run", "directory", "chain", "mode", "first", "last", "seed", "v1", "strategy", "models"),
    *("events", "dummies", "selected", "undetermined", "gradient_passes", "train_seconds"),
    *("seconds", "mse", "mse error", "validity", "validity error", "auc", "auc error"),
    "valid_loss",
)
"""Columns of every table."""

_TEXTS = ("run", "directory", "chain", "mode", "first", "last", "strategy", "dummies", "selected")
NUMBERS = [name for name in COLUMNS if name not in (*_TEXTS, "undetermined")]
"""Those of them that hold numbers."""


@dataclass(frozen=True)
class _Block:
    """The part of a recipe that is about reports."""

    report: Report = field(default_factory=Report)


@dataclass(frozen=True)
class Results:
    """The results of one or more sweeps, or of given runs.

    Attributes:
        name: What was asked for.
        figures: The figures that the recipe names.
        table: A row for each run, chain and mode; the columns are those of `tidy`.
        runs: Directories of the runs that have begun.
        points: Number of runs in all.
        missing: What is not there, a line or more for each unit.
        overrides: Those of the command line.
        rows: What the sweeps collected, a row for each point, chain and mode.
        axes: Names of the sweeps' axes, which are columns of `rows`.
        every: `rows` as `described` gives them, which `table` is taken from; of a recipe only.
        unblinded: Those of the runs whose results show blind subsets.
    """

    name: str
    figures: tuple[str, ...]
    table: "DataFrame"
    runs: tuple[Path, ...]
    points: int
    missing: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    axes: tuple[str, ...] = ()
    every: "DataFrame | None" = None
    unblinded: frozenset[Path] = frozenset()

    def evaluation(self, run: Path) -> Path:
        """Folder of the evaluation of a run that the results are from."""
        return layout.evaluation(run, run in self.unblinded)

    def place(self, row: Row) -> str:
        """Where a row of `rows` stands on the axes, but for its seed; empty without axes."""
        return ", ".join(str(row.get(name)) for name in self.axes if name != "seed")

    @cached_property
    def selections(self) -> dict[Path, Mapping[str, Any]]:
        """What the search of each run kept of itself."""
        found: dict[Path, Mapping[str, Any]] = {}
        for run in self.runs:
            for stage in ("search", "grid"):
                if (path := layout.selection(run, stage)).exists():
                    found[run] = read_json(path, "chosen")
                    break
        return found


def of_recipe(recipe: str, overrides: Sequence[str], runs: Path) -> Results:
    """Gather the results of a recipe's sweep, and of those that its `report` names besides.

    The overrides hold for all of them.

    Raises:
        RecipeError: If one of them is wrong.
    """
    plans = [make(each, overrides, runs) for each in (recipe, *_also(recipe))]
    rows: list[Row] = []
    lines: list[str] = []
    for plan in plans:
        found, undone = collect(plan)
        rows += [{**row, "directory": str(plan.runs_folder / row["run"])} for row in found]
        lines += missing_lines(undone)
    axes = dict.fromkeys(name for plan in plans for values, _ in plan.points for name in values)
    directories = dict.fromkeys(d for plan in plans for d in _directories(plan))
    every = described(rows)
    return Results(
        name=recipe,
        figures=named_figures(recipe),
        table=once(every)[list(COLUMNS)],
        runs=tuple(d for d in directories if layout.recipe(d).exists()),
        points=len(directories),
        missing=tuple(lines),
        overrides=tuple(overrides),
        rows=tuple(rows),
        axes=tuple(axes),
        every=every,
        unblinded=frozenset(d for plan in plans if plan.unblind for d in _directories(plan)),
    )


def named_figures(recipe: str) -> tuple[str, ...]:
    """The figures that a recipe names."""
    return tuple(load(recipe, _Block, partial=True).values.report.figures)


def of_runs(directories: Sequence[Path]) -> Results:
    """Gather the results of given runs; those of `evaluate.unblind` where there are some.

    Raises:
        DataError: One of them is no run.
    """
    rows: list[Row] = []
    lines = []
    unblinded = frozenset(filter(layout.is_unblinded, directories))
    for path in directories:
        if not layout.recipe(path).exists():
            raise DataError(f"{path}: no run: it has no recipe.yaml")
        found = list(run_rows(path, f"{path.parent.name}/{path.name}", path in unblinded))
        rows += [{**row, "directory": str(path)} for row in found]
        lines += _undone(path, layout.evaluation(path, path in unblinded) / layout.RESULT)
    name, runs = ", ".join(map(str, directories)), tuple(directories)
    return Results(name, (), tidy(rows), runs, len(runs), tuple(lines), unblinded=unblinded)


def _undone(run: Path, path: Path) -> list[str]:
    if not path.exists():
        return [f"not done: {run}"]
    try:
        read_records(path, *layout.MEASURED)
    except DataError as error:
        return [str(error)]
    return []


def tidy(rows: Sequence[Row]) -> "DataFrame":
    """Give every row what its run's recipe says, and metrics the names that figures use.

    A run is its resolved recipe: it is there once, whatever folders and sweeps have it.

    Returns:
        Columns `run`, `directory`, `chain`, `mode`, `first` and `last` (the candidates of the first
        and the last task), `seed`, `v1` (weight of the first task), `strategy` (empty for none),
        `models` (candidates of a task), `events`, `dummies`, `selected`, `undetermined`,
        `gradient_passes`, `train_seconds`, `seconds`, `mse` (GeV² where the recipe has that),
        `validity`, `auc`, each with `… error`, and `valid_loss` of the last task.
    """
    return once(described(rows))[list(COLUMNS)]


def described(rows: Sequence[Row]) -> "DataFrame":
    """Add to every row the columns of `tidy` and `identity`, the same for runs of one recipe."""
    from pandas import DataFrame, to_numeric

    known: dict[str, Facts] = {}
    made: list[Row] = []
    for row in rows:
        directory = row["directory"]
        about = known[directory] = known.get(directory) or facts(Path(directory))
        made.append({**row, **_tidied(row, about), "identity": about.identity})
    names = dict.fromkeys((*COLUMNS, "identity", *columns(made)))
    table = DataFrame(made, columns=list(names))
    for name in NUMBERS:
        table[name] = to_numeric(table[name], errors="coerce")
    return table


def once(table: "DataFrame", along: Sequence[str] = ()) -> "DataFrame":
    """Keep a row for each run, chain and mode; for each place along some columns, if asked."""
    return table.drop_duplicates(["identity", "chain", "mode", *along])


def _tidied(row: Row, about: Facts) -> Row:
    chain = str(row.get("chain", ""))
    names = chain.split("+") if chain else ["", ""]
    made = {
        **{name: row.get(name) for name in ("run", "directory", "seconds", "gradient_passes")},
        **{name: row.get(name) for name in ("selected", "undetermined")},
        **{"chain": chain, "mode": row.get("mode"), "first": names[0], "last": names[-1]},
        **{"seed": about.seed, "v1": about.weight, "strategy": about.strategy},
        **{"models": about.models, "events": about.events, "dummies": about.dummies},
        "train_seconds": about.train_seconds,
        "valid_loss": about.valid_loss(chain, str(row.get("mode"))),
    }
    places = {"first": about.tasks[0], "last": about.tasks[-1]}
    for place, metrics in SHORT.items():
        for metric in metrics:
            short = "mse" if metric.startswith("momentum_mse") else metric
            key = f"{places[place]}/{metric}"
            if key in row and short not in made:
                made |= {short: row[key], f"{short} error": row[f"{key} error"]}
    return made


def _also(recipe: str) -> Iterator[str]:
    """Find the recipes that a recipe's `report` names besides."""
    block = load(recipe, _Block, partial=True)
    for index, name in enumerate(block.values.report.also):
        yield _named(block, f"report.also.{index}", name)


def statements_of(recipe: str) -> str:
    """The file of statements that a recipe names.

    Raises:
        RecipeError: There is no such file.
    """
    block = load(recipe, _Block, partial=True)
    return _named(block, "report.expected", block.values.report.expected)


def _named(block: Recipe[_Block], key: str, name: str) -> str:
    """Find a file that a recipe names, beside it or among the shipped ones."""
    where = block.where(key)
    path = find(name, Path(where.rpartition(":")[0]).parent)
    if path is None:
        raise RecipeError(line(where, key, missing(name)))
    return str(path)


def _directories(plan: Plan) -> Iterator[Path]:
    for _, directory in plan.points:
        yield plan.runs_folder / directory
