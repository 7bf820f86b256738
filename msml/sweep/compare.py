"""Comparing named variants of one recipe, such as strategies, over the same seeds."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import inf, isfinite, log, nan, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from msml.errors import DataError, RecipeError
from msml.metrics import apart, facts_of
from msml.recipe.expand import GRID, chain_name
from msml.recipe.messages import unknown
from msml.runs import layout
from msml.runs.cost import UNKNOWN, Cost, comparable, front
from msml.runs.cost import read as read_cost
from msml.runs.directory import read_json, read_json_if_there, read_records
from msml.runs.manifest import total_seconds
from msml.sweep.plan import Plan


@dataclass(frozen=True)
class Result:
    """What one variant found at one seed.

    Attributes:
        variant: Its name.
        seed: What pairs it with other variants' results: the values on all other axes.
        strategy: The strategy that chose.
        selected: The chain that it chose.
        test: Metrics on test, by task and metric.
        valid: Losses on valid, by task.
        ranking: Combinations with a number that is higher for a better one.
        gradient_passes: Work of the search, in passes of one model over the train split; NaN
            where there is none.
        seconds: Time of the run's processes.
        cost: What a prediction of the result costs; unknown where that was not measured.
        absent: Subsets of test of which nothing is known, and why.
    """

    variant: str
    seed: str
    strategy: str
    selected: str
    test: Mapping[str, float]
    valid: Mapping[str, float]
    ranking: Mapping[str, float]
    gradient_passes: float
    seconds: float
    cost: Cost = UNKNOWN
    absent: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mean:
    """A mean over seeds with its standard error.

    Attributes:
        value: The mean; NaN of nothing.
        error: The standard error; NaN of fewer than two.
    """

    value: float
    error: float


@dataclass(frozen=True)
class Line:
    """A variant in comparison.

    Attributes:
        variant: Its name.
        seeds: Number of seeds.
        selected: How often it chose which chain, most often first.
        test: Means of the metrics on test.
        valid: Means of the losses on valid.
        regret: How much worse it is than the reference at the same seed, for each test metric.
        behind: How far its choice is behind the best in the grid's own ranking at the same seed:
            the quality of the choice alone, whatever its weights were trained with.
        tau: Kendall's τ of its ranking of the combinations with the reference's.
        gradient_passes: Mean of them.
        seconds: Mean of them.
        cost: Means of what predictions cost.
        absent: Subsets of test of which nothing is known, and why.
        front: Whether no other variant is as good for less, or better for as much.
    """

    variant: str
    seeds: int
    selected: Mapping[str, int]
    test: Mapping[str, Mean]
    valid: Mapping[str, Mean]
    regret: Mapping[str, Mean]
    behind: Mean
    tau: Mean
    gradient_passes: Mean
    seconds: Mean
    cost: Cost
    absent: Mapping[str, str]
    front: bool = False

    @property
    def searched(self) -> bool:
        """Whether a search chose its chains."""
        return isfinite(self.gradient_passes.value)


def results(plan: Plan, axis: str) -> Iterator[Result]:
    """Read the points of a sweep that are done.

    Args:
        plan: The sweep.
        axis: Name of the axis of the variants.
    """
    for values, directory in plan.points:
        run = plan.runs_folder / directory
        selection = read_json_if_there(layout.selection(run), "strategy", "gradient_passes") or {}
        try:
            evaluation = layout.evaluation(run, plan.unblind)
            record = read_records(evaluation / layout.RESULT, *layout.MEASURED)[-1]
            manifest = read_json(layout.manifest(run), "sessions")
        except DataError:
            continue
        selected = chain_name(record["chain"])
        yield Result(
            variant=str(values[axis]),
            seed=", ".join(f"{name}={value}" for name, value in values.items() if name != axis),
            strategy=selection.get("strategy", ""),
            selected=selected,
            test={
                f"{task}/{name}": _number(found["value"])
                for task, each in record["metrics"].items()
                for name, found in each.items()
            },
            valid=_valid(layout.posttrained(run, selected, record["mode"]) / layout.RESULT),
            ranking=ranking(selection) if selection else {},
            gradient_passes=selection.get("gradient_passes", nan),
            seconds=total_seconds(manifest),
            cost=read_cost(run, selected, record["mode"]) or UNKNOWN,
            absent=_absent(record),
        )


def variants_axis(plan: Plan) -> str:
    """Name of the axis that is compared: the one that is neither the seed nor a dotted key.

    Raises:
        RecipeError: If there is none.
    """
    names = list(plan.points[0][0])
    found = [name for name in names if name != "seed" and "." not in name]
    if not found:
        raise RecipeError(
            "sweep.over: nothing to compare; expected named variants, such as "
            "`strategies: {grid: {strategy.name: grid}, darts: {strategy.name: darts}}`"
        )
    return found[0]


def ranking(selection: Mapping[str, Any]) -> dict[str, float]:
    """Combinations with a number that is higher for a better one, from what a search decided."""
    if selection["ranking"]:
        return {chain_name(r["chain"]): -r["behind"] for r in selection["ranking"]}
    if selection["alpha"]:
        tasks = [
            {name: numbers["alpha"] for name, numbers in found.items()}
            for found in selection["alpha"].values()
        ]
    elif selection["distribution"]:
        tasks = [
            {name: log(share) if share > 0 else -inf for name, share in found.items()}
            for found in selection["distribution"].values()
        ]
    else:
        return {}
    return {
        "+".join(names): sum(task[name] for task, name in zip(tasks, names, strict=True))
        for names in product(*tasks)
    }


def check_variant(plan: Plan, axis: str, name: str) -> None:
    """Refuse a variant that there is not.

    Raises:
        RecipeError: It is not on the axis.
    """
    names = list(dict.fromkeys(str(values[axis]) for values, _ in plan.points))
    if name not in names:
        raise RecipeError(f"--against: {unknown('variant', name, names)}")


def compared_with(found: Sequence[Result]) -> str | None:
    """What variants are compared with unless somebody says: the first grid search.

    The first variant where none is a search; None where there are searches, but no grid.
    """
    if not any(result.strategy for result in found):
        return next((result.variant for result in found), None)
    return next((result.variant for result in found if result.strategy == GRID), None)


def compare(found: Sequence[Result], reference: str | None) -> list[Line]:
    """Compare variants with a reference at the same seed.

    Args:
        found: The results.
        reference: A variant; None for none.
    """
    grid = {r.seed: r for r in reversed(found) if r.strategy == GRID}
    others = {r.seed: r for r in found if r.variant == reference}
    by_variant: dict[str, list[Result]] = {}
    for result in found:
        by_variant.setdefault(result.variant, []).append(result)
    lines = [_line(variant, each, others, grid) for variant, each in by_variant.items()]
    worth = front(_qualities(lines), comparable(line.cost for line in lines))
    return [replace(line, front=best) for line, best in zip(lines, worth, strict=True)]


def _line(
    variant: str,
    each: Sequence[Result],
    reference: Mapping[str, Result],
    grid: Mapping[str, Result],
) -> Line:
    pairs = [(r, reference[r.seed]) for r in each if r.seed in reference]
    return Line(
        variant=variant,
        seeds=len(each),
        selected=dict(Counter(r.selected for r in each).most_common()),
        test={name: mean([r.test[name] for r in each]) for name in each[0].test},
        valid={name: mean([r.valid[name] for r in each]) for name in each[0].valid},
        regret={
            name: mean(
                [_sign(name) * (r.test[name] - best.test.get(name, nan)) for r, best in pairs]
            )
            for name in each[0].test
        },
        behind=mean([-grid[r.seed].ranking.get(r.selected, nan) for r in each if r.seed in grid]),
        tau=mean([kendall_tau(r.ranking, best.ranking) for r, best in pairs]),
        gradient_passes=mean([r.gradient_passes for r in each]),
        seconds=mean([r.seconds for r in each]),
        cost=_mean_cost([r.cost for r in each]),
        absent=each[0].absent,
    )


def mean(values: Sequence[float]) -> Mean:
    """Mean and standard error of the numbers that are finite."""
    known = np.array([value for value in values if isfinite(value)])
    if not len(known):
        return Mean(nan, nan)
    error = float(known.std(ddof=1) / sqrt(len(known))) if len(known) > 1 else nan
    return Mean(float(known.mean()), error)


def kendall_tau(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Kendall's τ-b of two rankings, on the combinations that both have; NaN for fewer than two."""
    from scipy.stats import kendalltau

    names = [name for name in first if name in second]
    if len(names) < 2:
        return nan
    return float(kendalltau([first[n] for n in names], [second[n] for n in names]).statistic)


