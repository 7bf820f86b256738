"""Tables of how far answers can be trusted."""

from collections.abc import Mapping, Sequence
from typing import Any

from msml.recipe.expand import chain_name
from msml.tables import say, show, with_error

Record = Mapping[str, Any]


def show_calibrated(records: Sequence[Record]) -> None:
    """Print what calibration has changed: for each task chains and modes down, and its metrics."""
    about = [record for record in records if "calibrated" in record]
    tasks = about[0]["calibrated"]["settings"]["tasks"] if about else []
    for task in tasks:
        found = [(_name(record), record["calibrated"]["tasks"][task]) for record in about]
        rows = [
            (*name, metric, *(with_error(of[key]) for key in ("before", "after")),
             with_error(of["change"], sign=True))
            for name, each in found
            for metric, of in each.get("test", {}).items()
        ]  # fmt: skip
        method = about[0]["calibrated"]["settings"]["method"]
        headings = ("chain", "mode", "metric", "before", "after", "change")
        if rows:
            say("")
            show(f"{task} on test: calibrated, {method}", headings, rows, numbers=range(3, 6))
        for (chain, mode), each in found:
            say(f"{chain}, {mode}: {each.get('reason') or f'{task} by {_map(each)}'}")


def _map(about: Record) -> str:
    """Say what was fitted on valid."""
    found = about["parameters"]
    if about["method"] == "isotonic":
        return f"a function of {len(found['logit'])} points, fitted on valid"
    listed = ", ".join(f"{name} {value:.4g}" for name, value in found.items())
    return f"{listed}, fitted on valid"


def show_conformal(records: Sequence[Record]) -> None:
    """Print the intervals: for each task chains, modes and numbers down."""
    about = [record for record in records if "conformal" in record]
    settings = about[0]["conformal"]["settings"] if about else {"tasks": []}
    for task in settings["tasks"]:
        found = [
            (_name(record), each)
            for record in about
            for each in record["conformal"]["tasks"][task]
        ]  # fmt: skip
        rows = [
            (*name, _number(each), f"{each['half_width']:.4g}", with_error(each["coverage"]),
             f"{each['chance']:.2g}")
            for name, each in found
            if "reason" not in each
        ]  # fmt: skip
        headings = ("chain", "mode", "number", "half width", "covered", "chance")
        title = f"{task} on test: intervals for {settings['coverage']:g} of the events"
        if rows:
            say("")
            show(title, headings, rows, numbers=range(3, 6))
        for (chain, mode), each in found:
            if "reason" in each:
                say(f"{chain}, {mode}: {each['number']} has no interval: {each['reason']}")
    if settings["tasks"]:
        say("half width: from the distances on valid; chance: covered may be so far from the aim")


def _number(about: Record) -> str:
    unit = about["unit"]
    return about["number"] if unit in ("", "1") else f"{about['number']} [{unit}]"


def _name(record: Record) -> tuple[str, str]:
    return chain_name(record["chain"]), record["mode"]
