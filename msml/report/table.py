"""Tables for people, on standard output."""

from collections.abc import Container, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

NONE = "-"
_WIDEST = 1000


def show(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: Container[int]
) -> None:
    """Print a table, never wrapped; the columns at `numbers` are aligned to the right."""
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        header_style="bold",
    )
    for index, name in enumerate(headings):
        table.add_column(
            escape(name), justify="right" if index in numbers else "left", no_wrap=True
        )
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console()
    needed = Measurement.get(console, console.options.update(width=_WIDEST), table).maximum
    if needed > console.width:  # Rich would cut it
        console = Console(width=needed)
    say(f"[bold]{escape(title)}[/bold]")
    console.print(table)
    console.print()


def say(text: str) -> None:
    """Print a line of text, however long."""
    Console().print(text, soft_wrap=True, highlight=False)


def duration(seconds: float) -> str:
    """Write a time in its natural units."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 100 else f"{hours:,} h"


def threads(number: int) -> str:
    """Write a number of threads."""
    return "1 thread" if number == 1 else f"{number} threads"
