"""How a DARTS search that has ended chooses one candidate of each task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from msml.stages.selection import Selection
from msml.strategies.darts.alphas import Alphas
from msml.strategies.ranking import Record, undetermined
from msml.training.fit import History

# Numbers of each candidate, by task and name.
Scores = dict[str, dict[str, dict[str, float]]]


def scores_of_alpha(alphas: Alphas, history: History) -> Scores:
    """α, share and own loss on valid of each candidate, after the epoch that was kept.

    Of one that stopped by itself also the epoch in which it did, and that whose weights it keeps,
    from 1, and how much its own loss was then lower on train than on valid.
    """
    valid = history.valid[history.best_epoch]
    values, shares = alphas.values(), alphas.shares()
    found: Scores = {
        task: {
            name: {
                "alpha": value,
                "share": shares[task][name],
                "valid_loss": valid[f"{task}/{name}"],
            }
            for name, value in candidates.items()
        }
        for task, candidates in values.items()
    }
    for number, (train, notes) in enumerate(zip(history.train, history.notes, strict=True)):
        for key, stop in notes.get("stopped", {}).items():
            task, _, name = key.partition("/")
            gap = stop["own"] - train[key]
            found[task][name] |= {"stopped": number + 1, "keeps": stop["keeps"], "gap": gap}
    return found


def scores_of_removal(alphas: Alphas, scores: Scores, loss: Callable[[], float]) -> Scores:
    """Add the loss of the mixture on valid without each candidate, the others sharing.

    Args:
        alphas: α, as kept.
        scores: Of `scores_of_alpha`.
        loss: Measures the monitored loss.

    Source: Wang et al., 2108.04392, section 4; without training in between.
    """
    found: Scores = {task: {} for task in scores}
    for task, candidates in scores.items():
        for name, numbers in candidates.items():
            with alphas.without(task, name):
                found[task][name] = {**numbers, "loss_without": loss()}
    return found


def selection(select_by: str, scores: Scores, history: History, passes: float) -> Selection:
    """Choose the highest score of each task; ties go to the lower own loss on valid."""
    key = {"alpha": "alpha", "perturbation": "loss_without"}[select_by]
    chosen, undetermined = {}, []
    for task, candidates in scores.items():
        chosen[task] = min(candidates, key=lambda name: _order(candidates[name], key, name))
        top = max(numbers[key] for numbers in candidates.values())
        if sum(numbers[key] == top for numbers in candidates.values()) > 1:
            undetermined.append(task)
    return Selection(
        strategy="darts",
        by=select_by,
        chosen=chosen,
        undetermined=undetermined,
        trained=False,
        gradient_passes=passes,
        alpha=scores,
        epochs=history.by_epoch(),
        best_epoch=history.best_epoch + 1,
    )


def by_ranking(
    ranking: Sequence[Record], by: str, scores: Scores, history: History, passes: float
) -> Selection:
    """Choose the combination that is best with the shared weights."""
    return replace(
        selection("alpha", scores, history, passes),
        by=f"{by}, shared weights",
        chosen=dict(ranking[0]["chain"]),
        undetermined=undetermined(ranking),
        ranking=ranking,
    )


def _order(numbers: Mapping[str, float], key: str, name: str) -> Any:
    return -numbers[key], numbers["valid_loss"], name
