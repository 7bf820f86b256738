"""What `msml inspect` shows of the study's events."""

from pathlib import Path

from rich.console import Console

from msml.registry import event_pages
from msml.studies.htautau.events import EventSummary, draw_page, print_summary, summarise

__all__ = ["EventSummary"]


def _show(summary: EventSummary) -> None:
    print_summary(summary, Console())


@event_pages.register("htautau", columns=("jets",), show=_show, draw=draw_page)
def htautau(path: Path) -> EventSummary:
    """Tau jets, calorimeter images and true taus of two processes."""
    return summarise(path)
