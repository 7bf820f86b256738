"""Worker processes: tasks spread over them, their progress gathered, nothing left behind."""

import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any

from msml.errors import IncompleteError
from msml.signals import STOP_SIGNALS

_POLL_SECONDS = 0.2

# Set in each worker when it starts.
_reports: Any = None


@dataclass(frozen=True)
class Task:
    """A call to be made in a worker.

    Attributes:
        call: A function at module level.
        arguments: Its arguments.
    """

    call: Callable[..., None]
    arguments: tuple[Any, ...]


def report(group: str, count: int) -> None:
    """Tell the parent, from inside a task, that so much of a group's work is done."""
    _reports.put((group, count))


def run_tasks(
    tasks: Mapping[str, list[Task]], workers: int, advance: Callable[[str, int], None]
) -> None:
    """Run groups of tasks; those of a group take about equally long.

    The group with most time left goes first, so that no long task is left for the end.

    Args:
        tasks: The tasks by group.
        workers: Processes.
        advance: Called with what tasks `report`.

    Raises:
        IncompleteError: If a worker dies.
        Exception: What a task raises; the others are stopped.
    """
    waiting = {group: list(reversed(entries)) for group, entries in tasks.items() if entries}
    workers = min(workers, sum(map(len, waiting.values())))
    if not workers:
        return
    # spawn: Pythia and the threads of libraries do not survive a fork.
    context = multiprocessing.get_context("spawn")
    _start_resource_tracker()
    reports = context.Queue()
    executor = ProcessPoolExecutor(workers, context, _start_worker, (reports,))
    running: dict[Future[None], tuple[str, float]] = {}
    seconds: dict[str, float] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                group = max(waiting, key=lambda g: len(waiting[g]) * seconds.get(g, 1e9))
                task = waiting[group].pop()
                if not waiting[group]:
                    del waiting[group]
                future = executor.submit(task.call, *task.arguments)
                running[future] = (group, time.monotonic())
            done, _ = wait(running, _POLL_SECONDS, FIRST_COMPLETED)
            for future in done:
                group, began = running.pop(future)
                future.result()
                seconds[group] = time.monotonic() - began
            _gather(reports, advance)
    except BrokenProcessPool as error:
        raise IncompleteError(
            "a worker process died (killed, or out of memory); what is finished is kept, "
            "run the same command again to continue"
        ) from error
    finally:
        for process in multiprocessing.active_children():
            process.kill()
        executor.shutdown(cancel_futures=True)


def _start_resource_tracker() -> None:
    """Start Python's own helper with our signals blocked: it would die of SIGUSR1."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        resource_tracker.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _gather(reports: Any, advance: Callable[[str, int], None]) -> None:
    while True:
        try:
            advance(*reports.get_nowait())
        except queue.Empty:
            return


def _start_worker(reports: Any) -> None:
    """Set up a worker: where it reports, no chatter of C++ libraries, death with its parent.

    Terminals and batch systems send signals to all processes; the parent alone answers them.
    """
    global _reports
    _reports = reports
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
