"""Grid search: every combination of candidates is trained, and the best on valid is chosen."""

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from msml.chain import Chain
from msml.checks.limits import check_trained
from msml.domains import Count
from msml.errors import RecipeError
from msml.files import atomic, fingerprint
from msml.recipe.expand import GRID, Chosen, chain_name, combinations
from msml.recipe.messages import Problem
from msml.recipe.schema_training import Fit
from msml.registry import strategies
from msml.runs import layout
from msml.runs.directory import read_json, write_json
from msml.stages.cost import measure_cost
from msml.stages.posttrain import chain_training, joint_training, pretrained_chain
from msml.stages.pretrain import pretrain
from msml.stages.replicas import train_all
from msml.stages.search import chain_weights
from msml.stages.selection import Selection
from msml.stages.session import Session
from msml.stages.training import Training, predict
from msml.strategies.ranking import Score, rank, ranked_by, score, undetermined
from msml.weighting.rule import make_weighting, tasks_of


@strategies.register(GRID, title="Grid", trains_chains=True)
@dataclass(frozen=True, kw_only=True)
class Grid:
    """Train every combination jointly from the pre-trained candidates; the best on valid wins.

    Source: paper, section 4.4.1.

    Attributes:
        at_once: Most combinations of the same models, as copies of candidates make, that are
            trained in one graph. The last digits of a result depend on it.
    """

    at_once: Count = 1

    def problems(self) -> Iterator[Problem]:
        """Yield nothing: there are no arguments."""
        yield from ()

    def trainings(self, candidates: Sequence[int], posttrain: Fit) -> tuple[Fit, list[float]]:
        """Train each candidate with all combinations of the others."""
        return posttrain, [math.prod(candidates) / known for known in candidates]

    def search(self, session: Session) -> Selection:
        """Train and rank; the winner's weights are the result."""
        selection = every_combination(session, self.at_once)
        keep_winner(session, selection)
        return selection


def keep_winner(session: Session, selection: Selection) -> None:
    """Keep the weights of the chosen combination, which was trained already."""
    winner = combination_folder(session, dict(selection.chosen)) / layout.WEIGHTS
    with atomic(chain_weights(session)) as temporary:
        shutil.copy(winner, temporary)


def every_combination(session: Session, at_once: int = 1) -> Selection:
    """Do a grid search whatever the recipe's strategy is, beside it; all is pre-trained first."""
    if problems := [text for _, text in check_trained(session.values, Grid())]:
        raise RecipeError(problems)
    pretrain(session)
    if at_once > 1:
        train_combinations([session], at_once)
    selection = choose(session, GRID, combinations(session.tasks))
    selection.write(layout.selection(session.directory.path, GRID))
    return selection


def train_combinations(sessions: Sequence[Session], at_once: int | None = None) -> None:
    """Train the combinations of runs that differ in their seeds only, those of one form at once.

    Args:
        sessions: The runs; all is pre-trained.
        at_once: Most that are trained in one graph; where None, as many as there are runs.
    """
    forms: dict[str, list[Chosen]] = {}
    for chosen in combinations(sessions[0].tasks):
        forms.setdefault(_form(sessions[0], chosen), []).append(chosen)
    size = at_once or len(sessions)
    for chains in forms.values():
        todo = [(chosen, session) for chosen in chains for session in sessions]
        left = [each for each in todo if not _is_done(*each)]
        for first in range(0, len(left), size):
            train_all([_training(*each) for each in left[first : first + size]])


def _form(session: Session, chosen: Chosen) -> str:
    """What is the same for combinations of equal models."""
    specs = (session.tasks[task].candidates[name] for task, name in chosen.items())
    return fingerprint(
        [[s.model, dict(s.args), asdict(s.start) if s.start else None] for s in specs]
    )


def _is_done(chosen: Chosen, session: Session) -> bool:
    return (combination_folder(session, chosen) / layout.RESULT).exists()


def _training(chosen: Chosen, session: Session) -> Training:
    folder = combination_folder(session, chosen)
    return chain_training(session, pretrained_chain(session, chosen), chosen, folder)


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
    if not _is_done(chosen, session):
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
    measure_cost(session, chosen, session.values.select.split)
    return read_json(folder / layout.RESULT, "score", "replicas", "losses", "epochs")
