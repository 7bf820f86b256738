"""Results of the stages as tables for people, about 80 columns wide."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msml.metrics import apart, facts_of, on_subset
from msml.recipe.expand import WHOLE, chain_name
from msml.report.trust import show_calibrated, show_conformal
from msml.tables import NONE, plain, say, show, with_error
from msml.validity.bands import COMPONENTS, VALIDITY, is_validity

_MEANING = {
    "connected": "pre-trained candidates joined, nothing trained",
    "sequential": "each task trained on the frozen outputs of the one before, no re-optimisation",
    "joint": "all tasks trained together under the weighted sum of their losses",
}
Record = Mapping[str, Any]


def show_pretrained(result: Mapping[str, Mapping[str, Record]]) -> None:
    """Print the pre-trained candidates."""
    rows = [
        (
            task,
            name,
            ", ".join(f"frozen {earlier}" for earlier in metrics.get("frozen", [])) or "data",
            f"{metrics['parameters']:,}",
            plain(metrics["valid_loss"]),
            str(metrics["best_epoch"]),
            str(metrics["epochs"]),
        )
        for task, candidates in result.items()
        for name, metrics in candidates.items()
    ]
    headings = ("task", "candidate", "inputs", "weights", "valid loss", "best epoch", "epochs")
    show("Pre-trained alone", headings, rows, numbers=range(3, len(headings)))


def show_posttrained(result: Mapping[str, Mapping[str, Record]]) -> None:
    """Print the losses of the trained chains on valid."""
    first = next(iter(next(iter(result.values())).values()))
    rows = [
        (name, mode, *map(plain, record["valid_losses"].values()), str(record.get("epochs", NONE)))
        for name, modes in result.items()
        for mode, record in modes.items()
    ]
    headings = ("chain", "mode", *first["valid_losses"], "epochs")
    show("Losses on valid", headings, rows, numbers=range(2, len(headings)))


def show_lr_range(results: Sequence[Record]) -> None:
    """Print the learning rates that range tests have found."""
    keys = {"steepest": "steepest", "tenth": "lowest / 10", "minimum": "lowest"}
    keys |= {"diverges": "diverges", "recipe": "recipe"}
    rows = [
        (each["unit"], str(each["steps"]), *(_rate(each.get(key)) for key in keys))
        for each in results
    ]
    headings = ("training", "steps", *keys.values())
    show("Learning rates", headings, rows, numbers=range(1, len(headings)))
    say("steepest: the smoothed loss falls most for a factor of the rate; lowest: it is lowest")


def _rate(value: float | None) -> str:
    return NONE if value is None else f"{value:.2g}"


def show_evaluated(records: Sequence[Record]) -> None:
    """Print the metrics of the chains on test, with their uncertainties.

    Several chains in several modes: a table for each metric, with a row for each chain, and the
    last mode's differences to the others. Otherwise: a table for each task, with rows for the whole
    test split and each of its subsets.
    """
    chains = list(dict.fromkeys(_chain(record) for record in records))
    modes = list(dict.fromkeys(record["mode"] for record in records))
    for task, found in records[0]["metrics"].items():
        if len(chains) > 1 and len(modes) > 1:
            for name in found:
                if (metric := apart(name)[0]) == VALIDITY or not is_validity(metric):
                    _show_metric(records, modes, task, name)
            continue
        found = list(dict.fromkeys(apart(name)[0] for name in found))
        own = [metric for metric in found if not is_validity(metric)]
        if own:
            _show_task(records, task, own, f"{task} on test")
        for title, names in _validity_tables(found):
            _show_task(records, task, names, f"{task} on test: {title}")
    for mode in modes:
        say(f"{mode}: {_MEANING[mode]}")
    _say_notes(records)
    show_calibrated(records)
    show_conformal(records)
    for chain in chains:
        if own := [r for r in records if _chain(r) == chain and "importance" in r]:
            _show_importance(own)


def _say_notes(records: Sequence[Record]) -> None:
    """Say what the errors are and whose are in doubt, which cuts were chosen, what is missing."""
    say("±: one standard deviation, from resampling the test events; differences are paired")
    doubts = {name: most for record in records for name, most in record.get("doubts", {}).items()}
    for name, most in doubts.items():
        say(f"{name}: a few events carry most of it; its ± can be off by {100 * most:.0f} %")
    for record in records:
        for name, tuned in record.get("tuned", {}).items():
            listed = ", ".join(f"{argument} {value:.4g}" for argument, value in tuned.items())
            say(f"{_chain(record)}, {record['mode']}: {name} at {listed}, chosen on valid")
    for name, about in records[0].get("subsets", {}).items():
        if "reason" in about:
            say(f"{name}: {about['reason']}")


def _show_importance(records: Sequence[Record]) -> None:
    """One chain: what its task needs down, most needed first in the last mode; modes across."""
    about = records[-1]["importance"]
    columns = [record["importance"]["features"] for record in records]
    rows = [
        (
            about["features"][place]["input"],
            about["features"][place]["component"] or "all of it",
            *(with_error(column[place], sign=True) for column in columns),
        )
        for place in by_value(about["features"])
    ]
    headings = ("input", "component", *(record["mode"] for record in records))
    title = f"{about['settings']['task']} of {_chain(records[-1])} on test: {loss_without(about)}"
    say("")
    show(f"{title} an input", headings, rows, numbers=range(2, len(headings)))
    say("without: with that of other test events in its place")


def by_value(features: Sequence[Record]) -> list[int]:
    """Order the places of features: the largest values first, those that are not known last."""
    values = [-math.inf if each["value"] is None else each["value"] for each in features]
    return sorted(range(len(values)), key=lambda place: -values[place])


def loss_without(about: Record) -> str:
    """Say what an importance is: how much of a metric is lost, or by how much it rises."""
    metric = heading(about["metric"])
    return f"{metric} lost without" if about["better"] == "higher" else f"rise of {metric} without"


def _show_metric(records: Sequence[Record], modes: Sequence[str], task: str, metric: str) -> None:
    """One metric: chains down, modes across."""
    found: dict[str, dict[str, Record]] = {}
    for record in records:
        found.setdefault(_chain(record), {})[record["mode"]] = record
    last = modes[-1]
    rows = []
    for chain, by_mode in found.items():
        values = [with_error(by_mode[mode]["metrics"][task][metric]) for mode in modes]
        minus = by_mode[last]["minus"]
        changes = [with_error(minus[mode][task][metric], sign=True) for mode in modes[:-1]]
        rows.append((chain, *values, *changes))
    headings = ("chain", *modes, *(f"{last} - {mode}" for mode in modes[:-1]))
    better = "higher" if is_validity(apart(metric)[0]) else facts_of(metric).get("better")
    ending = f", {better} is better" if better else ""
    show(
        f"{task} on test: {heading(metric)}{ending}",
        headings,
        rows,
        numbers=range(1, len(headings)),
    )


def _validity_tables(found: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Divide the validity metrics into tables: of several numbers, and of each object's single."""
    shown = [metric for metric in found if is_validity(metric)]
    single = [m for m in shown if m.removeprefix(f"{VALIDITY}_").split("_")[0] in COMPONENTS]
    if shown:
        joint = [metric for metric in shown if metric not in single]
        yield "fraction of events inside the bands of the reference", joint
    for number in dict.fromkeys(metric.rpartition("_")[2] for metric in single):
        rows = [metric for metric in single if metric.endswith(f"_{number}")]
        yield "the same, each number by itself", rows


