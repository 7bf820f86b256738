"""Every number that a recipe sets has a domain, and nothing outside it is accepted."""

import dataclasses
import inspect
import math
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest

from msml import registry
from msml.arguments import FILLED, bind, hint_of
from msml.data.importers.recipe import ColumnRecipe, TableRecipe
from msml.domains import Count, Domain, Fraction, Number, Positive, Probability, Seed
from msml.hints import base, fits, mismatch
from msml.models.build import build
from msml.recipe.check import hints_of
from msml.recipe.optimizers import OPTIMIZERS, check_optimizer
from msml.recipe.schema import TrainRecipe
from msml.simulation.matching import TauPairCuts
from msml.simulation.settings import EventRecipe

NO_NUMBERS = [math.nan, math.inf, -math.inf, 10**400, -(10**400)]


def settable(function_entry) -> dict[str, Any]:
    """Types of the arguments that a recipe may set."""
    parameters = inspect.signature(function_entry.function).parameters.values()
    return {
        p.name: hint_of(function_entry, p)
        for p in parameters
        if p.kind is p.KEYWORD_ONLY and p.name not in FILLED
    }


ARGUMENTS = [
    pytest.param(entry, name, hint, id=f"{entry.kind} {entry.name} {name}")
    for each in registry.REGISTRIES.values()
    if each is not registry.columns
    for entry in each.entries()
    for name, hint in settable(entry).items()
]


def numbers(hint: Any) -> Iterator[tuple[type, Domain | None]]:
    """Yield each type of numbers within a type, with its domain."""
    if get_origin(hint) is Annotated:
        kind, *marks = get_args(hint)
        yield from ((kind, mark) for mark in marks if isinstance(mark, Domain))
    elif hint in (int, float):
        yield hint, None
    else:
        for inner in get_args(hint):
            yield from numbers(inner)


def fields_of(schema: Any, seen: set[Any]) -> Iterator[tuple[str, Any]]:
    """Yield every field of a schema, and of those below it."""
    if schema in seen:
        return
    seen.add(schema)
    for name, hint in hints_of(schema).items():
        yield f"{schema.__module__}.{schema.__name__}.{name}", hint
        for inner in (hint, *get_args(hint)):
            if isinstance(inner, type) and dataclasses.is_dataclass(inner):
                yield from fields_of(inner, seen)


FIELDS = [
    pytest.param(hint, id=name)
    for schema in (TrainRecipe, EventRecipe, TableRecipe, ColumnRecipe, TauPairCuts)
    for name, hint in fields_of(schema, set())
]


def outside(kind: type, domain: Domain) -> list[float]:
    """Numbers that are just outside a domain."""
    found: list[float] = [*NO_NUMBERS] if domain.finite else []
    for limit, open_, away in ((domain.low, domain.above, -1), (domain.high, domain.below, 1)):
        step = 1 if kind is int else 1e-6 * max(1, abs(limit))
        if math.isfinite(limit):
            found.append(kind(limit if open_ else limit + away * step))
    return found


def shaped(hint: Any, number: float) -> list[object]:
    """Put a number wherever a type has numbers: itself, in a list, in a mapping."""
    if get_origin(hint) in (Annotated, None):
        return [number] if base(hint) in (int, float) else []
    if get_origin(hint) is dict or "Mapping" in str(get_origin(hint)):
        return [{"0": each} for each in shaped(get_args(hint)[1], number)]
    if get_origin(hint) in (list, tuple) or "Sequence" in str(get_origin(hint)):
        return [[each] for each in shaped(get_args(hint)[0], number)]
    return [each for inner in get_args(hint) for each in shaped(inner, number)]


@pytest.mark.parametrize(("entry", "name", "hint"), ARGUMENTS)
def test_arguments_are_bound_by_range(entry, name, hint):
    assert all(domain is not None for _, domain in numbers(hint)), f"{hint} has no domain"
    default = inspect.signature(entry.function).parameters[name].default
    if default is not inspect.Parameter.empty and type(default) in (int, float):
        assert mismatch(default, hint) is None
    for kind, domain in numbers(hint):
        for number in outside(kind, domain):
            for value in shaped(hint, number):
                count = len(inspect.signature(entry.function).parameters)
                found = [text for key, text in bind(entry, count, {name: value}) if key == name]
                assert len(found) == 1, (value, found)
                assert found[0].startswith("expected ")
                assert len(found[0]) < 300


