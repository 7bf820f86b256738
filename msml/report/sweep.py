"""Plans and collected results of sweeps as tables for people."""

from collections.abc import Sequence

from msml.report.table import NONE, say, show
from msml.sweep.collect import Missing, Row, columns
from msml.sweep.plan import Plan

_HIDDEN = ("run", "seconds")


def show_plan(plan: Plan) -> None:
    """Print the units of a plan, what each needs, and whether it is done."""
    states = [plan.state(unit) for unit in plan.units]
    rows = [
        (
            str(unit.number),
            unit.stage,
            state,
            ", ".join(map(str, unit.needs)) or NONE,
            unit.directory,
        )
        for unit, state in zip(plan.units, states, strict=True)
    ]
    headings = ("unit", "stage", "state", "needs", "run")
    show(f"Sweep of {plan.recipe}", headings, rows, numbers=range(1))
    say(f"{len(plan.points)} points, {len(rows)} units, {states.count('done')} done")


def show_rows(rows: Sequence[Row], title: str) -> None:
    """Print collected results; errors beside their values."""
    names = [name for name in columns(rows) if name not in _HIDDEN and not name.endswith(" error")]
    cells = [[_cell(row, name) for name in names] for row in rows]
    numbers = [i for i, name in enumerate(names) if "/" in name]
    show(title, names, cells, numbers=numbers)


def missing_lines(missing: Sequence[Missing]) -> list[str]:
    """Name each unit without result, and what its log says last."""
    lines = []
    for each in missing:
        lines.append(f"unit {each.number}, {each.stage}: {each.state}: {each.directory}")
        lines += [f"    {text}" for text in each.log if each.state != "not started"]
    return lines


def _cell(row: Row, name: str) -> str:
    from msml.stages.tables import with_error

    value = row.get(name)
    if f"{name} error" in row:
        return with_error({"value": value, "error": row[f"{name} error"]})
    return NONE if value is None else str(value)
