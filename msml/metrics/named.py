"""Metrics as recipes name them: `auc`, or with arguments `background_rejection(efficiency=0.3)`."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import yaml

from msml.errors import RecipeError
from msml.metrics.uncertainty import Metric
from msml.registry import Entry, metrics

LOSS = "loss"
"""What a task without metrics reports: its loss."""

_CALL = re.compile(r"(?P<name>[^()]+)(?:\((?P<arguments>.*)\))?")

_ON_SUBSET = re.compile(r"(?P<metric>.+) on (?P<subset>[\w.-]+)")


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """Divide a metric into its name and its arguments.

    Raises:
        RecipeError: It is neither `name` nor `name(argument=value, ...)`.
    """
    found = _CALL.fullmatch(text.strip())
    if found is None:
        raise RecipeError(f"'{text}' is no metric; expected NAME or NAME(ARGUMENT=VALUE, ...)")
    arguments = {}
    for part in filter(None, (found["arguments"] or "").split(",")):
        name, equals, value = part.partition("=")
        if not equals:
            raise RecipeError(f"'{text}': expected ARGUMENT=VALUE in the brackets, got '{part}'")
        try:
            arguments[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise RecipeError(f"'{text}': {value.strip()!r} is no value") from error
    return found["name"].strip(), arguments


def find(text: str) -> Entry:
    """Return the registered metric of a text, without its arguments."""
    return metrics.get(parse(text)[0])


def on_subset(metric: str, subset: str) -> str:
    """Name a metric on a subset of the test split, `auc on public`; on all of it by itself."""
    return f"{metric} on {subset}" if subset else metric


def apart(name: str) -> tuple[str, str]:
    """Divide a name of `on_subset` into the metric and the subset, empty for all of test."""
    found = _ON_SUBSET.fullmatch(name)
    return (found["metric"], found["subset"]) if found else (name, "")


def facts_of(text: str) -> Mapping[str, Any]:
    """Return the facts of a metric as results name it; of one that is unknown, a loss's."""
    name = parse(apart(text)[0])[0]
    return metrics.get(name).facts if name in metrics.names() else {"better": "lower"}


def bound(text: str, **more: Any) -> Metric:
    """Return a metric with its arguments, and with others such as a mask."""
    name, arguments = parse(text)
    function: Metric = metrics.get(name).function
    arguments |= more
    return partial(function, **arguments) if arguments else function


def label_of(text: str) -> str:
    """Write a metric in one way only, whatever spaces there are."""
    name, arguments = parse(text)
    return f"{name}({_listed(arguments)})" if arguments else name


def _listed(arguments: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in arguments.items())
