"""Carrying out a plan with Dask: what is left of it, in the order of its dependencies."""

import os
import queue
import re
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any
from uuid import uuid4

from msml.errors import IncompleteError, RecipeError, StoppedError
from msml.recipe.schema import Sweep
from msml.signals import stop_requests
from msml.sweep.child import follow_parent
from msml.sweep.cluster import Workers, packages, workers
from msml.sweep.environment import environment
from msml.sweep.plan import Plan
from msml.sweep.points import full_check
from msml.sweep.unit import Outcome
from msml.sweep.units import Unit
from msml.sweep.worker import stop, work

_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_BETWEEN_REPLACEMENTS = 20.0
_STOPS = 20  # of a unit, by others than us: pre-empted, or its worker killed
SKIPPED = -1
_ALIKE = re.compile(r"(seed|tasks\.[^.]+\.weight)=")  # of no matter for building models

Asked = Callable[[], str | None]


@dataclass(frozen=True)
class Follower:
    """How the world follows a sweep.

    Attributes:
        say: Called with a line about what is done first.
        look: Called now and then with the numbers of the units handed out, and of the workers.
        ended: Called with each outcome.
    """

    say: Callable[[str], None] = lambda line: None
    look: Callable[[set[int], int], None] = lambda out, workers: None
    ended: Callable[[Outcome], None] = lambda outcome: None


def left(plan: Plan) -> list[Unit]:
    """Units that are not done and that somebody needs.

    What prepares only runs that are done is not needed, even if its own directory lacks it.
    """
    wanted: set[int] = set()
    for unit in reversed(plan.units):
        if (not unit.prepares or unit.number in wanted) and not plan.is_done(unit):
            wanted |= {unit.number, *unit.needs}
    return [unit for unit in plan.units if unit.number in wanted and not plan.is_done(unit)]


def check_models(plan: Plan, units: Sequence[Unit]) -> None:
    """Build the models of the points, where they may differ, in another process.

    Raises:
        RecipeError: Holds all problems found.
    """
    distinct = {
        tuple(o for o in unit.overrides if not _ALIKE.match(o)): unit.overrides
        for unit in units
        if not unit.recipe
    }
    with ProcessPoolExecutor(1, get_context("spawn"), _apart) as pool:
        problems = pool.submit(full_check, plan.recipe, list(distinct.values())).result()
    if problems:
        raise RecipeError(problems)


def execute(plan: Plan, sweep: Sweep, follower: Follower) -> list[Outcome]:
    """Do all units that are left; one that fails does not hinder the others.

    Returns:
        How each of them ended; `SKIPPED` is the exit code of those that need a failed one.

    Raises:
        RecipeError: A model cannot be built, a package is missing, or an option is wrong.
        StoppedError: On Ctrl-C, SIGTERM or SIGUSR1, when all units at work have saved.
        IncompleteError: The connection to the scheduler was lost.
    """
    todo = left(plan)
    if not todo:
        return []
    packages()
    follower.say("building the models of all points, to check them")
    check_models(plan, todo)
    with (
        stop_requests() as asked,
        workers(sweep, len(todo), plan.file("batch")) as crew,
    ):
        return _Execution(plan, todo, crew, follower, asked).run()


def _apart() -> None:
    """Prepare a process that only builds models: Ctrl-C is for the one that waits for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    follow_parent(signal.SIGKILL)
    os.environ.update({**environment(1), "CUDA_VISIBLE_DEVICES": "-1"})


class _Execution:
    """One attempt at a plan."""

    def __init__(
        self, plan: Plan, todo: list[Unit], crew: Workers, follower: Follower, asked: Asked
    ) -> None:
        self._plan = plan
        self._crew = crew
        self._follower = follower
        self._asked = asked
        self._mark = uuid4().hex
        self._waiting = {unit.number: unit for unit in todo}
        self._futures: dict[int, Any] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._starts: dict[int, int] = {}
        self._ended: queue.Queue[int] = queue.Queue()
        self._replaced = time.monotonic()

    def run(self) -> list[Outcome]:
        self._hand_out()
        while self._futures:
            self._look()
            try:
                number = self._ended.get(timeout=_SECONDS_BETWEEN_LOOKS)
            except queue.Empty:
                continue
            self._take(number)
            self._hand_out()
        return [self._outcomes[number] for number in sorted(self._outcomes)]

    def _hand_out(self) -> None:
        """Give out the units whose needs are done; skip those whose needs have failed."""
        for number, unit in list(self._waiting.items()):
            failed = [n for n in unit.needs if self._has_failed(n)]
            if failed:
                message = f"needs unit {failed[0]}, which was not done"
                self._end(Outcome(number, SKIPPED, 0.0, message))
            elif not any(n in self._waiting or n in self._futures for n in unit.needs):
                self._submit(number)
            else:
                continue
            del self._waiting[number]

    def _has_failed(self, number: int) -> bool:
        """Whether a unit was not done, so that those that need it cannot be."""
        ended = self._outcomes.get(number)
        return bool(ended and ended.exit_code) and not self._plan.units[number].can_be_spared

    def _submit(self, number: int) -> None:
        self._starts[number] = self._starts.get(number, 0) + 1
        future = self._crew.client.submit(
            work,
            self._plan,
            number,
            self._mark,
            self._crew.gpus,
            key=f"{self._mark}-{number}-{self._starts[number]}",
            priority=-number,
            pure=False,
        )
        self._futures[number] = future
        future.add_done_callback(lambda _: self._ended.put(number))

    def _take(self, number: int) -> None:
        """Take the outcome of a unit that has ended."""
        from distributed import KilledWorker

        future = self._futures.pop(number)
        try:
            outcome: Outcome = future.result()
        except KilledWorker:
            outcome = Outcome(number, 1, 0.0, "its workers were killed too often")
        except CancelledError as error:
            raise IncompleteError("lost the Dask scheduler; the same command continues") from error
        stopped = outcome.exit_code == StoppedError.exit_code
        if stopped and self._starts[number] < _STOPS:
            self._submit(number)
        else:
            self._end(outcome)

    def _end(self, outcome: Outcome) -> None:
        self._outcomes[outcome.number] = outcome
        self._follower.ended(outcome)

    def _look(self) -> None:
        """Follow the work, keep up the number of batch jobs, and stop if asked to."""
        if reason := self._asked():
            self._crew.client.cancel(list(self._futures.values()))
            self._crew.client.run(stop, self._mark, on_error="ignore")
            raise StoppedError(f"{reason}: units saved; the same command continues")
        now = time.monotonic()
        if now - self._replaced > _SECONDS_BETWEEN_REPLACEMENTS:
            self._replaced = now
            self._crew.replace_lost()
        self._follower.look(set(self._futures), self._crew.count())
