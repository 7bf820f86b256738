"""Training of chosen chains: connected, sequential, joint in one of three ways."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msml.chain import Chain, output_columns
from msml.ensemble import Predictor
from msml.recipe.expand import TOTAL, chain_name, upstream
from msml.recipe.schema_training import INITIAL, Ensemble
from msml.runs import layout
from msml.runs.directory import read_json, write_json
from msml.stages.ensemble import together, train_members
from msml.stages.pretrain import pretrained
from msml.stages.search import chain_weights, chosen_chains, search
from msml.stages.session import Session
from msml.stages.setup import Setup
from msml.stages.training import Training, build_model, predict, train, validation
from msml.training.checkpoint import save_arrays, variable_arrays
from msml.training.epoch import Stream, Tensor, to_device
from msml.training.measure import EVALUATION_BATCH
from msml.training.variables import load_weights, model_variables

Record = dict[str, Any]
_RESULT = ("chain", "mode", "valid_losses")


def posttrain(session: Session) -> dict[str, dict[str, Any]]:
    """Train every chain of the recipe, or the one that its search chose, in every mode.

    Returns:
        Metrics on valid by chain and mode.
    """
    modes = session.values.posttrain.modes
    return {
        chain_name(chosen): {mode: trained(session, chosen, mode) for mode in modes}
        for chosen in chosen_chains(session)
    }


def folder_of(session: Setup, chosen: dict[str, str], mode: str) -> Path:
    """Where a chain's result is kept."""
    return layout.posttrained(session.directory.path, chain_name(chosen), mode)


def trained(session: Session, chosen: dict[str, str], mode: str) -> dict[str, Any]:
    """Train a chain in one mode unless that was done."""
    folder = folder_of(session, chosen, mode)
    if not (folder / layout.RESULT).exists():
        session.check_stop()
        work = {"connected": _connected, "sequential": _sequential, "joint": _joint}[mode]
        result = work(session, chosen, folder)
        write_json(folder / layout.RESULT, {"chain": chosen, "mode": mode, **result})
        losses = ", ".join(f"{k} {v:.5f}" for k, v in result["valid_losses"].items())
        session.progress.done(f"posttrain {chain_name(chosen)} {mode}: valid losses {losses}")
    return read_json(folder / layout.RESULT, *_RESULT)


def result(session: Setup, chosen: dict[str, str], mode: str) -> Predictor:
    """A chain as its training in a mode has left it; an ensemble where it had several."""
    folder = folder_of(session, chosen, mode)
    members = _members(folder)
    if members:
        return _assembled(session, chosen, folder, members)
    chain = _loaded(session, chosen, folder)
    return together(session, [chain], [1.0]) if mode == "joint" else chain


def weight_files(session: Setup, chosen: dict[str, str], mode: str) -> list[Path]:
    """Files of the weights of a trained chain, or of the members of its ensemble."""
    folder = folder_of(session, chosen, mode)
    folders = _member_folders(folder, len(_members(folder)))
    return [each / layout.WEIGHTS for each in folders or [folder]]


def _members(folder: Path) -> list[Record]:
    """Records of the members of an ensemble; none where it is a chain alone."""
    found: list[Record] = read_json(folder / layout.RESULT, *_RESULT).get("members", [])
    return found


def _member_folders(folder: Path, count: int) -> list[Path]:
    return [layout.member(folder, number) for number in range(count)]


def _assembled(
    session: Setup, chosen: dict[str, str], folder: Path, members: Sequence[Record]
) -> Predictor:
    """Load the members of an ensemble, whose records are given."""
    folders = _member_folders(folder, len(members))
    chains = [_loaded(session, chosen, each) for each in folders]
    return together(session, chains, [member["share"] for member in members])


def _loaded(session: Setup, chosen: dict[str, str], folder: Path) -> Chain:
    chain = _built(session, chosen, {})
    load_weights(chain, folder / layout.WEIGHTS)
    return chain


def pretrained_chain(
    session: Session, chosen: dict[str, str], built: dict[tuple[str, str], Any] | None = None
) -> Chain:
    """Connect the pre-trained candidates, afresh.

    Args:
        session: The run.
        chosen: Candidate of each task.
        built: Models by task and candidate, from chains that are no longer needed: their weights
            are set anew. Those that are not there are built, and put there.
    """
    chain = _built(session, chosen, {} if built is None else built)
    for task, name in chosen.items():
        single = Chain(session.tasks, {task: chain.models[task]})
        load_weights(single, pretrained(session, task, name)[0])
    return chain


def joint_training(
    session: Session, chain: Chain, chosen: dict[str, str], folder: Path
) -> dict[str, Any]:
    """Re-optimise a connected chain, and keep it in a folder of the run.

    The losses are weighed as the recipe says, by default by v_t.

    Returns:
        Its losses on valid, and the number of epochs.
    """
    history = train(chain_training(session, chain, chosen, folder))
    if history.best_epoch < 0:  # no epoch was better than any number
        return {**_valid_losses(session, chain), "epochs": history.epochs}
    return {"valid_losses": history.valid[history.best_epoch], "epochs": history.epochs}


