"""From the results of an evaluation to its figures."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from msml.calibration import calibrations
from msml.data.kinematics import Array
from msml.metrics import Estimate, auc, bootstrap
from msml.recipe.expand import BESIDE_OUTPUTS, PREDICTION, chain_name
from msml.runs import layout
from msml.stages.explanation.explain import EXPLANATIONS
from msml.stages.figures import draw_figures
from msml.stages.measured import Measured, TestEvents
from msml.stages.session import Session
from msml.stages.validity import Judge


def draw(
    session: Session, records: Sequence[Mapping[str, Any]], judge: Judge | None = None
) -> None:
    """Draw the figures of an evaluation into its folder."""
    test = session.split("test")
    final = list(session.tasks)[-1]
    events = TestEvents(
        weight=test.weight.astype(np.float64),
        label=_label(test.columns[session.tasks[final].target]),
        final=final,
        tasks=session.tasks,
        transforms=session.transforms,
        columns=test.columns,
        judged=judge.judged if judge is not None else None,
    )
    session.progress.done("evaluate: drawing")
    measured = list(_measured(session, events, records))
    draw_figures(events, measured, session.evaluation)


def _label(target: Array) -> Array | None:
    """A column as labels, if it is one: 0 and 1, and both."""
    if target.ndim != 1 or not np.array_equal(np.unique(target), [0, 1]):
        return None
    return target


def _measured(
    session: Session, events: TestEvents, records: Sequence[Mapping[str, Any]]
) -> Iterator[Measured]:
    for record in records:
        chain = chain_name(record["chain"])
        folder = layout.evaluated(session.evaluation, chain, record["mode"])
        with h5py.File(folder / layout.PREDICTIONS) as file:
            found = {task: dict(_outputs(file[task])) for task in session.tasks}
        outputs = {task: named.pop(PREDICTION) for task, named in found.items()}
        area = None
        if events.label is not None:
            area = _area(session, events, outputs[events.final], record)
        why = {name: record[name] for name in EXPLANATIONS if name in record}
        maps = calibrations(record["calibrated"]) if "calibrated" in record else {}
        yield Measured(chain, record["mode"], outputs, area, found, why, maps)


def _outputs(group: h5py.Group) -> Iterator[tuple[str, Array]]:
    """Yield the outputs of a task by name, as `evaluate` has kept them."""
    for name, each in group.items():
        if name not in BESIDE_OUTPUTS:
            yield name, np.asarray(each)


def _area(
    session: Session, events: TestEvents, score: Array, record: Mapping[str, Any]
) -> Estimate:
    """The area under the ROC curve, measured here if it is none of the recipe's metrics."""
    found = record["metrics"][events.final].get("auc")
    if found and None not in found.values():
        return Estimate(**found)
    assert events.label is not None
    replicas = session.values.evaluate.bootstrap
    return bootstrap(auc, (events.label, score), events.weight, replicas)
