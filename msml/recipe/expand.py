"""From the tasks of a recipe to what the stages use: weights, candidates and chains in full."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from msml.errors import RecipeError
from msml.recipe.schema import Candidate, Start, Task, TrainRecipe

REMAINDER = "remainder"
OUTPUT = "output"
"""Name of the output that a task's loss and metrics see, unless the task names another."""

PROBABILITIES = "probabilities"
"""Name of the probabilities that every classification offers beside its outputs."""

CALIBRATED = "calibrated"
"""Name of the probabilities of a classification that was calibrated, where predictions are kept."""

PREDICTION = "prediction"
"""Name, where outputs are kept, of the one that a task's loss sees."""

BESIDE_OUTPUTS = ("target", "real", "replicas")
"""Names of what is kept of a task beside its outputs."""

WHOLE = "all"
"""What tables call the whole test split beside its subsets."""

TOTAL = "total"
"""Name of the weighted sum of the tasks' losses."""

GRID = "grid"
"""Name of the strategy, and of the stage, that trains every combination of candidates."""

NO_CHAIN = "choose a candidate of each task, or run a search"

Chosen = dict[str, str]
"""The candidate of each task, tasks in order."""


def chain_name(chosen: Mapping[str, str]) -> str:
    """Name of a chain: its candidates in order."""
    return "+".join(chosen.values())


@dataclass(frozen=True)
class ModelSpec:
    """A model to build.

    Attributes:
        model: Name of a registered builder.
        args: Its arguments.
        source: Name of the recipe's candidate that it comes from.
        start: What it starts from; weights that are drawn where None.
    """

    model: str
    args: Mapping[str, Any]
    source: str
    start: Start | None = None


@dataclass(frozen=True)
class TaskSpec:
    """A task with everything resolved.

    Attributes:
        name: Its name.
        inputs: Columns and earlier tasks, in the order of the models' inputs.
        target: Column with the truth.
        weight: The task weight v_t.
        loss: Name of a registered loss.
        loss_args: Its arguments.
        metrics: Names of registered metrics.
        candidates: The models to choose from, by name.
        output: Name of the output that loss and metrics see.
        classes: Number of classes of the target; 0 where it has none.
        mask: Column that says which of the target's numbers are real; none where empty.
        each: Column of the objects to which the models are applied; none where empty.
        real: Column that says which of these are real; all where empty.
        hide: With which probability rows of inputs are hidden from the models.
    """

    name: str
    inputs: tuple[str, ...]
    target: str
    weight: float
    loss: str
    loss_args: Mapping[str, Any]
    metrics: tuple[str, ...]
    candidates: Mapping[str, ModelSpec]
    output: str = OUTPUT
    classes: int = 0
    mask: str = ""
    each: str = ""
    real: str = ""
    hide: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """One input of a task.

    Attributes:
        name: A column, or an earlier task.
        output: Name of the task's output; empty for a column.
    """

    name: str
    output: str = ""


def source_of(text: str, tasks: Mapping[str, Task | TaskSpec]) -> Source:
    """Read an input: `column`, `task` for the output that its loss sees, or `task.output`."""
    if text in tasks:
        return Source(text, tasks[text].output)
    task, dot, output = text.partition(".")
    return Source(task, output) if dot and task in tasks else Source(text)


def upstream(inputs: Sequence[str], tasks: Mapping[str, Task | TaskSpec]) -> list[str]:
    """Name the tasks whose outputs are among some inputs, each once."""
    sources = (source_of(text, tasks) for text in inputs)
    return list(dict.fromkeys(source.name for source in sources if source.output))


def all_upstream(task: str, tasks: Mapping[str, Task | TaskSpec]) -> list[str]:
    """Name the tasks that a task depends on, also by way of others, in order."""
    needed, found = upstream(tasks[task].inputs, tasks), set[str]()
    while needed:
        source = needed.pop()
        found.add(source)
        needed += upstream(tasks[source].inputs, tasks)
    return [name for name in tasks if name in found]


def used_outputs(tasks: Mapping[str, Task | TaskSpec], task: str) -> set[str]:
    """Name the outputs of a task that its loss or another task sees; its candidates share these."""
    sources = (source_of(text, tasks) for spec in tasks.values() for text in spec.inputs)
    seen = {source.output for source in sources if source.name == task and source.output}
    return (seen | {tasks[task].output}) - {PROBABILITIES}


