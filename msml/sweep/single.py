"""One unit of a plan, for batch systems and shells."""

from pathlib import Path
from types import FrameType

from msml.errors import IncompleteError, RecipeError, StoppedError
from msml.signals import answered
from msml.sweep import batch
from msml.sweep.plan import Plan, read
from msml.sweep.unit import CHILDREN, Outcome, carry_out
from msml.sweep.units import Unit

_MARK = "run-unit"


def run_one(path: Path, number: int, requeue: bool = False) -> tuple[Plan, Unit, Outcome]:
    """Do one unit; what it says goes to its log.

    Args:
        path: The plan.
        number: The unit.
        requeue: Have Slurm queue this job again where the unit was stopped.

    Returns:
        The plan, the unit, and how it ended.

    Raises:
        RecipeError: There is no such unit.
        IncompleteError: A unit that it needs is not done.
        DataError: The plan cannot be read.
    """
    plan = read(path)
    if number >= len(plan.units):
        raise RecipeError(f"{path}: no unit {number}; there are {len(plan.units)}, from 0")
    unit = plan.units[number]
    for needed in () if plan.is_done(unit) else unit.needs:
        if not plan.is_done(plan.units[needed]) and not plan.units[needed].can_be_spared:
            message = f"unit {number} needs unit {needed}, which is not done"
            raise IncompleteError(f"{message}: msml run-unit {path} {needed}")

    def stop(_number: int, _frame: FrameType | None) -> None:
        CHILDREN.stop(_MARK)

    with answered(stop):
        outcome = carry_out(plan, unit, _MARK)
        if requeue and outcome.exit_code == StoppedError.exit_code:
            batch.requeue()  # here, as batch systems send their signal more than once
    return plan, unit, outcome
