"""Every mistake in a training recipe that its schema cannot see, found in one go."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from msml.checks.data import check_data, check_split, data_key
from msml.checks.explain import check_explanations
from msml.checks.limits import check_candidates, check_totals, one_of_each
from msml.checks.meaning import check_meaning
from msml.checks.names import check_names
from msml.checks.search import check_search
from msml.checks.subsets import check_subsets
from msml.checks.training import check_training
from msml.checks.trust import check_trust
from msml.checks.validity import check_momentum_task
from msml.checks.wiring import check_wiring, count_inputs
from msml.errors import DataError, RecipeError
from msml.files import user_path
from msml.recipe.expand import NO_CHAIN, candidates, duplicates, starts
from msml.recipe.files import missing
from msml.recipe.load import Recipe, Source
from msml.recipe.messages import Problem, any_below, name_problem, unknown
from msml.recipe.optimizers import check_optimizer
from msml.recipe.schema import PRECISIONS, TrainRecipe
from msml.recipe.schema_training import MODES, ORIGINS, Average, Fit
from msml.recipe.tree import line
from msml.registry import load_plugins
from msml.training.chatter import quiet
from msml.training.environment import prepare, tensorflow


def load_valid(
    source: Source[TrainRecipe], overrides: Sequence[str] = (), fast: bool = False
) -> Recipe[TrainRecipe]:
    """Make a recipe and check it; all its mistakes come together.

    Args:
        source: The recipe's files.
        overrides: Its `key=value` overrides.
        fast: As of `validate`.

    Raises:
        RecipeError: As `validate`.
        DataError: As `validate`.
    """
    recipe, findings = source.attempt(overrides)
    if not findings.problems:
        validate(recipe, fast)
        return recipe
    more: list[str] = []
    try:
        validate(recipe, fast, findings.bad)
    except (RecipeError, DataError) as error:
        more = str(error).splitlines()
    raise RecipeError([*findings.problems, *more])


def validate(
    recipe: Recipe[TrainRecipe], fast: bool = False, bad: Collection[str] = frozenset()
) -> None:
    """Check a training recipe without training.

    Args:
        recipe: The recipe as loaded.
        fast: Leave out what needs TensorFlow: building each candidate, and the optimizers' own
            arguments.
        bad: Keys that have a problem already: what is at them, above or below is not judged.

    Raises:
        RecipeError: Holds all problems found, each one line with file, line and key.
        DataError: The only problem is that the data file cannot be read.
    """
    prepare()  # a plugin may import TensorFlow
    if not fast:
        tensorflow()
    problems = list(check_candidates(recipe.values))
    if problems:  # all that follows lists them
        recipe, bad = replace(recipe, values=one_of_each(recipe.values)), {*bad, "chain"}
    values = recipe.values
    problems += [*_check_plugins(recipe), *_check_settings(values), *_check_starts(recipe)]
    columns, data_problems = check_data(recipe)
    problems += data_problems
    inputs = {name: count_inputs(values, name, columns) for name in values.tasks}
    problems += [*check_names(values, inputs), *check_wiring(values, columns)]
    problems += check_meaning(values, columns)
    problems += [*_check_chain(values), *check_search(values)]
    problems += check_training(values, columns, {key for key, _ in problems} | {*bad})
    problems += [*check_momentum_task(values, columns.shapes), *check_subsets(values, columns)]
    problems += check_trust(values)
    problems += check_explanations(values, columns, {key for key, _ in problems} | {*bad})
    if not fast:
        from msml.checks.building import (
            check_models,
            check_optimizers,
            check_schedules,
            check_weighting,
        )

        known = {key for key, _ in problems} | set(bad)
        problems += [*check_optimizers(values, known), *check_weighting(values, known)]
        problems += [*check_schedules(values, known), *check_models(values, columns, known)]
    problems = [problem for problem in problems if not _touches(problem[0], bad)]
    if [key for key, _ in problems] == [key := data_key(values.data)]:
        raise DataError(line(recipe.where(key), *problems[0]))
    recipe.fail(problems)


def _touches(key: str, bad: Iterable[str]) -> bool:
    """Say whether a key is one of some keys, or above or below one."""
    return any_below(bad, key) or any_below([key], *bad)


def _check_plugins(recipe: Recipe[TrainRecipe]) -> Iterator[Problem]:
    for i, name in enumerate(recipe.values.plugins):
        key = f"plugins.{i}"
        try:
            with quiet():  # it may import TensorFlow
                load_plugins([recipe.locate(key, name)])
        except RecipeError as error:
            yield from ((key, problem) for problem in error.problems)


def _check_starts(recipe: Recipe[TrainRecipe]) -> Iterator[Problem]:
    """Check that what candidates start from is there: a folder, or a recipe."""
    for block, start in starts(recipe.values):
        key, text = f"{block}.from", start.from_
        if not user_path(text).is_dir() and recipe.named_recipe(key, text) is None:
            yield key, f"no run, and {missing(text)}"


def _check_settings(recipe: TrainRecipe) -> Iterator[Problem]:
    """Check the values that stand for themselves: choices and names."""
    if message := name_problem(recipe.name):
        yield "name", message
    if recipe.precision not in PRECISIONS:
        yield "precision", unknown("precision", recipe.precision, PRECISIONS)
    yield from check_totals(recipe)
    yield from check_split(recipe.data.split)
    for stage, fit in recipe.fits.items():
        yield from check_optimizer(f"{stage}.optimizer", fit.optimizer)
        if fit.average is not None:
            yield from _check_average(f"{stage}.average", fit, fit.average)
    yield from _check_modes(recipe.posttrain.modes)
    if recipe.posttrain.from_ not in ORIGINS:
        yield "posttrain.from", unknown("origin", recipe.posttrain.from_, ORIGINS)


def _check_average(key: str, fit: Fit, average: Average) -> Iterator[Problem]:
    """Check that there is something to average, and that patience outlasts the steady mean."""
    if average.start > fit.epochs:
        yield f"{key}.start", f"expected at most {fit.epochs}, the epochs, got {average.start}"
    if average.every > fit.patience:
        message = f"expected at most {fit.patience}, the patience, got {average.every}"
        yield f"{key}.every", f"{message}: training would end while the mean stays"


def _check_modes(modes: list[str]) -> Iterator[Problem]:
    if not modes:
        yield "posttrain.modes", f"is empty; expected some of {', '.join(MODES)}"
    for i, mode in enumerate(modes):
        if mode not in MODES:
            yield f"posttrain.modes.{i}", unknown("mode", mode, MODES)
    for mode in duplicates(modes):
        yield "posttrain.modes", f"'{mode}' is there more than once"


def _check_chain(recipe: TrainRecipe) -> Iterator[Problem]:
    """Check the chosen candidates; an empty choice is left to a search."""
    if recipe.chain and recipe.strategy:
        yield "chain", "the strategy chooses; expected one of the two (`chain: null` removes this)"
    for name, chosen in recipe.chain.items() if recipe.tasks else ():  # none is reported as such
        key = f"chain.{name}"
        if name not in recipe.tasks:
            yield key, unknown("task", name, recipe.tasks)
        elif isinstance(chosen, str):
            yield from _check_choice(key, chosen, recipe, name)
        elif not isinstance(chosen, list) or not chosen:
            yield key, f"expected a candidate or a list of candidates, got {chosen!r}"
        else:
            for i, candidate in enumerate(chosen):
                yield from _check_choice(f"{key}.{i}", candidate, recipe, name)
            for candidate in duplicates([str(item) for item in chosen]):
                yield key, f"'{candidate}' is there more than once"
    for name, task in recipe.tasks.items():
        if recipe.chain and name not in recipe.chain and len(list(candidates(task))) > 1:
            yield "chain", f"nothing chosen for the task '{name}'; {NO_CHAIN}"


def _check_choice(key: str, chosen: object, recipe: TrainRecipe, task: str) -> Iterator[Problem]:
    known = [name for name, _ in candidates(recipe.tasks[task])]
    if known and chosen not in known:  # none is reported as such
        yield key, unknown("candidate", chosen, known)
