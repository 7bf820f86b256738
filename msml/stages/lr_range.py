"""Learning-rate range tests of a run's trainings; they change nothing in it."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Annotated, Any

import numpy as np

from msml.chain import Chain
from msml.data.kinematics import Array
from msml.domains import Domain, Positive
from msml.errors import RecipeError
from msml.files import fingerprint
from msml.hints import mismatch
from msml.plotting import save, style
from msml.recipe.check import hints_of
from msml.recipe.expand import Chosen, chain_name
from msml.runs import layout
from msml.runs.directory import read_json, read_json_if_there, write_json
from msml.stages.lr_range_figure import draw
from msml.stages.posttrain import chain_training, folder_of, start
from msml.stages.pretrain import alone, training_alone
from msml.stages.search import chosen_chains
from msml.stages.session import Session
from msml.stages.sharing import pretrained_tasks
from msml.stages.training import Training, batches_of, moved, stream_of, use_xla
from msml.training.checkpoint import FORMAT_VERSION, assign, variable_arrays
from msml.training.epoch import epoch_order
from msml.training.lr_range import RangeTest, Rise, curve
from msml.training.steps import make_optimizer
from msml.training.variables import model_variables, numbered
from msml.weighting.rule import make_weighting, tasks_of
from msml.weighting.step import make_chain_step

_FEWEST = 100
_OPTIONS = {"low": "from", "high": "to"}


@dataclass(frozen=True)
class Settings:
    """What range tests are made.

    Attributes:
        low: Learning rate of the first step.
        high: Learning rate of the last step.
        epochs: Passes over the training events; there are at least 100 steps.
        repeats: Tests of each training, from other initial weights and in another order.
        chain: Whether to test the joint training instead of the pre-trainings.
    """

    low: Positive = 1e-7
    high: Positive = 10.0
    epochs: Annotated[int, Domain(1, 1000)] = 1
    repeats: Annotated[int, Domain(1, 1000)] = 3
    chain: bool = False

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            RecipeError: Holds a line for each option.
        """
        hints = {name: hint for name, hint in hints_of(type(self)).items() if name != "chain"}
        found = {name: mismatch(getattr(self, name), hint) for name, hint in hints.items()}
        problems = [f"--{_OPTIONS.get(name, name)}: {text}" for name, text in found.items() if text]
        if not problems and self.high <= self.low:
            expected = f"expected a number above {self.low:g}, that of --from"
            problems = [f"--to: {expected}, got {self.high:g}"]
        if problems:
            raise RecipeError(problems)


@dataclass(frozen=True)
class _Unit:
    """A training to test.

    Attributes:
        names: Parts of its name.
        training: Makes it.
        initial: Makes its chain; another text gives other initial weights, where it has any.
    """

    names: tuple[str, ...]
    training: Callable[[], Training]
    initial: Callable[[str], Chain]


def lr_range(session: Session, settings: Settings) -> list[dict[str, Any]]:
    """Test the trainings of a run, unless that was done with these settings.

    Pre-trains, or searches, what a training starts from; of the tests no weights are kept.

    Returns:
        The result of each, which is in its file, too.
    """
    return [_tested(session, settings, unit) for unit in _units(session, settings)]


def _units(session: Session, settings: Settings) -> Iterator[_Unit]:
    tasks = [] if settings.chain else pretrained_tasks(session.values)
    for task in tasks:
        for name in session.tasks[task].candidates:
            yield _candidate(session, task, name)
    for chosen in [] if tasks else chosen_chains(session):
        yield _chain(session, chosen)


def _candidate(session: Session, task: str, name: str) -> _Unit:
    names = ("pretrain", task, name)
    folder = layout.lr_range(session.directory.path, *names).parent
    return _Unit(
        names,
        lambda: training_alone(session, task, name, folder),
        lambda fresh: alone(session, task, name, fresh),
    )


def _chain(session: Session, chosen: Chosen) -> _Unit:
    def training() -> Training:
        folder = folder_of(session, chosen, "joint")
        return chain_training(session, start(session, chosen)[0], chosen, folder)

    names = ("posttrain", chain_name(chosen))
    return _Unit(names, training, lambda fresh: start(session, chosen, fresh)[0])


