"""An event file's summary as tables for people."""

from collections.abc import Callable
from math import floor, log10
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from msml.report.statistics import Fraction
from msml.studies.htautau.events.sample import MODE_NAMES, QUANTITIES
from msml.studies.htautau.events.summary import ColumnSummary, EventSummary, ProcessSummary

_SETTINGS_SHOWN = 8
_VALUE_LENGTH = 40
_NONE = "-"
_LAYER_NAMES = {"tracker_pt": "tracker", "ecal_et": "ECAL", "hcal_et": "HCAL"}


def print_summary(summary: EventSummary, console: Console) -> None:
    """Print what a stranger wants to know of an event file."""
    _print_head(summary, console)
    tables = [_process_table(summary)]
    if any(process.cuts for process in summary.processes):
        tables.append(_cut_table(summary))
    if any(process.quantiles for process in summary.processes):
        tables.append(_quantile_table(summary))
    if any(process.decay_modes for process in summary.processes):
        tables.append(_mode_table(summary))
    if any(process.layers for process in summary.processes):
        tables.append(_layer_table(summary))
    for table in (*tables, _column_table(summary)):
        console.print()
        console.print(table)


def _print_head(summary: EventSummary, console: Console) -> None:
    console.print(
        f"[bold]{escape(summary.path)}[/bold]  {summary.events:,} events, "
        f"{human_bytes(summary.file_bytes)}"
    )
    if summary.source:
        console.print(f"[bold]source[/bold]    {escape(summary.source)}")
    if summary.versions:
        versions = ", ".join(f"{name} {version}" for name, version in summary.versions.items())
        console.print(f"[bold]versions[/bold]  {escape(versions)}")
    if summary.settings:
        console.print(f"[bold]settings[/bold]  {escape(abbreviate(summary.settings))}")


def abbreviate(settings: dict[str, Any]) -> str:
    """Show the first settings as `key=value` and say how many more there are."""
    flat = list(_flatten(settings))
    shown = ", ".join(
        f"{key}={text if len(text) <= _VALUE_LENGTH else text[: _VALUE_LENGTH - 1] + '…'}"
        for key, text in flat[:_SETTINGS_SHOWN]
    )
    rest = len(flat) - _SETTINGS_SHOWN
    return shown if rest <= 0 else f"{shown} … and {rest} more (--json prints all)"


def human_bytes(count: int) -> str:
    """Write a size with three digits and a unit."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def percent(part: Fraction | None) -> str:
    """Write a fraction with its interval, in per cent."""
    if part is None:
        return _NONE
    up, down = 100 * (part.high - part.value), 100 * (part.value - part.low)
    value = 100 * part.value
    decimals = 1 if max(up, down) > 0.095 else 2
    if f"{up:.{decimals}f}" == f"{down:.{decimals}f}":
        return f"{value:.{decimals}f} ± {up:.{decimals}f}"
    return f"{value:.{decimals}f} +{up:.{decimals}f} -{down:.{decimals}f}"


def with_error(value: float, error: float) -> str:
    """Write a value with its error, both to the error's second digit."""
    decimals = max(0, 1 - floor(log10(error))) if error > 0 else 2
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def _flatten(settings: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    flat: list[tuple[str, str]] = []
    for key, value in settings.items():
        if isinstance(value, dict):
            flat += _flatten(value, f"{prefix}{key}.")
        else:
            flat.append((f"{prefix}{key}", str(value)))
    return flat


def _table(first: str, *numbers: str) -> Table:
    """A compact table, named by its first column's heading."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, header_style="bold")
    table.add_column(escape(first), overflow="fold")
    for name in numbers:
        table.add_column(escape(name), justify="right", overflow="fold")
    return table


def _process_table(summary: EventSummary) -> Table:
    table = _table("process", "label", "events", "cross section [pb]", "selected [%]")
    for process in summary.processes:
        table.add_row(
            escape(process.name),
            ", ".join(str(label) for label in process.labels) or _NONE,
            f"{process.events:,}",
            _cross_section(process),
            percent(process.cuts[-1].of_first) if process.cuts else _NONE,
        )
    return table


def _cross_section(process: ProcessSummary) -> str:
    if process.cross_section_pb is None:
        return _NONE
    if process.cross_section_error_pb is None:
        return f"{process.cross_section_pb:.4g}"
    return with_error(process.cross_section_pb, process.cross_section_error_pb)


def _cut_table(summary: EventSummary) -> Table:
    table = _table("cut", "process", "events", "of the cut before [%]", "of all [%]")
    for process in summary.processes:
        for cut in process.cuts:
            table.add_row(
                escape(cut.name),
                escape(process.name),
                f"{cut.events:,}",
                percent(cut.of_previous),
                percent(cut.of_first),
            )
    return table


def _by_process(
    first: str,
    summary: EventSummary,
    rows: dict[str, str],
    cell: Callable[[ProcessSummary, str], str],
) -> Table:
    """A table with a row for each key and a column for each process."""
    table = _table(first, *(process.name for process in summary.processes))
    for key, text in rows.items():
        table.add_row(text, *(cell(process, key) for process in summary.processes))
    return table


def _quantile_table(summary: EventSummary) -> Table:
    def cell(process: ProcessSummary, name: str) -> str:
        if name not in process.quantiles:
            return _NONE
        _, low, median, high, _ = process.quantiles[name]
        digits = 1 if QUANTITIES[name].unit == "GeV" else 2
        return f"{median:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"

    known = {name for process in summary.processes for name in process.quantiles}
    rows = {name: quantity.text for name, quantity in QUANTITIES.items() if name in known}
    return _by_process("median (central 68 %)", summary, rows, cell)


def _mode_table(summary: EventSummary) -> Table:
    known = {mode for process in summary.processes for mode in process.decay_modes}
    rows = {mode: mode for mode in (*MODE_NAMES.values(), "other") if mode in known}
    return _by_process(
        "decay mode [%], h: charged hadron",
        summary,
        rows,
        lambda process, mode: percent(process.decay_modes.get(mode)),
    )


def _layer_table(summary: EventSummary) -> Table:
    def cell(process: ProcessSummary, name: str) -> str:
        for layer in process.layers:
            if layer.name == name:
                energy = with_error(layer.energy, layer.energy_error)
                return f"{energy} GeV, {100 * layer.filled:.2f} %"
        return _NONE

    names = [layer.name for process in summary.processes for layer in process.layers]
    rows = {name: _LAYER_NAMES.get(name, name) for name in dict.fromkeys(names)}
    return _by_process("image layer: mean sum, filled pixels", summary, rows, cell)


def _column_table(summary: EventSummary) -> Table:
    table = _table("column, n events", "shape", "on disk", "in memory")
    table.add_column("contents", overflow="fold")
    for column in summary.columns:
        table.add_row(
            escape(column.name),
            " x ".join(("n", *(str(size) for size in column.shape[1:]))),
            human_bytes(column.file_bytes),
            human_bytes(column.memory_bytes),
            escape(_contents(column)),
        )
    return table


def _contents(column: ColumnSummary) -> str:
    """Components with their units, or the unit."""
    if not column.components:
        return ", ".join(f"[{unit}]" for unit in column.units if unit != "1")
    if len(set(column.units)) == 1:
        return f"{', '.join(column.components)} [{column.units[0]}]"
    return ", ".join(
        name if unit == "1" else f"{name} [{unit}]"
        for name, unit in zip(column.components, column.units, strict=True)
    )
