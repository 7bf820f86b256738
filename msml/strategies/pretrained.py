"""The supernet of a run: built from the pre-trained candidates, fed with train and valid events."""

from collections.abc import Mapping
from typing import Any

from msml.chain import WEIGHT, Chain
from msml.errors import DataError
from msml.stages.pretrain import pretrained
from msml.stages.search import chain_weights
from msml.stages.session import Session
from msml.stages.training import build_model
from msml.training.checkpoint import assign, load_arrays, save_arrays, variable_arrays
from msml.training.epoch import Stream
from msml.training.variables import Models, model_variables, numbered


def pretrained_models(session: Session) -> dict[str, dict[str, Any]]:
    """Build every candidate with its pre-trained weights, by task and name.

    In the order of names, so that sums over candidates do not depend on the recipe's order.
    """
    models = {
        task: {name: build_model(session, task, name) for name in sorted(spec.candidates)}
        for task, spec in session.tasks.items()
    }
    for task, candidates in models.items():
        for name, model in candidates.items():
            path, _ = pretrained(session, task, name)
            variables = {f"{task}/{n}": v for n, v in numbered(model.variables).items()}
            assign(variables, load_arrays(path)[0], str(path))
    return models


def streams(session: Session, batch_size: int) -> tuple[Stream, Stream]:
    """Train and valid events of each step, the latter in proportion to the sizes of the splits.

    Raises:
        DataError: If there are more train batches than valid events.
    """
    columns = [*Chain(session.tasks, dict.fromkeys(session.tasks)).columns(), WEIGHT]
    train, valid = (
        {name: session.on_device(split)[name] for name in columns} for split in ("train", "valid")
    )
    events, others = len(session.split("train")), len(session.split("valid"))
    beside = min(batch_size, events) * others // events
    if beside < 1:
        raise DataError(
            f"{session.data_file}: {others} valid events are fewer than the train batches of "
            f"{batch_size}; expected a larger strategy.batch_size"
        )
    return Stream(train, batch_size), Stream(valid, beside)


def keep_chain(session: Session, models: Models, chosen: Mapping[str, str]) -> None:
    """Keep the weights of the chosen candidates, for post-training to go on with."""
    chain = Chain(session.tasks, {task: models[task][name] for task, name in chosen.items()})
    arrays = variable_arrays(model_variables(chain))
    save_arrays(chain_weights(session), arrays, {"chain": dict(chosen)})
