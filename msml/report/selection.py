"""What a search chose, as tables for people."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.markup import escape

from msml.recipe.expand import chain_name
from msml.runs import cost
from msml.runs.cost import comparable
from msml.stages.selection import Selection
from msml.tables import NONE, plain, say, show, with_error

Record = Mapping[str, Any]

_STOP = ("weights of epoch", "stopped in", "gap")
_LONGEST = 50  # rows of a table; the selection's file has all


def with_costs(selection: Selection, run: Path) -> dict[str, Any]:
    """What a search decided, and what its combinations cost, those that were measured."""
    if selection.ranking is None:
        return asdict(selection)
    names = (chain_name(record["chain"]) for record in selection.ranking)
    costs = {name: found for name in names if (found := cost.read(run, name)) is not None}
    return {**asdict(selection), "costs": {name: asdict(each) for name, each in costs.items()}}


def show_selection(selection: Record) -> None:
    """Print what led to a choice, and the choice; takes what `with_costs` gives."""
    if selection["alpha"]:
        _show_alpha(selection)
    if selection["distribution"]:
        _show_distribution(selection)
    if selection["ranking"]:
        _show_ranking(selection)
    for task, name in selection["chosen"].items():
        doubt = ""
        if task in selection["undetermined"]:
            doubt = " (undetermined: others are as good within the uncertainty)"
        say(escape(f"{task}: {name}{doubt}"))


def _show_alpha(selection: Record) -> None:
    known = selection["alpha"]
    stop = any("stopped" in found for candidates in known.values() for found in candidates.values())
    rows = [
        (
            task,
            name,
            f"{found['alpha']:+.4f}",
            f"{found['share']:.3f}",
            plain(found["valid_loss"]),
            *(_stop(found) if stop else ()),
            "chosen" if selection["chosen"][task] == name else "",
        )
        for task, candidates in known.items()
        for name, found in candidates.items()
    ]
    epochs = f"epoch {selection['best_epoch']} of {len(selection['epochs'])}"
    headings = ("task", "candidate", "α", "softmax", "own valid loss", *(_STOP if stop else ()), "")
    title = f"{selection['strategy']}: α of {epochs}"
    show(title, headings, rows, numbers=range(2, len(headings) - 1))
    if stop:
        say("gap: the loss for which it stopped, on valid less on train, in that epoch")


def _stop(found: Record) -> tuple[str, str, str]:
    """Where a candidate stopped by itself, if it did."""
    if "stopped" not in found:
        return NONE, NONE, NONE
    return str(found["keeps"]), str(found["stopped"]), plain(found["gap"])


def _show_distribution(selection: Record) -> None:
    rows = [
        (task, name, f"{share:.3f}", "chosen" if selection["chosen"][task] == name else "")
        for task, candidates in selection["distribution"].items()
        for name, share in candidates.items()
    ]
    epochs = f"epoch {selection['best_epoch']} of {len(selection['epochs'])}"
    headings = ("task", "candidate", "probability", "")
    show(f"{selection['strategy']}: distribution of {epochs}", headings, rows, numbers=[2])


def _show_ranking(selection: Record) -> None:
    first = selection["ranking"][0]
    names = [chain_name(record["chain"]) for record in selection["ranking"]]
    known = {name: cost.Cost(**found) for name, found in selection["costs"].items()}
    costs = [known.get(name, cost.UNKNOWN) for name in names]
    worth = cost.front([-record["behind"] for record in selection["ranking"]], comparable(costs))
    rows = [
        (
            name,
            with_error({"value": record["score"], "error": record["error"]}),
            with_error({"value": record["behind"], "error": record["behind_error"]})
            if record is not first
            else NONE,
            *map(plain, record["losses"].values()),
            *((*each.cells, cost.ON_FRONT if best else "") if known else ()),
        )
        for name, record, each, best in zip(
            names[:_LONGEST], selection["ranking"], costs, worth, strict=False
        )
    ]
    headings = ("combination", selection["by"], "behind", *(f"loss {t}" for t in first["losses"]))
    headings = (*headings, *((*cost.HEADINGS, "") if known else ()))
    count = f"{len(selection['ranking'])} combinations"
    count = f"best {len(rows)} of {count}" if len(rows) < len(selection["ranking"]) else count
    title = f"{selection['strategy']}: {count}, ranked by {selection['by']}"
    show(title, headings, rows, numbers=range(1, len(headings)))
    if known:
        for note in cost.notes(known.values()):
            say(note)
