"""Evaluation: the only stage that opens the test split."""

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from msml.chain import real_objects
from msml.data.kinematics import Array
from msml.ensemble import Predictor
from msml.metrics import LOSS, estimate, facts_of, label_of, on_subset
from msml.recipe.expand import PREDICTION, chain_name
from msml.runs import layout
from msml.runs.directory import finite, read_json, read_records, write_json
from msml.stages.cost import measure_cost
from msml.stages.drawing import draw
from msml.stages.explanation.explain import explained
from msml.stages.losses import Measure, loss_on, metric_on, tune
from msml.stages.posttrain import result, trained
from msml.stages.search import chosen_chains
from msml.stages.session import Session
from msml.stages.subsets import Part, Parts, check_visible
from msml.stages.training import predict
from msml.stages.trust import trusted
from msml.stages.validity import Judge
from msml.training.checkpoint import new_hdf5
from msml.training.measure import Outputs

_BOOTSTRAP_SEED = 20210518
_REPLICAS = "replicas"
_MOST_DOUBT = 0.25  # of an error, without saying so

Record = dict[str, Any]


def evaluate(session: Session) -> list[Record]:
    """Measure every trained chain on the test split, and draw.

    Returns:
        One record a chain and mode: each task's metrics, each with value, error, low and high, and
        the differences to the chain's earlier modes, from the same replicas of the test events. A
        metric on a subset is named so, `auc on public`; `subsets` says how many events each has, or
        why there is nothing of it. Where the recipe asks for it, how far answers can be trusted
        and how they depend on inputs.

    Raises:
        DataError: All events of the test split are blind.
    """
    check_visible(session)
    records: list[Record] = []
    parts = Parts(session)
    judge = Judge(session, _BOOTSTRAP_SEED) if session.values.evaluate.validity else None
    for chosen in chosen_chains(session):
        earlier: list[Record] = []
        for mode in session.values.posttrain.modes:
            trained(session, chosen, mode)
            session.check_stop()
            record = _evaluated(session, parts, judge, chosen, mode)
            minus = {e["mode"]: _difference(session, record, e) for e in earlier}
            earlier.append(record)
            record |= {"minus": minus} if minus else {}
            record |= trusted(session, chosen, mode, _BOOTSTRAP_SEED)
            records.append(record | explained(session, chosen, mode, _BOOTSTRAP_SEED))
            measure_cost(session, chosen, "test", mode)
    if judge:
        judge.write_calibration()
    path = session.evaluation / layout.RESULT
    if not path.exists() or read_records(path) != finite(records):
        draw(session, records, judge)
        write_json(path, records)
    return read_records(path)


def _evaluated(
    session: Session, parts: Parts, judge: Judge | None, chosen: dict[str, str], mode: str
) -> Record:
    """Measure one chain unless that was done."""
    folder = _folder(session, chosen, mode)
    if not (folder / layout.RESULT).exists():
        chain = result(session, chosen, mode)
        outputs = predict(session, chain, "test")
        tuned = _tuned(session, chain)
        measured, replicas, doubts = _measure(session, parts, judge, outputs, tuned)
        _write_predictions(session, outputs, replicas, folder / layout.PREDICTIONS)
        record = {"chain": chosen, "mode": mode, "metrics": measured}
        record |= {"doubts": doubts} if doubts else {}
        record |= {"tuned": tuned} if tuned else {}
        record |= {"subsets": parts.about} if parts.about else {}
        write_json(folder / layout.RESULT, record)
        session.progress.done(f"evaluate {chain_name(chosen)} {mode}")
    return read_json(folder / layout.RESULT, *layout.MEASURED)


def _folder(session: Session, chosen: dict[str, str], mode: str) -> Path:
    return layout.evaluated(session.evaluation, chain_name(chosen), mode)


def _tuned(session: Session, chain: Predictor) -> dict[str, dict[str, Any]]:
    """Arguments of metrics, by `task/metric`, that are chosen on valid."""
    wanted = [
        (task, text)
        for task in chain.models
        for text in session.tasks[task].metrics
        if "choose" in facts_of(text)
    ]
    outputs = predict(session, chain, "valid") if wanted else {}
    tuned = {}
    for task, text in wanted:
        seen = outputs[task][session.tasks[task].output]
        tuned[f"{task}/{label_of(text)}"] = tune(session, task, text, session.split("valid"), seen)
    return {name: found for name, found in tuned.items() if found}


