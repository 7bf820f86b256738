"""How far answers can be trusted: calibrated probabilities and intervals, fitted on valid.

Nothing of test enters a fit. Events count with the weights of the metrics: those of the file,
balanced where the recipe says so, with a mean of 1.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache, partial
from typing import Any

import h5py
import numpy as np

from msml.calibration import fit
from msml.conformal import Residuals, chance, covered, half_width
from msml.data.kinematics import Array, wrap_phi
from msml.errors import DataError
from msml.losses import classifies, estimates
from msml.metrics import estimate
from msml.metrics.generic import classified
from msml.recipe.expand import PREDICTION, chain_name
from msml.recipe.schema_evaluation import Calibrate, Conformal
from msml.runs import layout
from msml.stages.asked import Bootstrap, Record, once
from msml.stages.explanation.dependence import named_numbers
from msml.stages.losses import Measure, metric_on
from msml.stages.posttrain import result
from msml.stages.session import Session
from msml.stages.training import predict

_ANGLE = "rad"
_SPLITS = ("valid", "test")

Outputs = Callable[[str, str], Array]
"""From a split and a task to what the task's loss sees."""


def trusted(session: Session, chosen: dict[str, str], mode: str, seed: int) -> dict[str, Record]:
    """Calibrate a trained chain, and give it intervals, as the recipe asks, unless that was done.

    Args:
        session: The run.
        chosen: Candidate of each task.
        mode: How the chain was trained.
        seed: Seed of the bootstrap.

    Returns:
        `calibrated` and `conformal`, those that are asked for.
    """
    wanted, name = session.values.evaluate, chain_name(chosen)
    folder = layout.evaluated(session.evaluation, name, mode)
    valid = cache(lambda: predict(session, result(session, chosen, mode), "valid"))

    def outputs(split: str, task: str) -> Array:
        if split == "valid":
            return valid()[task][session.tasks[task].output]
        with h5py.File(folder / layout.PREDICTIONS) as file:
            return np.asarray(file[task][PREDICTION])

    found = {}
    if (calibrate := wanted.calibrate) is not None:
        tasks = _tasks(session, calibrate.tasks, classifies)
        bootstrap = (wanted.bootstrap, seed)
        work = partial(_each, tasks, partial(_calibrated, session, outputs, calibrate, bootstrap))
        line = f"evaluate {name} {mode}: calibrated on valid: {', '.join(tasks)}"
        settings = {**asdict(calibrate), "tasks": tasks, "bootstrap": wanted.bootstrap}
        done = partial(session.progress.done, line)
        found["calibrated"] = once(folder / layout.CALIBRATED, settings, work, done)
    if (conformal := wanted.conformal) is not None:
        tasks = _tasks(session, conformal.tasks, estimates)
        work = partial(_each, tasks, partial(_intervals, session, outputs, conformal))
        line = f"evaluate {name} {mode}: intervals from valid: {', '.join(tasks)}"
        settings = {**asdict(conformal), "tasks": tasks}
        done = partial(session.progress.done, line)
        found["conformal"] = once(folder / layout.CONFORMAL, settings, work, done)
    return found


def _tasks(session: Session, named: Sequence[str], fits: Callable[[str], bool]) -> list[str]:
    """Name the tasks that are meant, in the order of the chain."""
    return [n for n, spec in session.tasks.items() if (n in named if named else fits(spec.loss))]


def _each(tasks: Sequence[str], work: Callable[[str], Any]) -> Record:
    return {"tasks": {task: work(task) for task in tasks}}


def _calibrated(
    session: Session, outputs: Outputs, settings: Calibrate, bootstrap: Bootstrap, task: str
) -> Record:
    """Fit on valid, and measure on test before and after; or say why that cannot be."""
    proper = "cross_entropy" if session.tasks[task].classes else "bce"
    valid, test = session.split("valid"), session.split("test")
    known = metric_on(session, task, proper, valid, outputs("valid", task))
    label, logits = known.arrays
    try:
        kept = classified(label, logits, known.weights, **known.arguments)
        found = fit(settings.method, *kept)
    except DataError as error:
        return {"reason": f"valid cannot calibrate '{task}': {error}"}
    before = outputs("test", task)
    after = found.logits(before)
    measured = {}
    for name in (proper, "ece"):
        pair = [metric_on(session, task, name, test, seen) for seen in (before, after)]
        measured[name] = _change(pair[0], pair[1], bootstrap)
    return {**found.plain(), "test": measured}


def _change(before: Measure, after: Measure, bootstrap: Bootstrap) -> Record:
    """Give both and their difference, from the same replicas of the test events."""
    values = before.value(), after.value()
    drawn = before.replicas(*bootstrap), after.replicas(*bootstrap)
    found = {
        "before": estimate(values[0], drawn[0]),
        "after": estimate(values[1], drawn[1]),
        "change": estimate(values[1] - values[0], drawn[1] - drawn[0]),
    }
    return {name: each._asdict() for name, each in found.items()}


def _intervals(session: Session, outputs: Outputs, settings: Conformal, task: str) -> list[Record]:
    """Give each number of a task's target an interval, and say how often it holds on test."""
    of_valid, of_test = (residuals(session, task, split, outputs(split, task)) for split in _SPLITS)
    rows = []
    for (name, unit), valid in of_valid.items():
        row: Record = {"number": name, "unit": unit}
        try:
            rows.append(row | _interval(valid, of_test[name, unit], settings.coverage))
        except DataError as error:
            rows.append(row | {"reason": str(error)})
    return rows


def _interval(valid: Residuals, test: Residuals, coverage: float) -> Record:
    valid.check()
    test.check()
    width = half_width(valid, coverage)
    value, error = covered(test, width)
    return {
        "half_width": width,
        "coverage": {"value": value, "error": error},
        "chance": chance(valid, test, coverage),
    }


def residuals(
    session: Session, task: str, split: str, output: Array
) -> Mapping[tuple[str, str], Residuals]:
    """Say how far a task's estimates are from the truth, with the target's transforms undone.

    Angles, in rad, are apart the short way round. The objects of an event are of one kind: their
    distances are together.

    Args:
        session: The run.
        task: The task.
        split: The split.
        output: What the task's loss sees of it.

    Returns:
        By name and unit of each number of the target's last axis.
    """
    spec = session.tasks[task]
    with np.errstate(all="ignore"):
        measure = metric_on(session, task, "mae", session.split(split), output)
        target, answer = (np.asarray(each, np.float64) for each in measure.arrays)
        difference = np.reshape(answer, target.shape) - target
    real = np.ones(target.shape, bool)
    if (mask := measure.arguments.get("mask")) is not None:
        real &= np.reshape(mask, (*mask.shape, *(1,) * (target.ndim - mask.ndim))).astype(bool)
    if target.ndim == 1:
        difference, real = difference[:, None], real[:, None]
    names, units = named_numbers(session.file.columns[spec.target], difference.shape[-1])
    found = {}
    for number, (name, unit) in enumerate(zip(names, units, strict=True)):
        kept = real[..., number]
        apart = difference[..., number][kept]
        row = np.nonzero(kept)[0]
        event = row if measure.owner is None else measure.owner[row]
        size = np.abs(wrap_phi(apart) if unit == _ANGLE else apart)
        found[name, unit] = Residuals(split, size, event, measure.weight)
    return found
