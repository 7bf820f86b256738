"""Search: the recipe's strategy chooses one candidate of each task."""

from dataclasses import replace
from pathlib import Path

from msml.errors import RecipeError
from msml.recipe.expand import Chosen, chain_name, chains
from msml.recipe.messages import unknown
from msml.registry import strategies
from msml.runs import layout
from msml.stages.pretrain import pretrain
from msml.stages.selection import Selection
from msml.stages.session import Session


def search(session: Session) -> Selection:
    """Pre-train what is missing and let the strategy choose, unless that was done.

    Raises:
        RecipeError: If the recipe has no strategy, or that of a plugin gives no choice.
    """
    path = layout.selection(session.directory.path)
    if not path.exists():
        settings = session.values.strategy
        if not settings:
            raise RecipeError("strategy: nothing to search with; expected `strategy: {name: ...}`")
        pretrain(session)
        session.check_stop()
        arguments = {key: value for key, value in settings.items() if key != "name"}
        found = strategies.get(settings["name"]).function(**arguments).search(session)
        if problem := _problem(session, found):
            raise RecipeError(f"strategy '{settings['name']}': {problem}")
        replace(found, weights=chain_weights(session).exists()).write(path)
        session.progress.done(f"search {found.strategy}: chose {chain_name(found.chosen)}")
    return Selection.read(path)


def _problem(session: Session, found: object) -> str:
    """Say why something is no choice; empty where it is one."""
    if not isinstance(found, Selection):
        return f"`search` gave {found!r}, expected a Selection"
    if list(found.chosen) != list(session.tasks):
        tasks = ", ".join(session.tasks)
        return f"chose for {', '.join(found.chosen)}; expected all tasks in order: {tasks}"
    for task, name in found.chosen.items():
        if name not in session.tasks[task].candidates:
            return f"task '{task}': {unknown('candidate', name, session.tasks[task].candidates)}"
    if found.trained and not chain_weights(session).exists():
        return "its chain is trained, but the weights of it were not kept"
    return ""


def chain_weights(session: Session) -> Path:
    """Where a strategy leaves the weights of the chosen chain, if it has any."""
    return layout.search(session.directory.path) / layout.WEIGHTS


def chosen_chains(session: Session) -> list[Chosen]:
    """The chains that the recipe chooses, or the one that its search chooses."""
    if session.values.strategy:
        return [dict(search(session).chosen)]
    return chains(session.values)
