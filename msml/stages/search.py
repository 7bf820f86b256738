"""Search: the recipe's strategy chooses one candidate of each task."""

from dataclasses import replace
from pathlib import Path

from msml.errors import RecipeError
from msml.recipe.expand import Chosen, chain_name, chains
from msml.registry import strategies
from msml.runs import layout
from msml.stages.pretrain import pretrain
from msml.stages.selection import Selection
from msml.stages.session import Session


def search(session: Session) -> Selection:
    """Pre-train what is missing and let the strategy choose, unless that was done.

    Raises:
        RecipeError: If the recipe has no strategy.
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
        replace(found, weights=chain_weights(session).exists()).write(path)
        session.progress.done(f"search {found.strategy}: chose {chain_name(found.chosen)}")
    return Selection.read(path)


def searched(session: Session) -> tuple[Selection, Path]:
    """What the search chose, and the file of the chosen chain's weights."""
    return search(session), chain_weights(session)


def chain_weights(session: Session) -> Path:
    """Where a strategy leaves the weights of the chosen chain, if it has any."""
    return layout.search(session.directory.path) / layout.WEIGHTS


def chosen_chains(session: Session) -> list[Chosen]:
    """The chains that the recipe chooses, or the one that its search chooses."""
    if session.values.strategy:
        return [dict(search(session).chosen)]
    return chains(session.values)
