"""What a search decided, and the file that keeps it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from msml.errors import DataError
from msml.recipe.expand import Chain
from msml.runs.directory import read_json, write_json


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
    """

    strategy: str
    by: str
    chosen: Chain
    undetermined: Sequence[str]
    trained: bool
    gradient_passes: float
    alpha: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None
    ranking: Sequence[Mapping[str, Any]] | None = None
    distribution: Mapping[str, Mapping[str, float]] | None = None
    epochs: Sequence[Mapping[str, Any]] | None = None
    best_epoch: int | None = None

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
