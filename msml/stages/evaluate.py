"""Evaluation: the only stage that opens the test split."""

from pathlib import Path
from typing import Any

import numpy as np

from msml.chain import Chain
from msml.data.kinematics import Array
from msml.metrics import bootstrap
from msml.recipe.expand import chains
from msml.registry import metrics as registered
from msml.runs.directory import read_json, write_json
from msml.stages.posttrain import chain_name, folder_of, trained
from msml.stages.session import Session
from msml.stages.training import build_model, load_weights, predict
from msml.training.checkpoint import new_hdf5

_BOOTSTRAP_SEED = 20210518


def evaluate(session: Session) -> list[dict[str, Any]]:
    """Measure every trained chain on the test split.

    Returns:
        One record a chain and mode: each task's metrics, each with value, error, low and high.
    """
    records = []
    for chosen in chains(session.values):
        for mode in session.values.posttrain.modes:
            trained(session, chosen, mode)
            session.check_stop()
            records.append(_evaluated(session, chosen, mode))
    write_json(session.directory.file("evaluate", "metrics.json"), records)
    return records


def _evaluated(session: Session, chosen: dict[str, str], mode: str) -> dict[str, Any]:
    """Measure one chain unless that was done."""
    folder = session.directory.file("evaluate", chain_name(chosen), mode)
    if not (folder / "metrics.json").exists():
        models = {task: build_model(session, task, name) for task, name in chosen.items()}
        chain = Chain(session.tasks, models)
        load_weights(chain, folder_of(session, chosen, mode) / "weights.h5")
        outputs = predict(session, chain, "test")
        record = {"chain": chosen, "mode": mode, "metrics": _measure(session, outputs)}
        _write_predictions(session, outputs, folder / "predictions.h5")
        write_json(folder / "metrics.json", record)
    return dict(read_json(folder / "metrics.json"))


def _measure(session: Session, outputs: dict[str, Array]) -> dict[str, dict[str, Any]]:
    """Metrics of each task's output, with bootstrap uncertainties."""
    test = session.split("test")
    weight = test.weight.astype(np.float64)
    measured: dict[str, dict[str, Any]] = {}
    for task, output in outputs.items():
        spec = session.tasks[task]
        target = test.columns[spec.target]
        measured[task] = {
            name: bootstrap(
                registered.get(name).function,
                (target, output),
                weight,
                session.values.evaluate.bootstrap,
                _BOOTSTRAP_SEED,
            )._asdict()
            for name in spec.metrics
        }
    return measured


def _write_predictions(session: Session, outputs: dict[str, Array], path: Path) -> None:
    """Keep the outputs of all tasks on the test split, with each event's row in the file."""
    test = session.split("test")
    with new_hdf5(path) as file:
        file.create_dataset("event", data=test.event)
        file.create_dataset("weight", data=test.weight)
        for task, output in outputs.items():
            group = file.create_group(task)
            group.create_dataset("prediction", data=output)
            group.create_dataset("target", data=test.columns[session.tasks[task].target])
            group.attrs["target"] = session.tasks[task].target
            group.attrs["transform"] = session.values.data.transform.get(
                session.tasks[task].target, ""
            )
