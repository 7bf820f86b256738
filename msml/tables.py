"""Tables for people, on standard output."""

from collections.abc import Container, Mapping, Sequence
from math import floor, log10
from typing import TypeGuard

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

NONE = "-"
_WIDEST = 1000
_ROUNDING = 1e-9  # of a value, below which its error comes from float64

Estimate = Mapping[str, float | None]


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


def plain(value: float | None) -> str:
    """Write a loss."""
    return NONE if value is None else f"{value:.5g}"


def is_known(error: float | None, value: float) -> TypeGuard[float]:
    """Whether there is an error, and one that does not come from rounding in float64."""
    return error is not None and error > _ROUNDING * abs(value)


def with_error(estimate: Estimate, sign: bool = False) -> str:
    """Write a value with its uncertainty, both to the second digit of the uncertainty."""
    value, error = estimate["value"], estimate["error"]
    mark = "+" if sign else ""
    if value is None:
        return NONE
    if not is_known(error, value):
        return f"{value:{mark}.4g}"
    decimals = 1 - floor(log10(float(f"{error:.1e}")))
    shown = round(value, decimals), round(error, decimals)
    decimals = max(0, decimals)
    return f"{shown[0]:{mark}.{decimals}f} ± {shown[1]:.{decimals}f}"
