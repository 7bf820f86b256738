"""The schema of how trained chains are measured and explained."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msml.domains import Count, Domain, Finite, Positive, Probability, Seed
from msml.recipe.metadata import UNRESOLVED, named


@dataclass(frozen=True)
class Validity:
    """A Gaussian process that says which outputs of a task are momenta; paper, section 4.4.1.

    It is trained on the train split, once for all runs with the same events and these settings.

    Attributes:
        sigma: Outputs are valid within so many standard deviations of its prediction.
        latents: Latent processes that are mixed into one for each number.
        inducing: Inducing points of each latent process.
        epochs: Passes over the training events.
        batch_size: Events of one step.
        learning_rate: Of Adam.
        seed: Seed of the inducing points and of the order of the events; not the run's.
    """

    sigma: Positive = 2.0
    latents: Annotated[int, Domain(1, 1000)] = 6
    inducing: Annotated[int, Domain(1, 10_000)] = 15
    epochs: Count = 30
    batch_size: Count = 100
    learning_rate: Positive = 1e-2
    seed: Seed = 1


@dataclass(frozen=True)
class Subset:
    """Events of the test split that are also measured by themselves.

    Attributes:
        column: Column of one number an event, as the file has it.
        values: Its values, exactly.
        blind: Whether nothing of these events may be seen until `evaluate.unblind`.
    """

    column: str
    values: list[Finite]
    blind: bool = False

    @property
    def condition(self) -> str:
        """The condition in words."""
        return f"{self.column} = {' or '.join(f'{value:.12g}' for value in self.values)}"


@dataclass(frozen=True)
class Importance:
    """Permutation importance: what a task loses where an input is that of other test events.

    Attributes:
        task: The task; the last one where null.
        metric: A metric of it, whether it is among its `metrics` or not; where null, its loss.
        repeats: Permutations that are averaged.
    """

    task: str | None = None
    metric: str | None = field(default=None, metadata=named("metrics"))
    repeats: Annotated[int, Domain(1, 1000)] = 5


@dataclass(frozen=True)
class Dependence:
    """Partial dependence: a task's mean answer where an input is the same for all test events.

    Attributes:
        task: The task; the last one where null.
        features: Inputs of it that are a number of an event, or of each object, and components,
            `input.component`; all that there are where empty.
        points: Values at most, at equal steps between the 1 % and the 99 % quantile.
    """

    task: str | None = None
    features: list[str] = field(default_factory=list)
    points: Annotated[int, Domain(2, 1000)] = 20


@dataclass(frozen=True)
class Calibrate:
    """Calibration: logits mapped so that probabilities are frequencies, fitted on valid.

    Attributes:
        method: `temperature` divides all logits of a task by one number; of labels alone, `beta`
            has three, and `isotonic` is any function that never falls.
        tasks: The tasks; all classifications where empty.
    """

    method: Literal["temperature", "isotonic", "beta"] = "temperature"
    tasks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Conformal:
    """Intervals of one width around estimates, from the distances on valid to the truth.

    Attributes:
        coverage: Which fraction of events they are to hold.
        tasks: The tasks; all that estimate numbers where empty.
    """

    coverage: Probability = 0.9
    tasks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Evaluate:
    """Measurement on the test split.

    Attributes:
        bootstrap: Replicas of the test events for the uncertainties.
        validity: The reference for the outputs of the momentum task; none where null.
        subsets: Parts of the test split by name.
        unblind: Whether to show blind subsets, whose events are else left out of the test split. No
            part of the run itself: what is trained stays, and both results are kept.
        importance: What a task loses without an input; not measured where null.
        dependence: How a task's answer depends on an input; not measured where null.
        calibrate: Calibrated probabilities, which `msml predict` gives, too; none where null.
        conformal: Intervals around what tasks estimate; none where null.
    """

    bootstrap: Count = 200
    validity: Validity | None = None
    subsets: dict[str, Subset] = field(default_factory=dict)
    unblind: bool = field(default=False, metadata=UNRESOLVED)
    importance: Importance | None = field(default=None, metadata=UNRESOLVED)
    dependence: Dependence | None = field(default=None, metadata=UNRESOLVED)
    calibrate: Calibrate | None = field(default=None, metadata=UNRESOLVED)
    conformal: Conformal | None = field(default=None, metadata=UNRESOLVED)

    @property
    def hidden(self) -> list[Subset]:
        """The subsets of which nothing may be seen."""
        return [each for each in self.subsets.values() if each.blind and not self.unblind]
