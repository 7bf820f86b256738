"""Stopping on request."""

import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

from msml.errors import StoppedError

BATCH_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
STOP_SIGNALS = (signal.SIGINT, *BATCH_SIGNALS)


@contextlib.contextmanager
def answered(
    answer: Callable[[int, FrameType | None], None], signals: Iterable[int] = STOP_SIGNALS
) -> Iterator[None]:
    """Answer signals in one's own way while the block runs."""
    previous = {number: signal.signal(number, answer) for number in signals}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def stop_on_signals(message: str, signals: Iterable[int] = STOP_SIGNALS) -> Iterator[None]:
    """Turn signals into a `StoppedError` while the block runs."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise StoppedError(f"{signal.Signals(number).name}: {message}")

    with answered(stop, signals):
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
