"""Tables of how far answers can be trusted."""

from collections.abc import Mapping, Sequence
from typing import Any

from msml.recipe.expand import chain_name
from msml.tables import say, show, with_error

Record = Mapping[str, Any]


def show_calibrated(records: Sequence[Record]) -> None:
    """Print what calibration has changed: for each task chains and modes down, and its metrics."""
    about = [record for record in records if "calibrated" in record]
    settings = about[0]["calibrated"]["settings"] if about else {"tasks": []}
    for task in settings["tasks"]:
        found = [(_name(record), record["calibrated"]["tasks"][task]) for record in about]
        rows = [
            (*name, metric, *_changed(of))
            for name, each in found
            for metric, of in each.get("test", {}).items()
        ]
        headings = ("chain", "mode", "metric", "before", "after", "change")
        say("")
        if rows:
            title = f"{task} on test: calibrated, {settings['method']}"
            show(title, headings, rows, numbers=range(3, 6))
        for (chain, mode), each in found:
            say(f"{chain}, {mode}: {each.get('reason') or f'{task} by {_map(each)}'}")


def _changed(about: Record) -> Sequence[str]:
    before, after = (with_error(about[key]) for key in ("before", "after"))
    return before, after, with_error(about["change"], sign=True)


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
    if not about:
        return
    settings = about[0]["conformal"]["settings"]
    say("")
    lines = ["half width: from the distances on valid; chance: covered may be so far from the aim"]
    for task in settings["tasks"]:
        rows = []
        for record in about:
            name = _name(record)
            for each in record["conformal"]["tasks"][task]:
                if "reason" in each:
                    missing = f"{each['number']} has no interval: {each['reason']}"
                    lines.append(f"{', '.join(name)}: {missing}")
                else:
                    rows.append((*name, *_interval(each)))
        headings = ("chain", "mode", "number", "half width", "covered", "chance")
        if rows:
            title = f"{task} on test: intervals for {settings['coverage']:g} of the events"
            show(title, headings, rows, numbers=range(3, 6))
    for line in lines:
        say(line)


def _interval(about: Record) -> Sequence[str]:
    width, covered = f"{about['half_width']:.4g}", with_error(about["coverage"])
    return _number(about), width, covered, f"{about['chance']:.2g}"


def _number(about: Record) -> str:
    unit = about["unit"]
    return about["number"] if unit in ("", "1") else f"{about['number']} [{unit}]"


def _name(record: Record) -> tuple[str, str]:
    return chain_name(record["chain"]), record["mode"]
