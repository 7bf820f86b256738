"""Grid search: every combination of candidates is trained, and the best on valid is chosen."""

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from msml.chain import Chain
from msml.checks.limits import check_trained
from msml.errors import RecipeError
from msml.files import atomic
from msml.recipe.expand import Chosen, chain_name
from msml.recipe.messages import Problem
from msml.recipe.schema_training import Fit
from msml.registry import strategies
from msml.runs import layout
from msml.runs.directory import read_json, write_json
from msml.stages.posttrain import joint_training, pretrained_chain
from msml.stages.pretrain import pretrain
from msml.stages.search import chain_weights
from msml.stages.selection import Selection
from msml.stages.session import Session
from msml.stages.training import predict
from msml.strategies.ranking import Score, rank, ranked_by, score, undetermined
from msml.weighting.rule import make_weighting, tasks_of


@strategies.register("grid", title="Grid", trains_chains=True)
@dataclass(frozen=True, kw_only=True)
class Grid:
    """Train every combination jointly from the pre-trained candidates; the best on valid wins.

    Source: paper, section 4.4.1.
    """

    def problems(self) -> Iterator[Problem]:
        """Yield nothing: there are no arguments."""
        yield from ()

    def trainings(self, candidates: Sequence[int], posttrain: Fit) -> tuple[Fit, list[float]]:
        """Train each candidate with all combinations of the others."""
        return posttrain, [math.prod(candidates) / known for known in candidates]

    def search(self, session: Session) -> Selection:
        """Train and rank; the winner's weights are the result."""
        selection = every_combination(session)
        keep_winner(session, selection)
        return selection


def keep_winner(session: Session, selection: Selection) -> None:
    """Keep the weights of the chosen combination, which was trained already."""
    winner = combination_folder(session, dict(selection.chosen)) / layout.WEIGHTS
    with atomic(chain_weights(session)) as temporary:
        shutil.copy(winner, temporary)


def every_combination(session: Session) -> Selection:
    """Do a grid search whatever the recipe's strategy is, beside it; all is pre-trained first."""
    if problems := [text for _, text in check_trained(session.values, Grid())]:
        raise RecipeError(problems)
    pretrain(session)
    selection = choose(session, "grid", combinations(session))
    selection.write(layout.selection(session.directory.path, "grid"))
    return selection


def combinations(session: Session) -> list[Chosen]:
    """Every combination of candidates; the first task varies slowest."""
    names = [list(task.candidates) for task in session.tasks.values()]
    return [dict(zip(session.tasks, choice, strict=True)) for choice in product(*names)]


def choose(session: Session, strategy: str, chains: Sequence[Chosen]) -> Selection:
    """Train combinations where that was not done, and rank them."""
    built: dict[tuple[str, str], Any] = {}
    records = [_trained(session, chosen, built) for chosen in chains]
    ranking = rank(session, chains, [kept_score(record) for record in records])
    return Selection(
        strategy=strategy,
        by=ranked_by(session),
        chosen=dict(ranking[0]["chain"]),
        undetermined=undetermined(ranking),
        trained=True,
        gradient_passes=float(_gradients(session) * sum(r["epochs"] for r in records)),
        ranking=ranking,
    )


def combination_folder(session: Session, chosen: Chosen) -> Path:
    """Where a combination's result is kept."""
    return layout.combination(session.directory.path, chain_name(chosen))


def kept_score(record: Mapping[str, Any]) -> Score:
    """Read the score of a combination; its file has null for what is not finite."""
    return Score(
        value=_number(record["score"]),
        replicas=np.array(record["replicas"], float),
        losses={task: _number(loss) for task, loss in record["losses"].items()},
    )


def _gradients(session: Session) -> int:
    """Count the weight gradients of an epoch of a chain: of each model one, or one a task."""
    chain = Chain(session.tasks, dict.fromkeys(session.tasks))
    weighting = make_weighting(session.values.weighting, tasks_of(chain, session.task_weights, 0))
    return len(session.tasks) * (len(session.tasks) if weighting.on_gradients else 1)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _trained(session: Session, chosen: Chosen, built: dict[tuple[str, str], Any]) -> dict[str, Any]:
    """Train one combination and measure it as `select` says, unless that was done."""
    folder = combination_folder(session, chosen)
    if not (folder / layout.RESULT).exists():
        session.check_stop()
        chain = pretrained_chain(session, chosen, built)
        result = joint_training(session, chain, chosen, folder)
        found = score(session, predict(session, chain, session.values.select.split))
        record = {
            "chain": chosen,
            **result,
            "parameters": chain.parameters(),
            "score": found.value,
            "replicas": found.replicas.tolist(),
            "losses": found.losses,
        }
        write_json(folder / layout.RESULT, record)
        metric = session.values.select.metric
        session.progress.done(f"grid {chain_name(chosen)}: {metric} {found.value:.5f}")
    return read_json(folder / layout.RESULT, "score", "replicas", "losses", "epochs")
