"""What candidates start from: the weights of other runs."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from msml.chain import Chain
from msml.data.schema import Column
from msml.data.transforms import label
from msml.digests import digest
from msml.errors import IncompleteError, RecipeError
from msml.files import user_path
from msml.recipe.expand import TaskSpec, source_of
from msml.recipe.messages import unknown
from msml.recipe.schema import Start
from msml.runs import layout
from msml.runs.status import run_of
from msml.stages.posttrain import weight_files
from msml.stages.prediction.finished import Finished, finished
from msml.stages.session import Session
from msml.training.start import Source, weights_of

Sources = dict[tuple[str, str], Source]


def sources(session: Session) -> Sources:
    """Read what the candidates of a run start from, by task and candidate.

    Raises:
        RecipeError: It is no run, has no such task, is an ensemble, or has inputs of other meaning.
        IncompleteError: It is not trained yet.
        DataError: Something of it is damaged.
    """
    found: Sources = {}
    read: dict[tuple[Path, str | None, str], Source] = {}
    for task, spec in session.tasks.items():
        for name, candidate in spec.candidates.items():
            if (start := candidate.start) is not None:
                key = f"tasks.{task}.candidates.{candidate.source}.start"
                run, theirs = _run(session, start, f"{key}.from"), start.task or task
                place = run, start.chain, theirs
                if place not in read:
                    read[place] = _source(session, *place, task, key)
                found[task, name] = read[place]
    return found


def _run(session: Session, start: Start, key: str) -> Path:
    """Find the folder of the run that a candidate starts from."""
    path = user_path(start.from_)
    if path.is_dir():
        return path
    runs = session.directory.path.parents[1]
    place = session.recipe.named_recipe(key, start.from_)
    run = run_of(str(place or start.from_), start.overrides, runs)
    if not layout.recipe(run).is_file():
        command = " ".join(["msml posttrain", start.from_, *start.overrides])
        raise IncompleteError(f"{key}: {run}: this run is not there yet: {command}")
    return run


def _source(
    session: Session, run: Path, chosen: str | None, theirs: str, task: str, key: str
) -> Source:
    """Read the weights of a task's model in a run that is done."""
    try:
        found = finished(run, chosen)
    except RecipeError as error:  # which speaks of options of a command
        problems = (problem.removeprefix("--chain: ") for problem in error.problems)
        raise RecipeError([f"{key}.chain: {problem}" for problem in problems]) from error
    if theirs not in found.setup.tasks:
        raise RecipeError(f"{key}.task: {unknown('task', theirs, found.setup.tasks)}")
    if problem := _other_inputs(session, task, found, theirs):
        raise RecipeError(f"{key}.from: {problem}")
    chain = found.chain
    if not isinstance(chain, Chain):
        raise RecipeError(f"{key}.from: {run} is an ensemble; expected the run of one chain")
    (path,) = weight_files(found.setup, found.chosen, found.mode)
    return Source(str(path.parent), digest(path), weights_of(chain.models[theirs]))


def _other_inputs(session: Session, task: str, found: Finished, theirs: str) -> str:
    """Say in what the inputs of two tasks differ in meaning; empty where they do not."""
    ours, others = session.tasks[task], found.setup.tasks[theirs]
    if len(ours.inputs) != len(others.inputs):
        return f"{len(others.inputs)} inputs there, {len(ours.inputs)} here"
    pairs = zip(
        _meanings(ours, session.columns, session.values.data.transform),
        _meanings(others, found.about.columns, found.setup.values.data.transform),
        strict=True,
    )
    for (name, meaning), (other, another) in pairs:
        if meaning != another:
            return f"'{name}' is {meaning}, '{other}' of {found.setup.directory.path} is {another}"
    return ""


def _meanings(
    spec: TaskSpec, columns: Mapping[str, Column], transform: Mapping[str, object]
) -> Iterator[tuple[str, str]]:
    """Yield each input's name, and its components, units and transforms in words."""
    for text in spec.inputs:
        name = source_of(text, {}).name
        if name not in columns:
            yield text, "an output of an earlier task"
            continue
        column = columns[name]
        pairs = zip(column.components, column.units, strict=False)
        parts = ", ".join(f"{component} [{unit}]" for component, unit in pairs)
        done = f" after {label(transform[name])}" if name in transform else ""
        yield name, f"({parts or 'numbers'}){done}"
