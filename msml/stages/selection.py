"""What a search decided, and the file that keeps it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msml.errors import DataError
from msml.recipe.expand import Chosen
from msml.recipe.messages import Problem
from msml.runs.directory import read_json, write_json

if TYPE_CHECKING:
    from msml.stages.session import Session


class Strategy(Protocol):
    """What a selection strategy is: a class registered in `msml.registry.strategies`.

    A recipe's `strategy` block gives its keyword-only arguments, which are checked against its
    signature; a dataclass with `frozen=True, kw_only=True` and defaults will do. The registration
    may say

    - `title`: its name in figures; the registered one where there is none;
    - `trains_chains=True`: it trains the chains that it ranks as post-training does, which then
      has nothing left to do (`Selection.trained`);
    - `no_dummies="..."`: why it cannot have dummies among its candidates.

    A strategy may also have a method

        trainings(self, candidates: Sequence[int], posttrain: Fit) -> tuple[Fit, Sequence[float]]

    from the number of candidates of each task to how they are trained in the search, and how often
    each candidate of each task is, in trainings of full length. `msml plan --estimate` counts with
    it, and says so where there is none.
    """

    def problems(self) -> Iterable[Problem]:
        """Yield arguments, as keys below `strategy`, whose values make no sense, and why."""

    def search(self, session: "Session") -> "Selection":
        """Choose one candidate of each task, in their order; all are pre-trained already.

        The weights of the chosen chain may be left in `chain_weights(session)`, for post-training
        to go on from, and must be where the chain is trained already; else post-training goes on
        from the pre-trained ones.
        """


@dataclass(frozen=True)
class Selection:
    """The chosen candidate of each task and what led to it.

    Attributes:
        strategy: Name of the strategy.
        by: What decided: `alpha`, or a metric with its split.
        chosen: The candidate of each task.
        undetermined: Tasks whose choice is a tie or lies within the uncertainty of the ranking.
        trained: Whether the chain was trained as post-training does it, so that nothing is left.
        gradient_passes: Weight gradients computed, in passes of one model over the train split.
        alpha: Of each task and candidate: α, its softmax, and the candidate's own loss on valid.
        ranking: Combinations, best first, each with chain, score, uncertainty and losses on valid.
        distribution: Of each task and candidate: its probability at the end.
        epochs: All losses of each epoch, and α or the distribution after it.
        best_epoch: The one whose state was kept, from 1.
        weights: Whether the search left weights of the chosen chain; set where it is called.
    """

    strategy: str
    by: str
    chosen: Chosen
    undetermined: Sequence[str]
    trained: bool
    gradient_passes: float
    alpha: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None
    ranking: Sequence[Mapping[str, Any]] | None = None
    distribution: Mapping[str, Mapping[str, float]] | None = None
    epochs: Sequence[Mapping[str, Any]] | None = None
    best_epoch: int | None = None
    weights: bool = True

    def write(self, path: Path) -> None:
        """Keep it as JSON."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> "Selection":
        """Read what `write` wrote.

        Raises:
            DataError: If it is missing, broken or of another version.
        """
        content = read_json(path)
        try:
            return cls(**content)
        except TypeError as error:
            raise DataError(f"{path}: not a selection of this version: {error}") from error