def metric_of(tasks: Iterable[str], metric: str) -> tuple[str, str]:
    """Read a metric of `select`: `task/metric`, or a metric of the last task."""
    task, slash, name = metric.rpartition("/")
    return (task, name) if slash else (list(tasks)[-1], metric)


def expand(recipe: TrainRecipe) -> dict[str, TaskSpec]:
    """Resolve the tasks of a valid recipe: weights, grids and copies."""
    resolved = task_weights({name: task.weight for name, task in recipe.tasks.items()})
    return {
        name: TaskSpec(
            name=name,
            inputs=tuple(task.inputs),
            target=task.target,
            weight=resolved[name],
            loss=task.loss["name"],
            loss_args={key: value for key, value in task.loss.items() if key != "name"},
            metrics=tuple(task.metrics),
            candidates=dict(candidates(task)),
            output=task.output,
            each=task.each or "",
            hide=task.hide,
        )
        for name, task in recipe.tasks.items()
    }


def task_weights(declared: Mapping[str, float | str]) -> dict[str, float]:
    """Replace `remainder` by 1 minus the other weights; 12 digits, so that nothing left is 0."""
    total = sum(weight for weight in declared.values() if not isinstance(weight, str))
    rest = round(1 - total, 12)
    return {
        name: rest if isinstance(weight, str) else float(weight)
        for name, weight in declared.items()
    }


def candidates(task: Task) -> Iterator[tuple[str, ModelSpec]]:
    """Yield each candidate of a task: one for each point of a grid, and each copy."""
    for source, candidate in task.candidates.items():
        for point in points(candidate):
            name = f"{source}[{_short_arguments(point)}]" if point else source
            arguments = {**candidate.args, **point}
            spec = ModelSpec(candidate.model, arguments, source, candidate.start)
            for copy in range(1, candidate.copies + 1):
                yield (name if copy == 1 else f"{name}_{copy}"), spec


def starts(recipe: TrainRecipe) -> Iterator[tuple[str, Start]]:
    """Yield what the candidates of a recipe start from, those that do, each with its key."""
    for task, spec in recipe.tasks.items():
        for name, candidate in spec.candidates.items():
            if candidate.start is not None:
                yield f"tasks.{task}.candidates.{name}.start", candidate.start


def points(candidate: Candidate) -> Iterator[dict[str, Any]]:
    """Yield the arguments at each point of a candidate's grid; one empty point without grid."""
    for values in product(*candidate.grid.values()):
        yield dict(zip(candidate.grid, values, strict=True))


def duplicates(names: Sequence[str]) -> list[str]:
    """Return the names that occur more than once."""
    return [name for name, count in Counter(names).items() if count > 1]


def chains(recipe: TrainRecipe) -> list[Chosen]:
    """Return every chain that a valid recipe chooses; the first task varies slowest.

    Raises:
        RecipeError: A task has several candidates and none is chosen.
    """
    choices = []
    for name, task in recipe.tasks.items():
        chosen = recipe.chain.get(name, [candidate for candidate, _ in candidates(task)])
        chosen = [chosen] if isinstance(chosen, str) else list(chosen)
        if name not in recipe.chain and len(chosen) > 1:
            raise RecipeError(f"chain: {NO_CHAIN}")
        choices.append(chosen)
    return [dict(zip(recipe.tasks, choice, strict=True)) for choice in product(*choices)]


def combinations(tasks: Mapping[str, TaskSpec]) -> list[Chosen]:
    """Every combination of candidates; the first task varies slowest."""
    names = [list(task.candidates) for task in tasks.values()]
    return [dict(zip(tasks, choice, strict=True)) for choice in product(*names)]


def _short_arguments(point: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={_short(point[name])}" for name in sorted(point))


def _short(value: object) -> str:
    """Write a value short enough for a name, and without characters that a path cannot have."""
    if isinstance(value, list | tuple):
        return "-".join(_short(item) for item in value) or "none"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}".replace("+", "")  # which joins the names of a chain
    return "".join(c if c.isascii() and (c.isalnum() or c in "-._") else "_" for c in str(value))
