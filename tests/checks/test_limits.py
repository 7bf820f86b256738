"""Totals that are a slip of the pen are refused before anything of their size is made."""

import time

import pytest
from recipe_schema import write
from training import RECIPE, mistakes, values, write_events

from msml.checks.limits import number_of
from msml.checks.validate import load_valid
from msml.recipe import read_source
from msml.recipe.expand import candidates
from msml.recipe.schema import TrainRecipe

FIRST = "tasks.momentum.candidates.sf"


@pytest.fixture(autouse=True)
def events():
    return write_events()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (f"{FIRST}.copies=1000000", f"{FIRST}: 100000"),
        (
            f"{FIRST}.copies=1000000000000",
            f"{FIRST}.copies: expected a number from 1 to 1000000000",
        ),
        ("evaluate.bootstrap=1000000", "evaluate.bootstrap: 1000000 replicas; expected 10000 at"),
        ("evaluate.bootstrap=1000000000000", "evaluate.bootstrap: expected a number from 1 to"),
        ("pretrain.batch_size=1000000000000", "pretrain.batch_size: expected a number from 1 to"),
        ("pretrain.batch_size=1e12", "pretrain.batch_size: expected a whole number, got the num"),
        ("seed=100000000000", "seed: expected a number from 0 to 4294967295, got 100000000000"),
    ],
)
def test_totals_are_refused_at_once(override, said):
    start = time.monotonic()
    found = mistakes(RECIPE, override)
    assert time.monotonic() - start < 20
    assert any(said in line for line in found), found


def test_a_limit_says_how_to_raise_it():
    (found,) = mistakes(RECIPE, "evaluate.bootstrap=20000")
    assert found.endswith("expected 10000 at most, or also a larger `limits.replicas`")
    source = read_source("r.yaml", TrainRecipe)
    raised = ["evaluate.bootstrap=20000", "limits.replicas=20000"]
    recipe = load_valid(source, raised, fast=True)
    more = load_valid(source, [raised[0], "limits.replicas=30000"], fast=True)
    assert recipe.resolved() == more.resolved()


def test_a_grid_of_millions_is_counted_not_listed():
    axes = {name: list(range(1, 161)) for name in ("units", "image_units", "features")}
    text = RECIPE.replace("{model: tau_mlp}", f"{{model: tau_mlp, grid: {axes}}}", 1)
    assert text != RECIPE
    (found,) = mistakes(text)
    assert "4096" in found
    assert found.endswith("expected 1000 at most, or also a larger `limits.candidates`")


def test_numbers_are_those_of_the_list():
    for task in values().tasks.values():
        counted = sum(number_of(candidate) for candidate in task.candidates.values())
        assert counted == len(list(candidates(task)))


def test_chains_of_a_grid_are_counted():
    text = RECIPE + "strategy: {name: grid}\n"
    copies = [f"{FIRST}.copies=300", "limits.chains=200"]
    found = mistakes(text, *copies)
    assert any("chains; expected 200 at most" in line for line in found), found
    text = RECIPE + "strategy: {name: random}\n"
    load_valid(read_source(write(text), TrainRecipe), copies, fast=True)
    assert any("chains; expected" in line for line in mistakes(text, *copies, "strategy.n=300"))


def test_a_model_too_large_for_memory_is_refused_before_it_is_made():
    """A hundred layers of 16,384 units would take 100 GB."""
    huge = RECIPE.replace("{model: tau_mlp}", "{model: mlp, args: {units: 16384, layers: 100}}", 1)
    assert huge != RECIPE
    (found,) = mistakes(huge, fast=False)
    assert "weights or more; expected 100000000 at most, or also a larger `limits" in found
    found = mistakes(RECIPE, "limits.weights=50", fast=False)
    assert any("weights or more; expected 50 at most" in line for line in found)