def _measure(
    session: Session,
    parts: Parts,
    judge: Judge | None,
    outputs: dict[str, Outputs],
    tuned: dict[str, dict[str, Any]],
) -> tuple[dict[str, dict[str, Any]], dict[str, Array], dict[str, float]]:
    """Metrics of each task's output, with bootstrap uncertainties, their replicas, and `doubt`."""
    count = session.values.evaluate.bootstrap
    measured: dict[str, dict[str, Any]] = {}
    replicas: dict[str, Array] = {}
    doubts: dict[str, float] = {}
    for task, named in outputs.items():
        measured[task] = {}
        for part in parts.measured:
            seen = named[session.tasks[task].output][part.kept]
            for metric, measure in _measures(session, judge, part, task, seen, tuned).items():
                name = on_subset(metric, part.subset)
                drawn = measure.replicas(count, _BOOTSTRAP_SEED)
                replicas[f"{task}/{name}"] = drawn
                measured[task][name] = estimate(measure.value(), drawn)._asdict()
                if (unsure := measure.doubt()) > _MOST_DOUBT:
                    doubts[f"{task}/{name}"] = round(unsure, 2)
    return measured, replicas, doubts


def _measures(
    session: Session,
    judge: Judge | None,
    part: Part,
    task: str,
    seen: Array,
    tuned: dict[str, dict[str, Any]],
) -> dict[str, Measure]:
    """Prepare the metrics of a task's output, `seen`, on some events; its loss without any."""
    spec, split = session.tasks[task], part.split
    events = split.weight.astype(np.float64)
    found = {}
    for name, text in ((label_of(text), text) for text in spec.metrics):
        more = tuned.get(f"{task}/{name}", {})
        found[name] = metric_on(session, task, text, split, seen, more)
    if not found:
        found[LOSS] = loss_on(session, task, split, seen)
    if judge:
        arrays = split.columns[spec.target], seen
        judged = judge.metrics(task, part.kept).items()
        found |= {name: Measure(each, arrays, events) for name, each in judged}
    return found


def _difference(session: Session, record: Record, other: Record) -> dict[str, dict[str, Any]]:
    """What a mode gained over another of the same chain, replica by replica."""
    ours, theirs = (
        _replicas(_folder(session, r["chain"], r["mode"]) / layout.PREDICTIONS)
        for r in (record, other)
    )
    differences: dict[str, dict[str, Any]] = {}
    for task, metrics in record["metrics"].items():
        differences[task] = {}
        for name, found in metrics.items():
            values = found["value"], other["metrics"][task][name]["value"]
            change = math.nan if None in values else values[0] - values[1]
            key = f"{task}/{name}"
            differences[task][name] = estimate(change, ours[key] - theirs[key])._asdict()
    return differences


def _replicas(path: Path) -> dict[str, Array]:
    with h5py.File(path) as file:
        return {
            f"{task}/{name}": np.asarray(values)
            for task, group in file.items()
            if isinstance(group, h5py.Group)
            for name, values in group.get(_REPLICAS, {}).items()
        }


def _write_predictions(
    session: Session, outputs: dict[str, Outputs], replicas: dict[str, Array], path: Path
) -> None:
    """Keep the outputs of all tasks on the test split, with each event's row in the file.

    What the loss sees is `prediction`; other outputs keep their names. Of a task with `each`,
    `real` says which objects are measured.
    """
    test = session.split("test")
    with new_hdf5(path) as file:
        file.create_dataset("event", data=test.event)
        file.create_dataset("weight", data=test.weight)
        for task, named in outputs.items():
            group = file.create_group(task)
            for name, output in named.items():
                seen = name == session.tasks[task].output
                group.create_dataset(PREDICTION if seen else name, data=output)
            group.create_dataset("target", data=test.columns[session.tasks[task].target])
            real = real_objects(session.tasks[task], test.columns)
            if real is not None:
                group.create_dataset("real", data=np.asarray(real))
            group.attrs["target"] = session.tasks[task].target
            group.attrs["transform"] = session.transforms.get(session.tasks[task].target, "")
        for name, drawn in replicas.items():
            task, _, metric = name.partition("/")
            file.create_dataset(f"{task}/{_REPLICAS}/{metric}", data=drawn)
