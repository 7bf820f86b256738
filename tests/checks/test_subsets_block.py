"""Subsets of the test split in a recipe, and which run they make."""

import pytest
from training import RECIPE, mistakes, values, write_events

from msml.recipe import load
from msml.recipe.schema import TrainRecipe
from msml.recipe.schema_evaluation import Subset
from msml.runs import layout
from msml.runs.status import run_of

SUBSETS = """\
evaluate:
  subsets:
    public: {column: label, values: [0]}
    private: {column: label, values: [1, 2.5], blind: true}
"""
LINE = RECIPE.count("\n") + 3
BLIND = RECIPE + SUBSETS


@pytest.fixture(autouse=True)
def events():
    write_events()


def test_what_is_hidden():
    found = values(BLIND).evaluate
    private = Subset("label", [1.0, 2.5], True)
    assert found.subsets == {"public": Subset("label", [0.0]), "private": private}
    assert found.hidden == [private]
    assert private.condition == "label = 1 or 2.5"
    assert values(BLIND, ["evaluate.unblind=true"]).evaluate.hidden == []


def test_whether_it_is_shown_makes_no_other_run(tmp_path):
    values(BLIND)
    first = run_of("r.yaml", [], tmp_path)
    first.mkdir(parents=True)
    layout.recipe(first).touch()
    assert run_of("r.yaml", ["evaluate.unblind=true"], tmp_path) == first
    assert run_of("r.yaml", ["evaluate.subsets.private.blind=false"], tmp_path) != first
    for text in (BLIND, BLIND.replace("small\n", "small\nseed: ${sweep.threads}\n")):
        values(text)
        loaded = load("r.yaml", TrainRecipe, ["evaluate.unblind=true"])
        assert loaded.values.evaluate.unblind
        assert "unblind" not in loaded.plain()["evaluate"]
        assert "sweep" not in loaded.plain()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("column: label, values: [0]", "column: labl, values: [0]",
         f"{LINE}: evaluate.subsets.public.column: unknown column 'labl'; did you mean 'label'? "
         "(columns of events.h5)"),
        ("column: label, values: [0]", "column: jets, values: [0]",
         f"{LINE}: evaluate.subsets.public.column: expected a number an event, got shape (2, 4)"),
        ("values: [0]", "values: []",
         f"{LINE}: evaluate.subsets.public.values: is empty; expected values of 'label'"),
        ("values: [0]", "values: [true]",
         f"{LINE}: evaluate.subsets.public.values.0: expected a number, got true"),
        ("public:", "all:",
         f"{LINE}: evaluate.subsets.all: 'all' cannot name a subset; it is the whole test split"),
        ("public:", "a b:",
         f"{LINE}: evaluate.subsets.a b: 'a b' cannot be a name; expected at most 64 letters, "
         "digits, _ . -"),
        (", blind: true}", "}\n  unblind: true",
         f"{LINE + 2}: evaluate.unblind: nothing is blind; expected a subset with `blind: true`, "
         "or false"),
        ("evaluate:", "select: {split: test, allow_test: true}\nevaluate:",
         f"{LINE - 2}: select.split: the subset 'private' of test is blind, and nothing may be "
         "chosen by it; expected valid"),
    ],
)  # fmt: skip
def test_mistakes(old, new, message):
    assert mistakes(RECIPE + SUBSETS.replace(old, new, 1)) == [f"r.yaml:{message}"]