def _show_task(records: Sequence[Record], task: str, names: Sequence[str], title: str) -> None:
    """One task: chains, or modes and the last mode's differences, down, and metrics across."""
    minus = records[-1].get("minus", {})
    found = [(_chain(r), r["mode"], r["metrics"][task], False) for r in records]
    found += [("", f"{records[-1]['mode']} - {mode}", minus[mode][task], True) for mode in minus]
    subsets = [n for n, about in records[0].get("subsets", {}).items() if "events" in about]
    rows = [
        (
            *((chain, mode) if not subset else ("", "")),
            *((subset or WHOLE,) if subsets else ()),
            *(with_error(values[on_subset(name, subset)], sign=sign) for name in names),
        )
        for chain, mode, values, sign in found
        for subset in ("", *subsets)
    ]
    texts = ("chain", "mode", "events") if subsets else ("chain", "mode")
    headings = (*texts, *map(heading, names))
    show(title, headings, rows, numbers=range(len(texts), len(headings)))


def heading(metric: str) -> str:
    """Name a metric with its unit; a validity by what is inside."""
    bare, subset = apart(metric)
    if is_validity(bare):
        return on_subset(bare.removeprefix(f"{VALIDITY}_").replace("_", " "), subset)
    unit = str(facts_of(metric).get("unit", "1")).replace("^2", "²")
    return metric if unit == "1" else f"{metric} [{unit}]"


def _chain(record: Record) -> str:
    return chain_name(record["chain"])
