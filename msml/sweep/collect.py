"""All results of a sweep in one table."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msml.errors import DataError
from msml.files import atomic
from msml.recipe.expand import chain_name
from msml.runs import layout
from msml.runs.cost import BATCHES, Cost
from msml.runs.cost import read as read_cost
from msml.runs.directory import finite, read_json_if_there, read_records
from msml.runs.manifest import total_seconds
from msml.sweep.execute import left
from msml.sweep.plan import Plan
from msml.sweep.unit import tail

Row = dict[str, Any]
ABSENT = "on "
"""Begins the names of the columns that say why there is nothing of a subset of test."""

COSTS = ("parameters", "flops", *(f"latency {size}" for size in BATCHES))
"""Columns of what a prediction costs."""

_TAIL = 8
_SELECTED = ("chosen", "undetermined", "gradient_passes")


@dataclass(frozen=True)
class Missing:
    """A unit without result.

    Attributes:
        number: The unit.
        stage: Its command.
        state: How far it is.
        directory: Its run directory.
        log: The last lines of its log.
    """

    number: int
    stage: str
    state: str
    directory: str
    log: tuple[str, ...]


def collect(plan: Plan) -> tuple[list[Row], list[Missing]]:
    """Gather the results of all points.

    Returns:
        A row for each point, chain and mode: the value on each axis, `run`, `chain`, `mode`, each
        metric as `task/metric` and `task/metric error`, on a subset as `task/metric on subset`;
        for a subset of which there is nothing the reason, as `on subset`; where there was a search
        `selected`, `undetermined` and `gradient_passes`; where it was measured what a prediction
        costs, `COSTS`, times in seconds; and `seconds`, the time of the run's processes.
        And what is missing.
    """
    rows = [
        {**{name: _cell(value) for name, value in values.items()}, **row}
        for values, directory in plan.points
        for row in run_rows(plan.runs_folder / directory, directory, plan.unblind)
    ]
    missing = [
        Missing(
            unit.number,
            unit.stage,
            plan.state(unit),
            str(plan.directory(unit)),
            tuple(tail(plan, unit, _TAIL)),
        )
        for unit in left(plan)
    ]
    return rows, missing


def columns(rows: Sequence[Row]) -> list[str]:
    """All columns, in order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def write(rows: Sequence[Row], folder: Path) -> Iterator[Path]:
    """Write the table as `results.csv`, `results.json` and, with pyarrow, `results.parquet`.

    Yields:
        The files written.
    """
    names = columns(rows)
    path = folder / "results.csv"
    with atomic(path) as temporary, temporary.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, names)
        writer.writeheader()
        writer.writerows(rows)
    yield path
    path = folder / "results.json"
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(finite(rows), indent=1) + "\n")
    yield path
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError:
        return
    path = folder / "results.parquet"
    table = pa.table({name: _column([row.get(name) for row in rows]) for name in names})
    with atomic(path) as temporary:
        parquet.write_table(table, temporary)
    yield path


def costs_of(cost: Cost) -> Row:
    """Give what a prediction costs as `COSTS`."""
    return dict(zip(COSTS, (cost.parameters, cost.flops, *cost.latency), strict=True))


def run_rows(directory: Path, run: str, unblind: bool) -> Iterator[Row]:
    """Yield what a run has found, without the values on the axes; see `collect`.

    A row for each chain and mode; where there is only a selection, one for that.

    Args:
        directory: The run.
        run: What it is called.
        unblind: Whether to take the results that show blind subsets.
    """
    chosen = _selection(directory)
    seconds = total_seconds(read_json_if_there(layout.manifest(directory)) or {})
    path = layout.evaluation(directory, unblind) / layout.RESULT
    for record in _measured(path) or ([{}] if chosen else []):
        row: Row = {"run": run}
        if record:
            row |= {"chain": chain_name(record["chain"]), "mode": record["mode"]}
            if cost := read_cost(directory, row["chain"], row["mode"]):
                row |= costs_of(cost)
        for task, metrics in record.get("metrics", {}).items():
            for name, found in metrics.items():
                row[f"{task}/{name}"] = found["value"]
                row[f"{task}/{name} error"] = found["error"]
        for name, about in record.get("subsets", {}).items():
            if "reason" in about:
                row[f"{ABSENT}{name}"] = about["reason"]
        yield {**row, **chosen, "seconds": seconds}


def _measured(path: Path) -> list[Row]:
    """What was measured on test; nothing where that is not done, or damaged."""
    try:
        return read_records(path, *layout.MEASURED)
    except DataError:
        return []


def _selection(directory: Path) -> Row:
    """What a search, or else the grid, chose."""
    for stage in ("search", "grid"):
        if found := read_json_if_there(layout.selection(directory, stage), *_SELECTED):
            return {
                "selected": chain_name(found["chosen"]),
                "undetermined": ", ".join(found["undetermined"]),
                "gradient_passes": found["gradient_passes"],
            }
    return {}


def _cell(value: Any) -> Any:
    """A value that fits into a cell."""
    return value if value is None or isinstance(value, str | int | float) else json.dumps(value)


def _column(values: list[Any]) -> list[Any]:
    """One type for a column: texts where numbers and texts are mixed."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} or len(kinds) == 1:
        return values
    return [None if value is None else str(value) for value in values]