def _sign(name: str) -> int:
    """1 where a larger value of a metric is worse."""
    return -1 if facts_of(name.rpartition("/")[2]).get("better") == "higher" else 1


def _valid(path: Path) -> dict[str, float]:
    losses = read_json(path, "valid_losses")["valid_losses"]
    return {name: _number(value) for name, value in losses.items()}


def _qualities(lines: Sequence[Line]) -> list[float]:
    """How good variants are on test, higher is better."""
    name = quality_of(lines[0].test) if lines else ""
    known = (line.test.get(name) for line in lines)
    return [-_sign(name) * found.value if found else nan for found in known]


def quality_of(metrics: Iterable[str]) -> str:
    """Name the first metric of the last task, by which a chain is as good as it is."""
    names = [name for name in metrics if not apart(name)[1]]
    last = names[-1].rpartition("/")[0]
    return next(name for name in names if name.rpartition("/")[0] == last)


def _mean_cost(costs: Sequence[Cost]) -> Cost:
    return Cost(
        parameters=mean([each.parameters for each in costs]).value,
        flops=mean([each.flops for each in costs]).value,
        latency=tuple(mean(times).value for times in zip(*(c.latency for c in costs), strict=True)),
        by=costs[0].by,
    )


def _absent(record: Mapping[str, Any]) -> dict[str, str]:
    """Subsets of test that were not measured, and why."""
    known = record.get("subsets", {}).items()
    return {name: about["reason"] for name, about in known if "reason" in about}


def _number(value: float | None) -> float:
    return nan if value is None else value
