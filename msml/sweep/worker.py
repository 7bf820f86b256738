"""What a Dask worker of a sweep does: units, one at a time; and stopping them."""

import asyncio
import signal
from typing import Any

from msml.sweep.plan import Plan
from msml.sweep.unit import CHILDREN, Outcome, carry_out
from msml.sweep.units import Unit

_SECONDS_BETWEEN_LOOKS = 0.1


def dask_setup(_worker: Any) -> None:
    """Leave Ctrl-C at the terminal to the process that started the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def work(plan: Plan, number: int, sweep: str, gpus: tuple[str, ...]) -> Outcome:
    """Do a unit, on the GPU of this worker if there are any."""
    unit: Unit = plan.units[number]
    return carry_out(plan, unit, sweep, gpus[_position() % len(gpus)] if gpus else None)


async def stop(sweep: str) -> None:
    """Have the units of a sweep save and leave, and wait until they have."""
    CHILDREN.stop(sweep)
    while CHILDREN.busy(sweep):
        await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)


def _position() -> int:
    """Number of this worker on its machine; a restarted one keeps it."""
    from distributed import get_worker

    return int(get_worker().name)
