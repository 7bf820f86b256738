"""Stopping on request."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from msml.errors import StoppedError

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


@contextlib.contextmanager
def answered(answer: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Answer Ctrl-C, SIGTERM and SIGUSR1 in one's own way while the block runs."""
    previous = {number: signal.signal(number, answer) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def stop_on_signals(message: str) -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and SIGUSR1 into a `StoppedError` while the block runs."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise StoppedError(f"{signal.Signals(number).name}: {message}")

    with answered(stop):
        yield


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[], str | None]]:
    """Remember a signal instead of dying of it; a second Ctrl-C is not waited for.

    Yields:
        What says the name of the first signal, or None.
    """
    asked: list[str] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(signal.Signals(number).name)

    with answered(ask):
        yield lambda: asked[0] if asked else None
