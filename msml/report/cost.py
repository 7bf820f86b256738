"""Quality of chains against what their predictions cost, and which are worth it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from msml.metrics import facts_of
from msml.plotting import COLOURS
from msml.recipe.expand import chain_name
from msml.registry import figures
from msml.report.looks import NothingToDraw, final, mean_and_error, new_figure
from msml.report.results import Results
from msml.report.run import heading
from msml.runs.cost import Cost, comparable, front, read
from msml.sweep.collect import COSTS, costs_of
from msml.sweep.compare import quality_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

TITLE = "Quality against cost"
CAPTION = (
    "How good each combination is, on average over runs, against the floating-point operations of "
    "an event (or, where these are not known, the time of 1,000 on the CPU). Those on the line are "
    "worth it: none is as good for less, or better for as much."
)
_FRONT = "front"
_MOST_NAMES = 12


@dataclass(frozen=True)
class Priced:
    """Chains with a quality and a cost.

    Attributes:
        by: What the quality is.
        rows: `chain`, `quality`, `quality error` and `COSTS`, for each chain of each run.
        better: Which qualities are better, `higher` or `lower`.
    """

    by: str
    rows: "DataFrame"
    better: str


def priced(results: Results) -> Priced:
    """Take the combinations that searches ranked on valid; where none did, those on test.

    Raises:
        NothingToDraw: There are not two chains whose cost was measured.
    """
    from pandas import DataFrame

    rows = [row for run in results.runs for row in _ranked(run, results.selections.get(run, {}))]
    by = rows[0]["by"] if rows else ""
    rows = [row for row in rows if row["by"] == by] or list(_evaluated(results))
    table = DataFrame(rows)
    if table.empty or table["chain"].nunique() < 2:
        raise NothingToDraw("no two chains whose cost was measured")
    by = table["by"].iloc[0]
    return Priced(by, table, str(facts_of(_metric(by)).get("better", "lower")))


def summarise(found: Priced) -> "DataFrame":
    """Mean quality and cost of each chain, cheapest first, and whether it is on the front."""
    from pandas import DataFrame

    made = []
    for chain, here in found.rows.groupby("chain", sort=False):
        about = mean_and_error(here["quality"], here["quality error"])
        row: dict[str, Any] = {"chain": chain, "runs": len(here), found.by: about["mean"]}
        row |= {f"{found.by} error": about["error"], **here[list(COSTS)].mean().to_dict()}
        made.append(row)
    costs = comparable(Cost(row["parameters"], row["flops"], _times(row)) for row in made)
    sign = 1 if found.better == "higher" else -1
    best = front([sign * row[found.by] for row in made], costs)
    rows = [{**row, _FRONT: "yes" if b else ""} for row, b in zip(made, best, strict=True)]
    return DataFrame([rows[place] for place in np.argsort(costs, kind="stable")])


@figures.register("cost", title=TITLE, caption=CAPTION, summary=summarise, source=priced)
def draw(found: Priced) -> "Figure":
    """Draw quality against cost, and a line through those that are worth it."""
    table = summarise(found)
    timed = bool(table["flops"].isna().any())
    x = table[COSTS[-1]] * 1e3 if timed else table["flops"]
    best = table[_FRONT] == "yes"
    figure, (ax,) = new_figure(5.2, 3.6, (1.0,))
    for chosen, colour, marker in ((~best, COLOURS[6], "x"), (best, COLOURS[0], "o")):
        y, error = table[found.by][chosen], table[f"{found.by} error"][chosen]
        ax.errorbar(x[chosen], y, yerr=error, fmt=marker, color=colour, elinewidth=0.8)
    ax.plot(x[best], table[found.by][best], drawstyle="steps-post", color=COLOURS[0], linewidth=0.9)
    named = best if len(table) > _MOST_NAMES else best | ~best
    for place, value, name in zip(
        x[named], table[found.by][named], table["chain"][named], strict=True
    ):
        ax.annotate(name, (place, value), (3, 3), textcoords="offset points", fontsize=7)
    ax.margins(x=0.2)  # for names
    if x.min() > 0:
        ax.set_xscale("log")
    ax.set_xlabel("1,000 events on the CPU [ms]" if timed else "FLOPs of an event")
    ax.set_ylabel(found.by)
    return figure


def _ranked(run: Path, selection: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the combinations that a search has ranked, those whose cost is known."""
    for record in selection.get("ranking") or ():
        name = chain_name(record["chain"])
        if (cost := read(run, name)) is not None and record["score"] is not None:
            quality = {"quality": record["score"], "quality error": record["error"]}
            yield {"chain": name, "by": selection["by"], **quality, **costs_of(cost)}


def _evaluated(results: Results) -> Iterator[dict[str, Any]]:
    """Yield the chains that were measured on test in their last mode, those whose cost is known."""
    from pandas import DataFrame

    table = DataFrame(list(results.rows))
    if table.empty or not {*COSTS} <= {*table.columns}:
        return
    name = quality_of(n for n in table.columns if "/" in n and f"{n} error" in table.columns)
    metric = name.rpartition("/")[2]
    table = final(table[table[COSTS[0]].notna()])
    for row in table.to_dict("records"):
        quality = {"quality": row[name], "quality error": row[f"{name} error"]}
        costs = {each: row[each] for each in COSTS}
        yield {"chain": row["chain"], "by": f"{heading(metric)} on test", **quality, **costs}


def _times(row: Mapping[str, float]) -> tuple[float, ...]:
    return tuple(row[name] for name in COSTS[2:])


def _metric(by: str) -> str:
    """Name the metric of what a quality is, such as `auc on valid`."""
    return by.partition(" on ")[0].rpartition("/")[2].partition(" [")[0]
