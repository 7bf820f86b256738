"""DARTS: all candidates mixed in shares that follow from α; α sees valid, the weights see train."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from msml.recipe.fits import check_fit
from msml.recipe.messages import Problem, at_least_1
from msml.recipe.schema import Fit
from msml.registry import strategies
from msml.stages.session import Session
from msml.strategies.darts_search import DartsSearch
from msml.strategies.relaxation import Kind
from msml.strategies.selection import Selection


def _adam() -> dict[str, Any]:
    return {"name": "adam", "learning_rate": 1e-3}


@strategies.register("darts")
@dataclass(frozen=True, kw_only=True)
class Darts:
    """Train the mixture of all candidates, and choose those of the largest α.

    Attributes:
        order: Whether α descends the valid loss as it is, or after a virtual step of the weights.
        derivative: How the mixed derivative of second order is taken.
        rate: ζ, the rate of the virtual step.
        epsilon: ε, the weight of each candidate's own loss.
        relaxation: How shares follow from α; see `Relaxation`.
        temperature: τ of the relaxation.
        final_temperature: τ in the last epoch, reached by equal factors; null for no change.
        mix: Whether angles are mixed as numbers, as in the paper, or on the circle.
        warmup: First epochs in which α stays.
        optimizer: Of the weights.
        alpha_optimizer: Of α.
        batch_size: Train events of a step; valid events go along in proportion.
        epochs: Most passes over the events.
        patience: Epochs without improvement of the mixture on valid after which it stops.
        stable_epochs: Stop, too, when the ranking by α was the same after so many epochs.
        clip_norm: Largest global norm of the gradients, of weights and of α each.
        hessian: Whether to log the largest eigenvalue of the Hessian of the valid loss by α.
        select_by: What chooses: the largest α; the candidate whose removal hurts the valid loss
            most; or the best combination with the shared weights, ranked by `select`.

    Source: paper, section 3.1 and algorithm 1; perturbation: Wang et al., 2108.04392.
    """

    order: Literal["first", "second"] = "second"
    derivative: Literal["exact", "difference"] = "exact"
    rate: float = 1e-3
    epsilon: float = 1.0
    relaxation: Kind = "softmax"
    temperature: float = 1.0
    final_temperature: float | None = None
    mix: Literal["linear", "circular"] = "linear"
    warmup: int = 0
    optimizer: dict[str, Any] = field(default_factory=_adam)
    alpha_optimizer: dict[str, Any] = field(default_factory=_adam)
    batch_size: int = 1200
    epochs: int = 100
    patience: int = 20
    stable_epochs: int | None = None
    clip_norm: float | None = None
    hessian: bool = False
    select_by: Literal["alpha", "perturbation", "supernet"] = "alpha"

    @property
    def fit(self) -> Fit:
        """How the weights are trained."""
        return Fit(self.optimizer, self.batch_size, self.epochs, self.patience, self.clip_norm)

    @property
    def alpha_fit(self) -> Fit:
        """How α is trained."""
        return Fit(self.alpha_optimizer, clip_norm=self.clip_norm)

    def problems(self) -> Iterator[Problem]:
        """Yield the arguments whose values make no sense."""
        yield from check_fit(self.fit)
        for key, message in check_fit(Fit(self.alpha_optimizer)):
            yield f"alpha_{key}", message
        for key, number in (("epsilon", self.epsilon), ("rate", self.rate)):
            if not 0 <= number < np.inf:
                yield key, f"expected 0 or more, got {number:g}"
        for key, tau in (
            ("temperature", self.temperature),
            ("final_temperature", self.final_temperature),
        ):
            if tau is not None and not 0 < tau < np.inf:
                yield key, f"expected a number above 0, got {tau:g}"
        if not 0 <= self.warmup < self.epochs:
            yield "warmup", f"expected 0 or more and fewer than epochs, got {self.warmup}"
        if self.stable_epochs is not None and self.stable_epochs < 1:
            yield "stable_epochs", at_least_1(self.stable_epochs)

    def search(self, session: Session) -> Selection:
        """Search in a run whose candidates are pre-trained."""
        return DartsSearch(session, self).run()

    def tau(self, epoch: int) -> float:
        """Temperature in an epoch, from 0."""
        if self.final_temperature is None or self.epochs == 1:
            return self.temperature
        done = epoch / (self.epochs - 1)
        return float(self.temperature * (self.final_temperature / self.temperature) ** done)
