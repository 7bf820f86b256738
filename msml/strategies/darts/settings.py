"""What a recipe says about DARTS."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from msml.domains import Count, Natural, NotNegative, Positive
from msml.recipe.messages import Problem
from msml.recipe.optimizers import check_optimizer
from msml.recipe.schema_training import Fit
from msml.strategies.relaxation import Kind

# A step, in forward-backward passes of the supernet: scripts/bench_search.py.
_PASSES = {"first": 1.14, "second": 3.05}


@dataclass(frozen=True, kw_only=True)
class DartsSettings:
    """How the mixture of all candidates is trained, and what chooses.

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
        candidate_patience: Epochs without improvement on valid after which a candidate keeps the
            weights of its best epoch, while the others and α go on. Then only epochs after the last
            one has stopped can be the best. It is judged by itself in its task's place, by the
            losses of its task and of those that its output reaches. Null: all learn to the end.
        stable_epochs: Stop, too, when no candidate learns by `candidate_patience`, and the ranking
            by α was the same after so many epochs.
        clip_norm: Largest global norm of the gradients, of weights and of α each.
        hessian: Whether to log the largest eigenvalue of the Hessian of the valid loss by α.
        select_by: What chooses: the largest α; the candidate whose removal hurts the valid loss
            most; or the best combination with the shared weights, ranked by `select`.
    """

    order: Literal["first", "second"] = "second"
    derivative: Literal["exact", "difference"] = "exact"
    rate: NotNegative = 1e-3
    epsilon: NotNegative = 1.0
    relaxation: Kind = "softmax"
    temperature: Positive = 1.0
    final_temperature: Positive | None = None
    mix: Literal["linear", "circular"] = "linear"
    warmup: Natural = 0
    optimizer: dict[str, Any] = field(default_factory=lambda: Fit().optimizer)
    alpha_optimizer: dict[str, Any] = field(default_factory=lambda: Fit().optimizer)
    batch_size: Count = 1200
    epochs: Count = 100
    patience: Count = 20
    candidate_patience: Count | None = None
    stable_epochs: Count | None = None
    clip_norm: Positive | None = None
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
        yield from check_optimizer("optimizer", self.optimizer)
        yield from check_optimizer("alpha_optimizer", self.alpha_optimizer)
        if self.warmup >= self.epochs:
            yield "warmup", f"expected 0 or more and fewer than epochs, got {self.warmup}"

    def trainings(self, candidates: Sequence[int], posttrain: Fit) -> tuple[Fit, list[float]]:
        """Train all candidates at once, in as many passes as a step takes."""
        return self.fit, [_PASSES[self.order]] * len(candidates)

    def tau(self, epoch: int) -> float:
        """Temperature in an epoch, from 0."""
        if self.final_temperature is None or self.epochs == 1:
            return self.temperature
        done = epoch / (self.epochs - 1)
        return float(self.temperature * (self.final_temperature / self.temperature) ** done)
