"""Pre-training: every candidate alone, shared between runs.

An input that names an earlier task is its truth where there is one of the same shape and meaning;
else it is the frozen output of that task's best pre-trained candidate.
"""

import math
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from operator import itemgetter
from pathlib import Path
from typing import Any

from msml.chain import Chain, frozen, output_columns
from msml.files import atomic
from msml.runs import layout
from msml.runs.directory import read_json, write_json
from msml.runs.repair import shorten
from msml.stages.replicas import train_all
from msml.stages.session import Session
from msml.stages.sharing import pretraining_mark
from msml.stages.training import Training, build_model
from msml.training.checkpoint import FORMAT_VERSION
from msml.training.epoch import Tensor, to_device
from msml.training.fit import History
from msml.training.measure import predictor
from msml.training.variables import load_weights


def pretrain(session: Session, tasks: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """Pre-train every candidate of every task, or of some.

    Returns:
        Metrics by task and candidate.
    """
    return {
        task: {name: pretrained(session, task, name)[1] for name in session.tasks[task].candidates}
        for task in (session.tasks if tasks is None else tasks)
    }


def pretrained(session: Session, task: str, candidate: str) -> tuple[Path, dict[str, Any]]:
    """Find a candidate's pre-trained weights in the cache, or make them there.

    Returns:
        The file of the weights, and the metrics.
    """
    return pretrained_together([session], task, candidate)[0]


def pretrained_together(
    sessions: Sequence[Session], task: str, candidate: str
) -> list[tuple[Path, dict[str, Any]]]:
    """Do `pretrained` for runs that differ in their seeds only, what is missing at once."""
    marks = [_mark(session, task, candidate) for session in sessions]
    with ExitStack() as held:
        # In one order, so that two processes that need the same do not wait for each other.
        folders = {
            mark: held.enter_context(session.shared("pretrain", mark))
            for mark, session in sorted(zip(marks, sessions, strict=True), key=itemgetter(0))
        }
        missing = {
            mark: training_alone(session, task, candidate, folders[mark])
            for mark, session in zip(marks, sessions, strict=True)
            if not (folders[mark] / layout.RESULT).exists()
        }
        if missing:
            sessions[0].check_stop()
            _pretrain(list(missing.values()), task, candidate)
    return [
        _shown(session, folders[mark], task, candidate)
        for mark, session in zip(marks, sessions, strict=True)
    ]


def _mark(session: Session, task: str, candidate: str) -> str:
    settings = {"settings": asdict(session.values.pretrain), "format": FORMAT_VERSION}
    return pretraining_mark(session.tasks, task, candidate, {**session.facts(), **settings})


def _shown(
    session: Session, folder: Path, task: str, candidate: str
) -> tuple[Path, dict[str, Any]]:
    """Show in a run what lies in a folder of the cache."""
    metrics = read_json(folder / layout.RESULT, "valid_loss")
    own = layout.pretrained(session.directory.path, task, candidate)
    _link(folder / layout.WEIGHTS, own.with_suffix(".h5"))
    _link(folder / layout.RESULT, own)
    return folder / layout.WEIGHTS, metrics


def alone(session: Session, task: str, candidate: str, fresh: str = "") -> Chain:
    """A candidate by itself as a chain; its weights as of `build_model`."""
    models = {task: build_model(session, task, candidate, fresh=fresh)}
    return Chain(session.tasks, models, frozenset(frozen(session.tasks, task)))


def training_alone(session: Session, task: str, candidate: str, folder: Path) -> Training:
    """How a candidate is pre-trained; pre-trains first what its inputs come from, if anything."""
    earlier = frozen(session.tasks, task)
    return Training(
        session=session,
        key=f"pretrain/{task}/{candidate}",
        chain=alone(session, task, candidate),
        task_weights={task: 1.0},
        settings=session.values.pretrain,
        folder=folder,
        added={split: _outputs_of(session, earlier, split) for split in ("train", "valid")},
    )


def _pretrain(trainings: Sequence[Training], task: str, candidate: str) -> None:
    for training, history in zip(trainings, train_all(trainings), strict=True):
        _keep(training, history, task, candidate)
        shorten(training.folder)


def _keep(training: Training, history: History, task: str, candidate: str) -> None:
    """Write the metrics of a candidate, and say so."""
    earlier = frozen(training.session.tasks, task)
    best = history.valid[history.best_epoch] if history.best_epoch >= 0 else {}
    metrics = {
        "task": task,
        "candidate": candidate,
        "parameters": training.chain.parameters(),
        "epochs": history.epochs,
        "best_epoch": history.best_epoch + 1,
        "valid_loss": best.get(task),
        **({"frozen": earlier} if earlier else {}),
    }
    inputs = f" on frozen outputs of {', '.join(earlier)}" if earlier else ""
    write_json(training.folder / layout.RESULT, metrics)
    training.session.progress.done(
        f"pretrain {task}/{candidate}{inputs}: valid loss {best.get(task, math.nan):.5f} "
        f"in epoch {metrics['best_epoch']} of {metrics['epochs']}"
    )


def _outputs_of(session: Session, tasks: Sequence[str], split: str) -> dict[str, Tensor]:
    """Outputs of the best pre-trained candidate of each of some tasks, as columns."""
    columns: dict[str, Tensor] = {}
    for task in tasks:
        name = _best(session, task)
        chain = alone(session, task, name)
        load_weights(chain, pretrained(session, task, name)[0])
        given = _outputs_of(session, frozen(session.tasks, task), split)
        outputs = predictor(chain)({**session.on_device(split), **given})[task]
        columns |= to_device(output_columns(task, outputs))
    return columns


def _best(session: Session, task: str) -> str:
    """The candidate of the lowest loss on valid; the first of equals."""

    def loss(name: str) -> float:
        found = pretrained(session, task, name)[1]["valid_loss"]
        return math.inf if found is None else float(found)

    return min(session.tasks[task].candidates, key=loss)


def _link(source: Path, target: Path) -> None:
    """Show a file of the cache in the run's own folder."""
    if target.exists():
        return
    with atomic(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:  # another file system, or one without links
            shutil.copy(source, temporary)
