"""The work of runs before any of it is done: steps of training by model and batch size.

Counted as if no training stopped early: it is the most there can be.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil

from msml.checks.data import column_names
from msml.data.events import describe
from msml.data.source import event_source
from msml.data.splits import divide
from msml.errors import RecipeError
from msml.recipe import Recipe
from msml.recipe.expand import ModelSpec, TaskSpec, chains, expand, upstream
from msml.recipe.schema import TrainRecipe
from msml.recipe.schema_training import Fit
from msml.registry import strategies
from msml.sweep.points import pretraining

PARTS = ("pretrain", "search", "posttrain")


@dataclass(frozen=True)
class Trained:
    """What the time of a step depends on.

    Attributes:
        model: Name of a registered builder.
        args: Its arguments, as text.
        inputs: What it sees: columns, or targets of earlier tasks.
        batch_size: Events of a step.
    """

    model: str
    args: str
    inputs: tuple[str, ...]
    batch_size: int


@dataclass(frozen=True)
class Example:
    """One candidate of one recipe, which can be built to be timed."""

    recipe: int
    task: str
    candidate: str


@dataclass
class Work:
    """Work of some runs.

    Attributes:
        steps: By part, then by what is trained; a step of several models counts for each of them.
        passes: By part, passes of one model over the train split.
        examples: A candidate for each thing that is trained.
        uncounted: Strategies that do not say what they train, so that their searches are left out.
    """

    steps: dict[str, Counter[Trained]]
    passes: dict[str, float]
    examples: dict[Trained, Example]
    uncounted: set[str]


# Trainings by task and candidate; a mean over candidates has fractions.
_Trainings = Counter[tuple[str, str]]


def work(recipes: Iterable[Recipe[TrainRecipe]]) -> Work:
    """Count the steps of some runs; pre-training that they share counts once.

    Raises:
        DataError: An event file cannot be read.
        RecipeError: A strategy of a plugin says something wrong about what it trains.
    """
    found = Work({part: Counter() for part in PARTS}, dict.fromkeys(PARTS, 0.0), {}, set())
    pretrained: set[str] = set()
    for number, recipe in enumerate(recipes):
        values, tasks = recipe.values, expand(recipe.values)
        events = _train_events(recipe)
        marks = pretraining(recipe)
        new = [where for mark, where in marks.items() if mark not in pretrained]
        pretrained |= marks.keys()
        search = _search(values, tasks)
        if search is None:
            found.uncounted.add(values.strategy["name"])
        for part, fit, steps in (
            ("pretrain", values.pretrain, Counter(new)),
            ("search", *(search or (values.posttrain, Counter()))),
            ("posttrain", values.pretrain, _sequential(values, tasks)),
            ("posttrain", values.posttrain, _joint(values, tasks)),
        ):
            for (task, candidate), count in steps.items():
                size = min(fit.batch_size, events)
                trained = _trained(tasks, task, tasks[task].candidates[candidate], size)
                found.steps[part][trained] += count * fit.epochs * ceil(events / size)
                found.passes[part] += count * fit.epochs
                found.examples.setdefault(trained, Example(number, task, candidate))
    return found


def _train_events(recipe: Recipe[TrainRecipe]) -> int:
    file = describe(event_source(recipe), column_names(recipe.values))
    return len(divide(recipe.values.data, file)["train"])


def _trained(tasks: Mapping[str, TaskSpec], task: str, spec: ModelSpec, size: int) -> Trained:
    inputs = tuple(tasks[i].target if i in tasks else i for i in tasks[task].inputs)
    return Trained(spec.model, repr(sorted(spec.args.items())), inputs, size)


def _search(values: TrainRecipe, tasks: Mapping[str, TaskSpec]) -> tuple[Fit, _Trainings] | None:
    """Trainings of each candidate in a search; None where its strategy does not say."""
    if not values.strategy:
        return values.posttrain, Counter()
    arguments = {key: value for key, value in values.strategy.items() if key != "name"}
    strategy = strategies.get(values.strategy["name"]).function(**arguments)
    if not hasattr(strategy, "trainings"):
        return None
    fit, counts = strategy.trainings([len(t.candidates) for t in tasks.values()], values.posttrain)
    if len(counts) != len(tasks):
        message = f"`trainings` gives numbers for {len(counts)} tasks, expected {len(tasks)}"
        raise RecipeError(f"strategy '{values.strategy['name']}': {message}")
    return fit, Counter(
        {
            (task, name): count
            for (task, spec), count in zip(tasks.items(), counts, strict=True)
            for name in spec.candidates
        }
    )


def _sequential(values: TrainRecipe, tasks: Mapping[str, TaskSpec]) -> _Trainings:
    """Trainings of each candidate on the outputs of earlier tasks, with settings of pretrain."""
    if "sequential" not in values.posttrain.modes:
        return Counter()
    return _chosen(values, {t: spec for t, spec in tasks.items() if upstream(spec.inputs, tasks)})


def _joint(values: TrainRecipe, tasks: Mapping[str, TaskSpec]) -> _Trainings:
    """Trainings of each candidate together with those of the other tasks, once for each member."""
    name = values.strategy.get("name")
    done = name is not None and strategies.get(name).facts.get("trains_chains")
    ensemble = values.posttrain.ensemble
    if "joint" not in values.posttrain.modes or (done and not ensemble):
        return Counter()
    members = ensemble.members if ensemble else 1
    return Counter({key: members * count for key, count in _chosen(values, tasks).items()})


def _chosen(values: TrainRecipe, tasks: Mapping[str, TaskSpec]) -> _Trainings:
    """One training of each model of the chains; of a choice not yet made, the mean of all."""
    if values.strategy:
        return _each(tasks, lambda known: 1 / known)
    return Counter((task, chain[task]) for chain in chains(values) for task in tasks)


def _each(tasks: Mapping[str, TaskSpec], count: Callable[[int], float]) -> _Trainings:
    """The same number, of the number of candidates, for each candidate of a task."""
    return Counter(
        {
            (task, name): count(len(spec.candidates))
            for task, spec in tasks.items()
            for name in spec.candidates
        }
    )
