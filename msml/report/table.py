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
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
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