@pytest.mark.parametrize("hint", FIELDS)
def test_fields_are_bound_by_range(hint):
    assert all(domain is not None for _, domain in numbers(hint)), f"{hint} has no domain"
    for kind, domain in numbers(hint):
        for number in outside(kind, domain):
            if domain.finite:
                assert not any(fits(value, hint) for value in shaped(hint, number)), number


@pytest.mark.parametrize(
    ("value", "hint", "problem"),
    [
        (0, Count, "expected 1 or more, got 0"),
        (10**12, Count, "expected a number from 1 to 1000000000, got 1000000000000"),
        (1e12, Count, "expected a whole number, got the number 1000000000000.0"),
        (-1, Seed, "expected 0 or more, got -1"),
        (1, Fraction, "expected a number from 0 to below 1, got 1"),
        (0, Positive | None, "expected a number above 0 or null, got 0"),
        ([0.5, 1.5], tuple[Probability, ...], "expected a list of numbers between 0 and 1, got ["),
        (math.nan, float, "expected a finite number, got nan"),
        ([1, math.inf], list[float], "expected a list of finite numbers, got [1, inf]"),
        (math.inf, Number, None),
        (10**400, float, "expected a finite number, got 1000"),
        ("x", Positive, "expected a number, got the text 'x'"),
    ],
)
def test_what_is_said(value, hint, problem):
    found = mismatch(value, hint)
    assert found is None if problem is None else found.startswith(problem)


SHAPES = {
    "jets": [(2, 4), (2, 16, 16, 3)],
    "taus": [(2, 3)],
    "images": [(8, 8, 3)],
    "objects": [(2, 4)],
}
LOWEST_OUTSIDE = {"pool_after": 0}


def several(hint):
    return get_origin(hint) is tuple


@pytest.mark.parametrize("entry", registry.models.entries(), ids=lambda entry: entry.name)
def test_models_are_built_at_the_lower_limits(entry):
    source = entry.source.rpartition(".")[2]
    kind = {"tau": "jets", "end_to_end": "jets", "higgs": "taus"}.get(source, "objects")
    shapes = SHAPES["images" if entry.name == "cnn" else kind]
    shapes = SHAPES["objects"] if entry.name == "tau_residual" else shapes
    arguments = {
        name: LOWEST_OUTSIDE.get(name, [int(domain.low)] if several(hint) else int(domain.low))
        for name, hint in settable(entry).items()
        for number, domain in numbers(hint)
        if number is int and name not in ("embed", "pairwise")
    }
    output = (2, 3) if kind == "jets" and entry.name != "end_to_end" else (1,)
    assert build(entry.name, shapes, output, arguments, seed=1).count_params() >= 0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_arguments_of_optimizers_are_known_and_bound(name):
    import keras

    made = type(keras.optimizers.get(name))
    keywords = set(inspect.signature(made.__init__).parameters) - {"self", "kwargs", "name"}
    theirs = {key for key in keywords if "ema" not in key.split("_")}
    assert theirs | {"l2"} == set(OPTIMIZERS[name])  # which is msml's
    for key, hint in OPTIMIZERS[name].items():
        for value in (math.nan, math.inf, -1, "much", [1], {"class_name": "x"}, 10**400):
            assert [k for k, _ in check_optimizer("o", {"name": name, key: value})] == [f"o.{key}"]
        for kind, domain in numbers(hint):
            low = kind(domain.low) + (0.5 if domain.above else 0)
            made(**{key: low} if name != "lion" and key != "l2" else {})
            for number in outside(kind, domain):
                assert list(check_optimizer("o", {"name": name, key: number}))


@pytest.mark.parametrize("key", ["config", "__lambda__", "module", "class_name", "registered_name"])
def test_optimizers_hold_no_objects(key):
    problems = list(check_optimizer("o", {"name": "adam", key: {"class_name": "__lambda__"}}))
    assert [where for where, _ in problems] == [f"o.{key}"]
    assert "unknown argument" in problems[0][1]
