"""The schema of how models and chains are trained."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msml.domains import Count, Domain, Natural, Positive
from msml.recipe.metadata import call, named

MODES = ("connected", "sequential", "joint")
"""The ways to train a chain."""

INITIAL = "initial"
"""What training starts from where nothing was trained before."""

ORIGINS = ("search", "pretrain", INITIAL)
"""What a joint training may start from."""


@dataclass(frozen=True)
class Average:
    """Which weights of a training are averaged: those after each of some epochs.

    The mean is what is measured on valid and kept; training goes on from the weights themselves.

    Attributes:
        start: The first of these epochs, from 1; before it nothing is averaged.
        every: They are so many epochs apart; in between the mean stays.
    """

    start: Count = 1
    every: Count = 1


@dataclass(frozen=True)
class Augment:
    """Events turned and mirrored anew each time that they train; all momenta of one together.

    Attributes:
        columns: Columns of momenta, with components pt, eta, phi or px, py, pz.
        rotate: Whether to rotate around the beam, by any angle.
        flip_phi: Whether to mirror in φ.
        flip_eta: Whether to mirror in η.
        rotations: Angles around the circle at test, where the predictions of all copies are
            averaged: each angle, mirrored or not. 0 for the event alone.
    """

    columns: list[str] = field(default_factory=list)
    rotate: bool = True
    flip_phi: bool = True
    flip_eta: bool = True
    rotations: Natural = 0


@dataclass(frozen=True)
class Fit:
    """How a model is trained.

    Attributes:
        optimizer: `name` of a Keras optimizer and its arguments.
        batch_size: Events of one step.
        epochs: Most passes over the training events.
        patience: Epochs without improvement after which training stops.
        clip_norm: Largest global norm of the gradients; not clipped where null.
        schedule: `name` of a schedule of the learning rate and its arguments.
        average: Which weights are averaged; none where null.
        augment: How the events are moved; they stay as they are where null.
    """

    optimizer: dict[str, Any] = field(
        default_factory=lambda: {"name": "adam", "learning_rate": 1e-3}, metadata=call("optimizers")
    )
    batch_size: Count = 100
    epochs: Count = 100
    patience: Count = 10
    clip_norm: Positive | None = None
    schedule: dict[str, Any] = field(
        default_factory=lambda: {"name": "constant"}, metadata=call("schedules")
    )
    average: Average | None = None
    augment: Augment | None = None


@dataclass(frozen=True)
class Ensemble:
    """Several trainings of the same chain, whose predictions are averaged.

    Attributes:
        members: How many.
        folds: Parts into which the train split is cut: each member is trained on all but one of
            them, by which it is stopped and weighted. Null for the whole train split, and valid.
        weight: Shares of the members: by 1 over `valid_loss`, or `equal`.
        at_once: Members that are trained in one graph; where null, all that can be.
    """

    members: Annotated[int, Domain(2, 1000)] = 10
    folds: Annotated[int, Domain(2, 1000)] | None = 10
    weight: Literal["valid_loss", "equal"] = "valid_loss"
    at_once: Annotated[int, Domain(1, 1000)] | None = None


@dataclass(frozen=True)
class Posttrain(Fit):
    """Training of the connected chain.

    Attributes:
        modes: Which of `connected`, `sequential` and `joint` to do; the last is the result.
        from_: Weights that `joint` starts from: `search`, those that the search ended with where
            there was one that left any, else those of `pretrain`; or `initial`, those before any
            training. The key is `from`.
        ensemble: Several trainings of `joint` instead of one; one where null.
    """

    modes: list[str] = field(default_factory=lambda: ["joint"], metadata=named(MODES))
    from_: str = field(default="search", metadata=named(ORIGINS))
    ensemble: Ensemble | None = None
