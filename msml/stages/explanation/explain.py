"""What explains a trained chain: importance of a task's inputs, and how it depends on them."""

from collections.abc import Callable
from dataclasses import asdict
from functools import cache, partial
from typing import Any

import numpy as np

from msml.data.kinematics import Array
from msml.ensemble import Predictor
from msml.metrics import LOSS, facts_of, label_of
from msml.recipe.expand import chain_name
from msml.recipe.schema_evaluation import Dependence, Importance
from msml.runs import layout
from msml.stages.asked import Bootstrap, Record, once
from msml.stages.explanation.dependence import answer_of, dependences
from msml.stages.explanation.frozen import FrozenTask
from msml.stages.explanation.importance import importances
from msml.stages.losses import Measure, loss_on, metric_on, tune
from msml.stages.posttrain import result
from msml.stages.session import Session
from msml.stages.training import predict

EXPLANATIONS = ("importance", "dependence")
"""Keys of a record of an evaluation below which they are."""


def explained(session: Session, chosen: dict[str, str], mode: str, seed: int) -> dict[str, Record]:
    """Explain a trained chain on the test split as the recipe asks, unless that was done.

    Args:
        session: The run.
        chosen: Candidate of each task.
        mode: How the chain was trained.
        seed: Seed of the bootstrap.

    Returns:
        `importance` and `dependence`, those that are asked for.
    """
    wanted = session.values.evaluate
    chain = cache(lambda: result(session, chosen, mode))
    bootstrap = (wanted.bootstrap, seed)
    folder = layout.evaluated(session.evaluation, chain_name(chosen), mode)
    works: list[tuple[Any, str, Callable[..., Record]]] = [
        (wanted.importance, layout.IMPORTANCE, _importance),
        (wanted.dependence, layout.DEPENDENCE, _dependence),
    ]
    found = {}
    for settings, name, work in works:
        if settings is None:
            continue
        path, task = folder / name, settings.task or list(session.tasks)[-1]
        line = f"evaluate {chain_name(chosen)} {mode}: {path.stem} of the inputs of {task}"
        found[path.stem] = once(
            path,
            {**asdict(settings), "task": task},
            partial(work, session, chain, bootstrap, settings, task),
            partial(session.progress.done, line),
        )
    return found


def _importance(
    session: Session,
    chain: Callable[[], Predictor],
    bootstrap: Bootstrap,
    settings: Importance,
    task: str,
) -> Record:
    metric = None if settings.metric is None else label_of(settings.metric)
    better = "lower" if metric is None else facts_of(metric)["better"]
    rows = importances(
        FrozenTask(session, chain(), task),
        _measure(session, chain(), task, metric),
        -1 if better == "higher" else 1,
        settings.repeats,
        bootstrap,
        session.check_stop,
    )
    return {"metric": metric or LOSS, "better": better, "features": list(rows)}


def _measure(
    session: Session, chain: Predictor, task: str, metric: str | None
) -> Callable[[Array], Measure]:
    """Prepare a metric of a task on test, with what is chosen on valid as evaluation does."""
    test = session.split("test")
    if metric is None:
        return partial(loss_on, session, task, test)
    tuned = {}
    if "choose" in facts_of(metric):
        seen = predict(session, chain, "valid")[task][session.tasks[task].output]
        tuned = tune(session, task, metric, session.split("valid"), seen)
    return lambda output: metric_on(session, task, metric, test, output, tuned)


def _dependence(
    session: Session,
    chain: Callable[[], Predictor],
    bootstrap: Bootstrap,
    settings: Dependence,
    task: str,
) -> Record:
    test = session.split("test")
    answer = answer_of(session, task, test)
    rows = dependences(
        FrozenTask(session, chain(), task),
        answer,
        test.weight.astype(np.float64),
        settings.features,
        settings.points,
        bootstrap,
        session.check_stop,
    )
    return {"answers": list(answer.names), "units": list(answer.units), "features": list(rows)}
