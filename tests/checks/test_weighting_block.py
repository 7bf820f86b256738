"""The recipe's `weighting:` block: what is refused, and in which words."""

from pathlib import Path

import pytest
from recipe_schema import write
from training import RECIPE, mistakes, values, write_events

from msml.registry import weightings

PLUGIN = """\
from msml.registry import weightings
@weightings.register("mine")
def mine(tasks):
    "Mine."
    {body}
"""


@pytest.fixture(autouse=True)
def _events():
    write_events()


def test_the_default_is_fixed():
    assert values().weighting == {"name": "fixed"}
    chosen = values(RECIPE + "weighting: {name: cagrad, c: 0.2}\n").weighting
    assert chosen == {"name": "cagrad", "c": 0.2}


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ("name: cagrd", ".name: unknown weighting 'cagrd'; did you mean 'cagrad' or 'pcgrad'?"),
        ("name: null", ".name: unknown weighting 'None'; known: cagrad, dwa, "),
        ("name: cagrad, d: 1", ".d: unknown argument of weighting 'cagrad'; known: c"),
        ("name: cagrad, c: x", ".c: expected a number, got the text 'x'"),
        ("name: mgda, c: 1", ".c: unknown argument of weighting 'mgda'; it has none"),
        (
            "name: uncertainty, form: L",
            ".form: expected one of seed, kendall, log1p, got the text 'L'",
        ),
    ],
)
def test_names_and_arguments(block, problem):
    (line,) = mistakes(RECIPE + f"weighting: {{{block}}}\n")
    assert line.startswith(f"r.yaml:25: weighting{problem}")


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ("name: cagrad, c: 1.0", "c: expected a number from 0 to below 1, got 1"),
        ("name: famo, decay: -1", "decay: expected 0 or more, got -1"),
        ("name: famo, learning_rate: .inf", "learning_rate: expected a number above 0, got inf"),
        ("name: dwa, temperature: 0", "temperature: expected a number above 0, got 0"),
        ("name: gradnorm, learning_rate: 0", "learning_rate: expected a number above 0, got 0"),
    ],
)
def test_values_out_of_range(block, problem):
    text = RECIPE + f"weighting: {{{block}}}\n"
    assert mistakes(text, fast=False) == [f"r.yaml:25: weighting.{problem}"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("return 3", "gives a int, expected a msml.weighting.rule.Weighting"),
        ("raise OSError('no way')", "cannot be made: OSError: no way"),
    ],
)
def test_a_weighting_of_a_plugin(body, problem):
    path = write(PLUGIN.format(body=body), "mine.py")
    try:
        (line,) = mistakes(RECIPE + "weighting: {name: mine}\nplugins: [mine.py]\n", fast=False)
    finally:
        weightings.forget(str(Path(path).resolve()))
    assert line.startswith("r.yaml:25: weighting: ")
    assert line.endswith(problem)
