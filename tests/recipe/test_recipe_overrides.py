from pathlib import Path

import pytest
from recipe_schema import Events, Process, problems, write

from msml.errors import RecipeError
from msml.recipe import load, read_source


@pytest.fixture
def path() -> Path:
    return write(
        "name: x\nprocesses:\n  higgs: {events: 10, pythia: {25:m0: 125}}\n  z: {events: 1}\n"
    )


def test_values_are_yaml(path: Path):
    overrides = [
        "seed=3",
        "name=foo",
        "detector.edges=[1,2e-1]",
        "processes.higgs.pythia.25:m0=130",
        "processes.higgs.pythia.HiggsSM:gg2H=on",
        "processes.z={weight: 1e-3}",
        "trigger.label=a=b",
        "extra=",
        "scales.new=1",
        "cuts=[{column: pt}]",
    ]
    values = load(path, Events, overrides).values
    assert values.seed == 3
    assert values.name == "foo"
    assert values.detector.edges == [1.0, 0.2]
    assert values.processes["higgs"].pythia == {"25:m0": 130, "HiggsSM:gg2H": True}
    assert values.processes["z"] == Process(1, weight=0.001)
    assert values.trigger is not None
    assert values.trigger.label == "a=b"
    assert values.extra is None
    assert values.scales == {"new": 1.0}
    assert values.cuts[0].column == "pt"


def test_the_last_override_wins_and_null_removes(path: Path):
    recipe = load(path, Events, ["seed=1", "seed=2", "processes.z=null"])
    assert recipe.values.seed == 2
    assert list(recipe.values.processes) == ["higgs"]


def test_an_override_does_not_claim_its_neighbours(path: Path):
    recipe = load(path, Events, ["processes.higgs.events=1", "detector.smear=false"])
    assert recipe.where("processes.higgs") == "r.yaml:3"
    assert recipe.where("processes.higgs.weight") == "r.yaml:3"
    assert recipe.where("detector.smear") == "command line"
    assert recipe.where("") == "r.yaml:1"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("sed=3", "sed: unknown key; did you mean 'seed'?"),
        ("detector.efficency=1", "detector.efficency: unknown key; did you mean 'efficiency'?"),
        ("proceses.higgs.events=1", "proceses: unknown key; did you mean 'processes'?"),
        ("seed=x", "seed: expected a whole number, got the text 'x'"),
        ("seed.x=1", "seed: expected a whole number, got a mapping"),
        ("detector.edges.0=1", "detector.edges: expected a list of numbers, got a mapping"),
        ("seed=null", "seed: expected a whole number, got null"),
        ("processes.higs.events=5", "processes.higs: unknown entry 'higs'; did you mean 'higgs'?"),
        ("processes.higs=null", "processes.higs: unknown entry 'higs'; did you mean 'higgs'?"),
        ("processes={q: {events: 5}}", "processes.q: unknown entry 'q'; known: higgs, z"),
        ("seed", "malformed override 'seed', expected KEY=VALUE with a dotted key"),
        ("=5", "malformed override '=5', expected KEY=VALUE with a dotted key"),
        ("a..b=5", "malformed override 'a..b=5', expected KEY=VALUE with a dotted key"),
        ("seed=[1", "seed: '[1': not valid YAML: while parsing a flow sequence, "),
        ("seed=@x", "seed: '@x': not valid YAML: while scanning for the next token, "),
        ("extra={a: 1, a: 2}", "extra.a: duplicate key, first set at command line"),
    ],
)
def test_wrong_overrides(path: Path, override: str, expected: str):
    (problem,) = problems(path, override)
    assert problem.startswith(f"command line: {expected}")


def test_a_removed_entry_is_unknown_afterwards(path: Path):
    assert problems(path, "processes.z=null", "processes.z.events=3", "processes.higgs=null") == [
        "command line: processes.z: unknown entry 'z'; known: higgs"
    ]


def test_wrong_overrides_come_together_with_wrong_values():
    path = write("name: x\nprocesses: {}\nsed: 1\n")
    assert problems(path, "nam=1", "oops", "processes.a.events=1") == [
        "command line: malformed override 'oops', expected KEY=VALUE with a dotted key",
        "command line: processes.a: unknown entry 'a'; there are none",
        "r.yaml:3: sed: unknown key; did you mean 'seed'?",
        "command line: nam: unknown key; did you mean 'name'?",
    ]


def test_what_is_wrong_in_an_override_is_said_to_every_point(path: Path):
    source = read_source(path, Events)
    for override, problem in (
        ("processes.z={events: 1, events: 2}", "processes.z.events: duplicate key, first set at "),
        ("seed=[1", "seed: '[1': not valid YAML: "),
    ):
        for _ in range(2):
            with pytest.raises(RecipeError) as caught:
                source.recipe([override])
            assert caught.value.problems[0].startswith(f"command line: {problem}")
            assert len(caught.value.problems) == 1
