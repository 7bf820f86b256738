"""Measuring what chains cost: once for a run, and apart from its results, which times are not."""

from typing import Any

from msml.chain import Chain
from msml.ensemble import Predictor
from msml.recipe.expand import Chosen, chain_name
from msml.runs import layout
from msml.runs.cost import ALONE, BATCHES, JOINT, Cost
from msml.stages.ensemble import together
from msml.stages.session import Session
from msml.stages.training import build_model
from msml.tables import threads
from msml.training.cost import CPU, flops, latency
from msml.training.environment import tensorflow


def measure_cost(session: Session, chosen: Chosen, split: str, mode: str = ALONE) -> None:
    """Measure what a chain costs in the form that a mode gives it, unless that was done.

    Nothing is measured where the recipe does not want it.
    Weights do not matter for it: models are built anew, in float32 whatever the run's precision.

    Args:
        session: The run.
        chosen: Candidate of each task.
        split: Whose events are at hand.
        mode: How it is trained; a chain by itself by default.
    """
    if not session.values.evaluate.cost:
        return
    fit = session.values.posttrain
    form = JOINT if mode == JOINT and (fit.ensemble or fit.augment) else ALONE
    path = layout.cost(session.directory.path, chain_name(chosen), form)
    if path.exists():
        return
    with tensorflow().device(CPU):
        predictor = _predictor(session, chosen, form)
    available = session.on_device(split)
    events = {name: available[name][: max(BATCHES)] for name in predictor.input_columns()}
    count = flops(predictor, events)
    Cost(
        parameters=sum(_weights(model) for model in predictor.networks()),
        flops=float("nan") if count is None else count,
        latency=tuple(latency(predictor, events, size) for size in BATCHES),
        by=f"Keras, compiled, {threads(session.environment.threads)}",
    ).write(path)


def _weights(model: Any) -> int:
    return sum(int(variable.shape.num_elements()) for variable in model.trainable_variables)


def _predictor(session: Session, chosen: Chosen, form: str) -> Predictor:
    """Build a chain, or all that predict together."""
    if form == ALONE:
        return _chain(session, chosen)
    settings = session.values.posttrain.ensemble
    members = settings.members if settings else 1
    chains = [_chain(session, chosen) for _ in range(members)]
    return together(session, chains, [1 / members] * members)


def _chain(session: Session, chosen: Chosen) -> Chain:
    models = {
        task: build_model(session, task, name, precision="float32") for task, name in chosen.items()
    }
    return Chain(session.tasks, models)
