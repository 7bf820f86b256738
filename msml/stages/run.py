"""All stages, one after the other."""

from typing import Any

from msml.stages.evaluate import evaluate
from msml.stages.posttrain import posttrain
from msml.stages.pretrain import pretrain
from msml.stages.session import Session
from msml.stages.sharing import pretrained_tasks
from msml.stages.subsets import check_visible


def run(session: Session) -> list[dict[str, Any]]:
    """Pre-train, post-train and evaluate.

    Returns:
        The records of `evaluate`.
    """
    check_visible(session)
    pretrain(session, pretrained_tasks(session.values))
    posttrain(session)
    return evaluate(session)
