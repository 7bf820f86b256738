"""Training an ensemble of one chain, each member on its own part of the train split."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from msml.chain import Chain
from msml.checks.meaning import kind_of
from msml.data.kinematics import Array
from msml.ensemble import Ensemble, Predictor, View
from msml.errors import RecipeError
from msml.recipe.schema_training import Ensemble as Settings
from msml.stages.replicas import train_all
from msml.stages.session import Session
from msml.stages.setup import Setup
from msml.stages.training import Training
from msml.training.augmentation import momenta, views
from msml.training.variables import model_seed

Record = dict[str, Any]


def train_members(
    session: Session, settings: Settings, make: Callable[[int], Training]
) -> list[Record]:
    """Train the members of an ensemble that were not trained before.

    Args:
        session: The run.
        settings: Members, folds, shares.
        make: Makes the training of a member on all events of train.

    Returns:
        A record of each: its losses in its best epoch, its epochs, and its share.
    """
    trainings = [make(number) for number in range(settings.members)]
    if settings.folds is not None:
        parts = folds(session, settings.folds)[: settings.members]
        trainings = [replace(t, folds=part) for t, part in zip(trainings, parts, strict=True)]
    histories = train_all(trainings, settings.at_once)
    losses = [history.valid[max(history.best_epoch, 0)] for history in histories]
    shares = shares_of(settings, [found[trainings[0].losses[-1]] for found in losses])
    return [
        {"valid_losses": found, "epochs": history.epochs, "share": share}
        for found, history, share in zip(losses, histories, shares, strict=True)
    ]


def together(session: Setup, chains: Sequence[Chain], shares: Sequence[float]) -> Predictor:
    """One or several trained chains as what predicts: each sees all copies of the events."""
    augment = session.values.posttrain.augment
    copies: list[View] = [dict]
    if augment is not None:
        copies = views(augment, momenta(augment, session.columns, session.pipelines))
    if len(chains) == len(copies) == 1:
        return chains[0]
    return Ensemble(chains, shares, copies)


def shares_of(settings: Settings, losses: Sequence[float]) -> list[float]:
    """Share of each member, by its monitored loss; they sum to 1."""
    # Of likelihoods that are negative no reciprocal says how good they are.
    if settings.weight == "equal" or min(losses) <= 0:
        return [1 / len(losses)] * len(losses)
    worth = 1 / np.array(losses)
    return [float(share) for share in worth / worth.sum()]


def folds(session: Session, count: int) -> list[dict[str, Array]]:
    """Cut the train split into folds, each of which is `valid` once, the others being `train`.

    Each has its part of every class, where the last task has classes. All trainings get as many
    events: one or two that are too many train nowhere in that one.

    Returns:
        Rows of the train split by purpose, for each fold.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    split, final = session.split("train"), list(session.tasks)[-1]
    if count > len(split):
        message = f"expected at most the {len(split)} events of the train split, got {count}"
        raise RecipeError(f"posttrain.ensemble.folds: {message}")
    label, seed = (
        split.columns[session.tasks[final].target],
        model_seed(session.values.seed, "folds"),
    )
    classes = label.ndim == 1 and kind_of(session.values.tasks[final]) in ("label", "classes")
    even = classes and np.unique(label, return_counts=True)[1].min() >= count
    cut: Any = (StratifiedKFold if even else KFold)(count, shuffle=True, random_state=seed)
    parts = list(cut.split(np.zeros(len(split)), label if classes else None))
    shortest, rng = min(len(train) for train, _ in parts), np.random.default_rng(seed)
    return [
        {"train": np.sort(rng.permutation(train)[:shortest]), "valid": valid}
        for train, valid in parts
    ]