def chain_training(
    session: Session, chain: Chain, chosen: dict[str, str], folder: Path, member: str = ""
) -> Training:
    """How a connected chain is trained; `member` is of an ensemble."""
    return Training(
        session=session,
        key=str(folder.relative_to(session.directory.path)),
        chain=chain,
        task_weights=session.task_weights,
        settings=session.values.posttrain,
        folder=folder,
        weighting=session.values.weighting,
        shuffle=f"posttrain/{chain_name(chosen)}/joint{member}",
    )


def _joint(session: Session, chosen: dict[str, str], folder: Path) -> dict[str, Any]:
    """Optimise from where the recipe says, once or for each member of an ensemble."""
    if settings := session.values.posttrain.ensemble:
        return _ensemble(session, settings, chosen, folder)
    chain, optimised = start(session, chosen)
    if optimised:
        return _keep(session, chain, folder)
    return joint_training(session, chain, chosen, folder)


def _ensemble(
    session: Session, settings: Ensemble, chosen: dict[str, str], folder: Path
) -> dict[str, Any]:
    """Train the members of an ensemble, and measure it as a whole."""

    def make(number: int) -> Training:
        chain, name = start(session, chosen, f"member {number}")[0], f" member {number}"
        return chain_training(session, chain, chosen, layout.member(folder, number), name)

    members = train_members(session, settings, make)
    ensemble = _assembled(session, chosen, folder, members)
    return {**_valid_losses(session, ensemble), "members": members}


def start(session: Session, chosen: dict[str, str], fresh: str = "") -> tuple[Chain, bool]:
    """A chain with the weights that the recipe says: of the search, of pre-training, or of none.

    Args:
        session: The run.
        chosen: Candidate of each task.
        fresh: As of `build_model`, where the weights are those before any training.

    Returns:
        The chain, and whether the search has trained it already as `joint` would.
    """
    if session.values.posttrain.from_ == INITIAL:
        return _built(session, chosen, {}, fresh), False
    from_search = session.values.strategy and session.values.posttrain.from_ == "search"
    found = search(session) if from_search else None
    if found is None or not found.weights:
        return pretrained_chain(session, chosen), False
    chain = _built(session, chosen, {})
    load_weights(chain, chain_weights(session))
    return chain, found.trained


def _built(
    session: Setup, chosen: dict[str, str], built: dict[tuple[str, str], Any], fresh: str = ""
) -> Chain:
    """Connect models by task and candidate; those that are not there are built, and put there."""
    for each in chosen.items():
        if each not in built:
            built[each] = build_model(session, *each, fresh=fresh)
    return Chain(session.tasks, {task: built[task, name] for task, name in chosen.items()})


def _connected(session: Session, chosen: dict[str, str], folder: Path) -> dict[str, Any]:
    """Only connect."""
    return _keep(session, pretrained_chain(session, chosen), folder)


def _sequential(session: Session, chosen: dict[str, str], folder: Path) -> dict[str, Any]:
    """Train each task on the frozen outputs of those before (paper, 'without re-optimization').

    The first task sees columns only, so that its training is its pre-training.
    """
    models: dict[str, Any] = {}
    added: dict[str, dict[str, Tensor]] = {"train": {}, "valid": {}}
    for task, name in chosen.items():
        if not upstream(session.tasks[task].inputs, session.tasks):
            models[task] = build_model(session, task, name)
            single = Chain(session.tasks, {task: models[task]})
            load_weights(single, pretrained(session, task, name)[0])
        else:
            models[task] = build_model(session, task, name, fresh="sequential")
            training = Training(
                session=session,
                key=f"posttrain/{chain_name(chosen)}/sequential/{task}",
                chain=Chain(session.tasks, {task: models[task]}, frozenset(models) - {task}),
                task_weights={task: 1.0},
                settings=session.values.pretrain,
                folder=folder / task,
                added=added,
            )
            train(training)
        done = Chain(session.tasks, dict(models))
        for split in added:
            outputs = predict(session, done, split)
            added[split] |= to_device(output_columns(task, outputs[task]))
    return _keep(session, Chain(session.tasks, models), folder)


def _keep(session: Session, chain: Chain, folder: Path) -> dict[str, Any]:
    save_arrays(folder / layout.WEIGHTS, variable_arrays(model_variables(chain)), {"xla": False})
    return _valid_losses(session, chain)


def _valid_losses(session: Session, chain: Predictor) -> dict[str, Any]:
    valid = Stream(session.on_device("valid"), EVALUATION_BATCH)
    losses = validation(session, chain, session.task_weights, valid)()
    names = (*chain.models, TOTAL)
    return {"valid_losses": dict(zip(names, map(float, losses), strict=True))}
