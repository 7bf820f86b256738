"""Pre-training: every candidate alone, on truth inputs, shared between runs."""

import math
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from msml.chain import Chain
from msml.files import atomic, fingerprint, locked, remove_temporaries
from msml.runs.directory import read_json, write_json
from msml.stages.session import Session
from msml.stages.training import Unit, build_model, train
from msml.training.checkpoint import FORMAT_VERSION


def pretrain(session: Session) -> dict[str, dict[str, Any]]:
    """Pre-train every candidate of every task.

    Returns:
        Metrics by task and candidate.
    """
    return {
        task: {name: pretrained(session, task, name)[1] for name in spec.candidates}
        for task, spec in session.tasks.items()
    }


def pretrained(session: Session, task: str, candidate: str) -> tuple[Path, dict[str, Any]]:
    """Find a candidate's pre-trained weights in the cache, or make them there.

    Returns:
        The file of the weights, and the metrics.
    """
    folder = session.directory.cache / "pretrain" / _fingerprint(session, task, candidate)
    with locked(folder / "lock", waiting=session.check_stop):
        if not (folder / "metrics.json").exists():
            session.check_stop()
            remove_temporaries(folder)
            _pretrain(session, task, candidate, folder)
    metrics = read_json(folder / "metrics.json")
    _link(folder / "weights.h5", session.directory.file("pretrain", task, f"{candidate}.h5"))
    _link(folder / "metrics.json", session.directory.file("pretrain", task, f"{candidate}.json"))
    return folder / "weights.h5", metrics


def _pretrain(session: Session, task: str, candidate: str, folder: Path) -> None:
    chain = Chain(session.tasks, {task: build_model(session, task, candidate)})
    unit = Unit(
        key=f"pretrain/{task}/{candidate}",
        chain=chain,
        weights={task: 1.0},
        settings=session.values.pretrain,
        folder=folder,
    )
    history = train(session, unit)
    best = history.valid[history.best_epoch] if history.best_epoch >= 0 else {}
    metrics = {
        "task": task,
        "candidate": candidate,
        "parameters": chain.parameters(),
        "epochs": history.epochs,
        "best_epoch": history.best_epoch + 1,
        "valid_loss": best.get(task),
    }
    write_json(folder / "metrics.json", metrics)
    session.progress.done(
        f"pretrain {task}/{candidate}: valid loss {best.get(task, math.nan):.5f} "
        f"in epoch {metrics['best_epoch']} of {metrics['epochs']}"
    )


def _fingerprint(session: Session, task: str, candidate: str) -> str:
    spec = session.tasks[task]
    described = {
        **session.facts(),
        "task": [task, spec.inputs, spec.target, spec.loss, dict(spec.loss_args)],
        "upstream": [session.tasks[s].target for s in spec.inputs if s in session.tasks],
        "candidate": [candidate, spec.candidates[candidate].model],
        "arguments": dict(spec.candidates[candidate].args),
        "settings": asdict(session.values.pretrain),
        "format": FORMAT_VERSION,
    }
    if plugins := session.plugin_fingerprints(task, candidate):
        described["plugins"] = plugins
    return fingerprint(described)[:20]


def _link(source: Path, target: Path) -> None:
    """Show a file of the cache in the run's own folder."""
    if target.exists():
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)
    except OSError:  # another file system, or one without links
        with atomic(target) as temporary:
            shutil.copy(source, temporary)
