"""Runs that differ in their seeds only: what they train is trained at once, before each goes on."""

from collections.abc import Sequence

from msml.recipe.expand import GRID
from msml.runs import layout
from msml.stages.posttrain import chain_training, start
from msml.stages.pretrain import pretrained_together
from msml.stages.replicas import train_all
from msml.stages.session import Session
from msml.stages.sharing import joint_folders, pretrained_tasks
from msml.strategies.grid import train_combinations


def train_together(sessions: Sequence[Session], stage: str) -> None:
    """Train what runs need at a stage, as far as it is known without a search.

    That are candidates alone, combinations of a grid, and chains that the recipe chooses. Each run
    then finds the weights, and goes on by itself.

    Args:
        sessions: The runs.
        stage: What each of them is to do.
    """
    recipe = sessions[0].values
    for task in pretrained_tasks(recipe):
        for candidate in sessions[0].tasks[task].candidates:
            pretrained_together(sessions, task, candidate)
    if GRID in (stage, recipe.strategy.get("name")):
        train_combinations(sessions)
        return
    for chosen, folder in joint_folders(recipe, stage):
        trainings = []
        for session in sessions:
            own = session.directory.path / folder
            if not (own / layout.RESULT).exists():
                chain = start(session, chosen)[0]
                trainings.append(chain_training(session, chain, chosen, own))
        if trainings:
            train_all(trainings)
