"""Results of the stages as tables for people."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def show_pretrained(result: dict[str, dict[str, Any]]) -> None:
    """Print the pre-trained candidates."""
    table = _table("task", "candidate", "parameters", "valid loss", "epochs", "best epoch")
    for task, candidates in result.items():
        for name, metrics in candidates.items():
            table.add_row(
                escape(task),
                escape(name),
                f"{metrics['parameters']:,}",
                f"{metrics['valid_loss']:.5f}",
                str(metrics["epochs"]),
                str(metrics["best_epoch"]),
            )
    Console().print(table)


def show_posttrained(result: dict[str, dict[str, Any]]) -> None:
    """Print the losses of the trained chains on valid."""
    first = next(iter(next(iter(result.values())).values()))
    table = _table("chain", "mode", *(f"valid {name}" for name in first["valid_losses"]))
    for name, modes in result.items():
        for mode, metrics in modes.items():
            losses = metrics["valid_losses"].values()
            table.add_row(escape(name), mode, *(f"{loss:.5f}" for loss in losses))
    Console().print(table)


def show_evaluated(records: list[dict[str, Any]]) -> None:
    """Print the metrics of the chains on test, with their uncertainties."""
    names = [(task, m) for task, metrics in records[0]["metrics"].items() for m in metrics]
    table = _table("chain", "mode", *(f"{task} {metric}" for task, metric in names))
    for record in records:
        values = [record["metrics"][task][metric] for task, metric in names]
        table.add_row(
            escape("+".join(record["chain"].values())),
            record["mode"],
            *(f"{v['value']:.4g} ± {v['error']:.2g}" for v in values),
        )
    Console().print(table)


def _table(*headings: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        numeric = heading not in ("task", "candidate", "chain", "mode")
        table.add_column(escape(heading), justify="right" if numeric else "left", overflow="fold")
    return table
