"""What `msml inspect` shows of any file of events."""

from pathlib import Path

from rich.markup import escape

from msml.registry import event_pages
from msml.report.inspection import ColumnSummary, FileSummary, summarise
from msml.report.inspection_page import draw_page
from msml.tables import say, show

_DIGITS = 4


def print_summary(summary: FileSummary) -> None:
    """Print a table of the columns, and what is ignored."""
    headings = ("column", "n events", "type", "component", "minimum", "mean", "maximum")
    rows = []
    for column in summary.columns:
        shape = " x ".join(("n", *map(str, column.shape[1:])))
        for number, part in enumerate(column.parts):
            unit = f"[{part.unit}]" if part.unit not in ("", "1") else ""
            rows.append(
                (
                    *((column.name, shape, column.type) if number == 0 else ("",) * 3),
                    " ".join(filter(None, (part.name, unit))),
                    *map(_number, (part.minimum, part.mean, part.maximum)),
                    f"{100 * part.missing:.3g} %" if part.missing else "",
                    _about(column) if number == 0 else "",
                )
            )
    size = f"{summary.file_bytes / 1e6:.3g} MB"
    title = f"{summary.path}: {summary.events:,} events, {size}"
    if source := summary.provenance.get("source"):
        title += f", {source}"
    show(title, (*headings, "missing", ""), rows, range(4, 8))
    for name, reason in summary.ignored.items():
        say(escape(f"ignored: {name}: {reason}"))


@event_pages.register("columns", columns=(), show=print_summary, draw=draw_page)
def columns(path: Path) -> FileSummary:
    """Smallest, mean and largest number of each component, and histograms."""
    return summarise(path)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.{_DIGITS}g}"


def _about(column: ColumnSummary) -> str:
    """Classes, mask and description in one cell."""
    infinite = sum(part.infinite for part in column.parts)
    classes = ", ".join(f"{value}: {count:,}" for value, count in column.classes.items())
    texts = (
        f"{infinite:,} infinite" if infinite else "",
        classes,
        f"masked by {column.mask}" if column.mask else "",
        column.description,
    )
    return "; ".join(filter(None, texts))
