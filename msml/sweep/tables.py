"""Plans and collected results of sweeps as tables for people."""

from collections.abc import Sequence
from math import isnan

from msml.metrics import apart
from msml.runs.cost import HEADINGS, ON_FRONT, notes
from msml.sweep.collect import ABSENT, COSTS, Missing, Row, columns
from msml.sweep.compare import Line, Mean, quality_of
from msml.sweep.estimate import LAUNCH, Estimate, Part
from msml.sweep.plan import Plan
from msml.tables import NONE, duration, say, show, threads
from msml.validity.bands import VALIDITY, is_validity

_HIDDEN = ("run", "seconds", *COSTS)
_SUMMED = ("passes", "seconds", "launches")


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


def show_estimate(plan: Plan, found: Estimate) -> None:
    """Print how long all of a plan may take."""
    parts = found.parts
    sums = Part("all", *(sum(getattr(p, name) for p in parts) for name in _SUMMED))
    rows = [
        (p.name, f"{p.passes:,.0f}", duration(p.seconds), duration(p.launches))
        for p in (*parts, sums)
    ]
    here = f"{threads(plan.threads)} here"
    headings = ("part", "gradient passes", here, "a GPU")
    show("Estimate, of all points together", headings, rows, numbers=(1, 2, 3))
    for name in found.uncounted:
        say(f"without the search of the strategy '{name}', which does not say what it trains")
    say("an estimate of the most it can be, as if no training stopped early, one unit at a time")
    say("without start-up, compilation and evaluation; here: a step of each model was timed")
    say(
        f"a GPU: not measured; {LAUNCH * 1e6:.0f} µs for each operation of a step, the cost of "
        "launching it, whatever the GPU; XLA fuses many of them"
    )


def show_rows(rows: Sequence[Row], title: str) -> None:
    """Print collected results; errors beside their values."""
    reasons = {n: row[n] for row in rows for n in row if n.startswith(ABSENT) and row[n]}
    hidden = {*_HIDDEN, *reasons}
    names = [name for name in columns(rows) if name not in hidden and not name.endswith(" error")]
    cells = [[_cell(row, name) for name in names] for row in rows]
    numbers = [i for i, name in enumerate(names) if "/" in name]
    show(title, names, cells, numbers=numbers)
    for name, reason in reasons.items():
        say(f"{name.removeprefix(ABSENT)}: {reason}")


def missing_lines(missing: Sequence[Missing]) -> list[str]:
    """Name each unit without result, and what its log says last."""
    lines = []
    for each in missing:
        lines.append(f"unit {each.number}, {each.stage}: {each.state}: {each.directory}")
        lines += [f"    {text}" for text in each.log if each.state != "not started"]
    return lines


def _cell(row: Row, name: str) -> str:
    from msml.tables import with_error

    value = row.get(name)
    if f"{name} error" in row:
        return with_error({"value": value, "error": row[f"{name} error"]})
    if isinstance(value, float):
        return f"{value:.6g}"
    return NONE if value is None else str(value)


def show_comparison(lines: Sequence[Line], reference: str | None) -> None:
    """Print variants in comparison: what they chose, how good that is, what it took.

    Args:
        lines: The variants; not all need to have the same metrics.
        reference: The variant that the others are compared with.
    """
    other, searched = reference or "nothing", any(line.searched for line in lines)
    _show_chosen(lines, other, searched)
    _show_costs(lines)
    for name in dict.fromkeys(name for line in lines for name in line.test):
        metric, subset = apart(name)
        _, _, short = metric.rpartition("/")
        if is_validity(short) and short != VALIDITY:
            continue  # of each number by itself: with --json
        rows = [
            (line.variant, _mean(line.test.get(name)), _mean(line.regret.get(name)))
            for line in lines
        ]
        where = f"test, {subset}" if subset else "test"
        show(f"{metric} on {where}", ("variant", "mean", "regret"), rows, numbers=(1, 2))
    for name, reason in dict.fromkeys(each for line in lines for each in line.absent.items()):
        of = [line.variant for line in lines if line.absent.get(name) == reason]
        say(f"{name if len(of) == len(lines) else f'{name} of ' + ', '.join(of)}: {reason}")
    losses = list(dict.fromkeys(name for line in lines for name in line.valid))
    means = [(line.variant, *(_mean(line.valid.get(name)) for name in losses)) for line in lines]
    show("Losses on valid", ("variant", *losses), means, numbers=range(1, 1 + len(losses)))
    say(f"regret: how much worse than {other} at the same seed; below 0 it is better")
    say("±: standard error of the mean")
    if searched:
        say("behind: how far the choice is behind the best one, where a grid search ranks both")
        say("τ: Kendall's, of the rankings of the combinations")
        say("gradient passes: weight gradients, in passes of one model over the train split")


def _show_chosen(lines: Sequence[Line], other: str, searched: bool) -> None:
    """Print what each variant came to, and what that took; of searches, how good the choice is."""
    about = [
        (line.variant, line.seeds, ", ".join(f"{n} ×{count}" for n, count in line.selected.items()))
        for line in lines
    ]
    took = [_rounded(line.seconds.value, ",.0f") for line in lines]
    if not searched:
        rows = [(*map(str, a), b) for a, b in zip(about, took, strict=True)]
        show("Variants", ("variant", "seeds", "chain", "time [s]"), rows, numbers=(1, 3))
        return
    judged = [
        (_mean(line.behind), _mean(line.tau), _rounded(line.gradient_passes.value, ",.0f"))
        for line in lines
    ]
    headings = (
        "variant",
        "seeds",
        "selected",
        "behind",
        f"τ with {other}",
        "gradient passes",
        "time [s]",
    )
    found = [(*map(str, a), *b, c) for a, b, c in zip(about, judged, took, strict=True)]
    show("What was chosen", headings, found, numbers=(1, *range(3, 7)))


def _show_costs(lines: Sequence[Line]) -> None:
    """Print what predictions cost, and which variants are worth it, where that was measured."""
    if not any(line.cost.by for line in lines):
        return
    judged = quality_of(lines[0].test)
    rows = [
        (
            line.variant,
            _mean(line.test.get(judged)),
            *line.cost.cells,
            ON_FRONT if line.front else "",
        )
        for line in lines
    ]
    headings = ("variant", judged, *HEADINGS, "")
    show("What a prediction costs", headings, rows, numbers=range(1, len(headings) - 1))
    for note in notes(line.cost for line in lines):
        say(note)


def _rounded(value: float, form: str) -> str:
    return NONE if isnan(value) else format(value, form)


def _mean(mean: Mean | None) -> str:
    from msml.tables import with_error

    if mean is None:
        return NONE
    value, error = ((None if isnan(number) else number) for number in (mean.value, mean.error))
    return with_error({"value": value, "error": error})
