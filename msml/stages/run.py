"""All stages, one after the other."""

from typing import Any

from msml.stages.evaluate import evaluate
from msml.stages.posttrain import posttrain
from msml.stages.pretrain import pretrain
from msml.stages.session import Session


def run(session: Session) -> list[dict[str, Any]]:
    """Pre-train, post-train and evaluate.

    Returns:
        The records of `evaluate`.
    """
    if _starts_from_pretraining(session):
        pretrain(session)
    posttrain(session)
    return evaluate(session)


def _starts_from_pretraining(session: Session) -> bool:
    """Say whether all candidates must be pre-trained; else post-training does what it needs."""
    fit = session.values.posttrain
    return bool(session.values.strategy) or fit.from_ != "initial" or "connected" in fit.modes