def _tested(session: Session, settings: Settings, unit: _Unit) -> dict[str, Any]:
    path = layout.lr_range(session.directory.path, *unit.names)
    facts = [asdict(settings), session.facts(), session.plugins, session.files, FORMAT_VERSION]
    mark, figure = fingerprint(facts), path.with_suffix(".png")
    known = read_json_if_there(path, "mark") or {}
    if known.get("mark") != mark or not figure.exists():
        session.check_stop()
        result = _test(session, settings, unit)
        with style():
            save(draw(result), figure)
        write_json(path, {**result, "mark": mark})
        session.progress.done(f"lr-range {result['unit']}: {_found(result)}")
    return read_json(path, "unit", "steepest", "minimum", "diverges")


def _test(session: Session, settings: Settings, unit: _Unit) -> dict[str, Any]:
    training = unit.training()
    events = len(session.split("train"))
    steps = settings.epochs * batches_of(training.settings, events)
    rise = Rise(settings.low, settings.high, max(_FEWEST, steps))
    optimizer = make_optimizer(
        replace(training.settings, schedule={"name": "constant"}),
        training.chain.variables(),
        session.precision,
    )
    about = {
        "unit": "/".join(unit.names),
        "steps": rise.steps,
        "repeats": settings.repeats,
        "recipe": float(f"{float(optimizer.learning_rate):.7g}"),  # it is float32
    }
    if not training.chain.variables():
        found = dict.fromkeys(("steepest", "tenth", "minimum", "diverges", "curve"))
        return {**about, **found}
    losses = _losses(session, training, unit, optimizer, rise, settings.repeats)
    seen = curve(losses, rise)
    return {
        **about,
        "steepest": seen.steepest,
        "tenth": None if seen.minimum is None else seen.minimum / 10,
        "minimum": seen.minimum,
        "diverges": seen.diverges,
        "curve": {
            "rate": seen.rates.tolist(),
            "loss": seen.mean.tolist(),
            "low": seen.low.tolist(),
            "high": seen.high.tolist(),
        },
        "rates": rise.rates.tolist(),
        "losses": losses.astype(float).tolist(),
    }


def _losses(
    session: Session,
    training: Training,
    unit: _Unit,
    optimizer: Any,
    rise: Rise,
    repeats: int,
) -> Array:
    """Loss of each step of each repeat, `(repeats, steps) float32`; all in one graph."""
    chain, key = training.chain, training.order
    stream = stream_of(training, "train", training.settings.batch_size)
    rising, seed = rise.of(optimizer), training.seed
    weighting = make_weighting(training.weighting, tasks_of(chain, training.task_weights, seed))
    step = make_chain_step(chain, training.task_weights, rising, weighting)
    step, draws = moved(session, training.settings, step, [seed])
    xla = use_xla(session, chain.networks(), rise.steps * repeats)
    test = RangeTest(step, rising, rise.steps, stream, len(chain.models) + 1, xla)
    state = numbered(rising.variables) | weighting.variables | draws
    weights, before, found = model_variables(chain), variable_arrays(state), []
    for number in range(repeats):
        session.check_stop()
        again = f"lr-range {number}" if number else ""
        initial = model_variables(unit.initial(again))
        assign(weights, variable_arrays(initial), training.key)
        assign(state, before, training.key)
        order = partial(epoch_order, stream.events, session.values.seed, f"{key}{again}")
        count = rise.steps * stream.batch_size
        epochs = range(-(-count // stream.events))
        found.append(test(np.concatenate([order(epoch) for epoch in epochs])[:count]))
    return np.stack(found)


def _found(result: dict[str, Any]) -> str:
    """Say in a few words what was found."""
    if result["curve"] is None:
        return "nothing to train"
    if result["steepest"] is None:
        return "the loss does not fall"
    return f"steepest at {result['steepest']:.2g}, lowest at {result['minimum']:.2g}"
