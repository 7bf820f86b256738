import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from recipe_schema import Cut, Detector, Events, Process, problems, write

import msml
from msml.errors import RecipeError
from msml.recipe import load

GOOD = """\
name: htautau
processes:
  higgs:
    events: 100
    pythia: {25:m0: 125, HiggsSM:gg2H: on, 15: [1, {a: b}]}
  z: {events: 50, weight: 1e-3}
detector:
  efficiency: 1
  edges: [0, .5, 1e2]
  cells: [[1, 2], []]
cuts:
  - {column: pt, above: 20}
  - column: eta
scales: {a: 1_000, b: -2.5E+3}
groups: {leptons: [e, mu]}
"""


def test_values_are_plain_dataclasses():
    recipe = load(write(GOOD), Events)
    pythia = {"25:m0": 125, "HiggsSM:gg2H": True, "15": [1, {"a": "b"}]}
    assert recipe.values == Events(
        name="htautau",
        processes={"higgs": Process(100, pythia=pythia), "z": Process(50, weight=0.001)},
        detector=Detector(efficiency=1.0, edges=[0.0, 0.5, 100.0], cells=[[1, 2], []]),
        cuts=[Cut("pt", 20.0), Cut("eta")],
        scales={"a": 1000.0, "b": -2500.0},
        groups={"leptons": ["e", "mu"]},
    )
    assert type(recipe.values.detector.efficiency) is float
    assert type(recipe.values.processes) is dict
    assert type(recipe.values.processes["higgs"].pythia) is dict
    assert type(recipe.values.processes["higgs"].pythia["15"][1]) is dict
    assert recipe.path == Path("r.yaml")


def test_where_falls_back_to_the_nearest_parent():
    recipe = load(write(GOOD), Events, ["processes.higgs.events=7", "seed=3"])
    assert recipe.where("processes.z.weight") == "r.yaml:6"
    assert recipe.where("processes.higgs.pythia.25:m0") == "r.yaml:5"
    assert recipe.where("cuts.1.column") == "r.yaml:13"
    assert recipe.where("processes.higgs.weight") == "r.yaml:3"
    assert recipe.where("detector.label") == "r.yaml:7"
    assert recipe.where("trigger.smear") == "r.yaml:1"
    assert recipe.where("processes.higgs.events") == "command line"
    assert recipe.where("seed") == "command line"


def test_fail_formats_problems_as_load_does():
    recipe = load(write(GOOD), Events, ["seed=3"])
    recipe.fail([])
    with pytest.raises(RecipeError) as caught:
        recipe.fail([("processes.z.events", "too few"), ("seed", "unlucky")])
    assert caught.value.problems == [
        "r.yaml:6: processes.z.events: too few",
        "command line: seed: unlucky",
    ]


MISTAKES = """\
nam: x
seed: 1.5
share: true
processes:
  higgs:
    event: 5
    weight: heavy
    pythia: [1]
  z: 7
  w: null
detector:
  efficiency: yes
  smear: 1
  edges: [1, two, 3]
  cells: [[1, 2.5]]
  label: 12
trigger: []
cuts:
  - above: 1
    colum: pt
  - column: eta
    above: high
scales: {a: null}
groups:
  leptons: e
seed: 2
extra: ${nowhere}
"""


def test_many_mistakes_give_a_line_each():
    detector = "a mapping with the keys efficiency, smear, edges, cells, label"
    process = "a mapping with the keys events, weight, pythia"
    assert problems(write(MISTAKES)) == [
        "r.yaml:26: seed: duplicate key, first set at r.yaml:2",
        "r.yaml:1: nam: unknown key; did you mean 'name'?",
        "r.yaml:2: seed: expected a whole number, got the number 1.5",
        "r.yaml:3: share: expected a number or a text, got true",
        "r.yaml:6: processes.higgs.event: unknown key; did you mean 'events'?",
        "r.yaml:7: processes.higgs.weight: expected a number, got the text 'heavy'",
        "r.yaml:8: processes.higgs.pythia: expected a mapping of names to values, got a list",
        "r.yaml:5: processes.higgs.events: missing; expected a whole number",
        f"r.yaml:9: processes.z: expected {process}, got the number 7",
        "r.yaml:10: processes.w: null removes an entry, but there is none of this name"
        "; known: higgs, z",
        "r.yaml:12: detector.efficiency: expected a number, got true",
        "r.yaml:13: detector.smear: expected true or false, got the number 1",
        "r.yaml:14: detector.edges.1: expected a number, got the text 'two'",
        "r.yaml:15: detector.cells.0.1: expected a whole number, got the number 2.5",
        "r.yaml:16: detector.label: expected a text, got the number 12; put it in quotes",
        f"r.yaml:17: trigger: expected {detector} or null, got a list",
        "r.yaml:20: cuts.0.colum: unknown key; did you mean 'column'?",
        "r.yaml:19: cuts.0.column: missing; expected a text",
        "r.yaml:22: cuts.1.above: expected a number or null, got the text 'high'",
        "r.yaml:23: scales.a: expected a number, got null",
        "r.yaml:25: groups.leptons: expected a list of texts, got the text 'e'",
        "r.yaml:1: name: missing; expected a text",
        "r.yaml:27: extra: '${nowhere}': Interpolation key 'nowhere' not found; expected any value",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "r.yaml: empty, expected a mapping of keys to values"),
        (b"# only this\n", "r.yaml: empty, expected a mapping of keys to values"),
        (b"- 1\n", "r.yaml:1: expected a mapping of keys to values"),
        (b"a: \xff", "r.yaml: not UTF-8 text (byte 3), expected a YAML file"),
        (b"a: 1\nb: [1, 2\nc: 3\n", "r.yaml:3:2: not valid YAML: while parsing a flow sequence, "),
        (b"a: 1\n b: 2\n", "r.yaml:2:3: not valid YAML: mapping values are not allowed here"),
        (b"a: 1\n\tb: 2\n", "r.yaml:2:1: not valid YAML: "),
        (b"a: \x00", "r.yaml: not valid YAML: unacceptable character #x0000"),
        (b"a: 1\n---\nb: 2\n", "r.yaml:2:1: not valid YAML: expected a single document"),
        (b"a: &x [*x]\n", "r.yaml: not valid YAML: nested too deeply, or an alias"),
        (b"a: " + b"[" * 3000, "r.yaml: not valid YAML: nested too deeply, or an alias"),
    ],
)
def test_a_broken_file_is_one_line(content: bytes, expected: str):
    Path("r.yaml").write_bytes(content)
    (problem,) = problems("r.yaml")
    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("extra: !!binary aGk=", "the tag 'tag:yaml.org,2002:binary' is not supported"),
        ("extra: !mine {a: 1}", "the tag '!mine' is not supported"),
        ("extra: !!int x", "not a int"),
        ("extra: !!bool x", "not a bool"),
        ("extra: {[1]: 2}", "a key must be a plain name"),
    ],
)
def test_what_is_not_data_is_a_problem(text: str, expected: str):
    assert problems(write(f"name: x\nprocesses: {{}}\n{text}\n")) == [
        f"r.yaml:3: extra: {expected}"
    ]


def test_a_directory_and_an_unreadable_file(own_directory: Path):
    Path("folder").mkdir()
    assert problems("folder") == ["folder: is a directory, expected a file"]
    outside = own_directory.parent / "elsewhere"
    assert problems(outside)[0].startswith(f"no such recipe '{outside}'")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("-1.e+2", -100.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("1_000", 1000),
        ("0x1F", 31),
        ("010", "010"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("1e", "1e"),
        ("e3", "e3"),
        ("=", "="),
        ("off", False),
        ("~", None),
        ("'1e-3'", "1e-3"),
        ("!!str 5", "5"),
    ],
)
def test_scalars_in_recipes_and_overrides(text: str, value: object):
    path = write(f"name: x\nprocesses: {{}}\nextra: {text}\n")
    values = [load(path, Events).values.extra, load(path, Events, [f"extra={text}"]).values.extra]
    assert values == [value, value]
    assert [type(v) for v in values] == [type(value)] * 2


def test_keys_are_the_text_that_was_written():
    path = write("name: x\nprocesses: {}\nextra: {1: a, on: b, 1e3: c, null: d}\n")
    assert load(path, Events).values.extra == {"1": "a", "on": "b", "1e3": "c", "null": "d"}


def test_missing_value_marks_are_missing():
    path = write("name: ???\nprocesses: {}\nextra: ['???']\n")
    assert problems(path) == [
        "r.yaml:1: name: missing; expected a text",
        "r.yaml:3: extra.0: missing; expected any value",
    ]


def test_interpolations_are_resolved_with_types():
    path = write(
        "name: run-${seed}\nseed: 4\nprocesses:\n  a: {events: 1, weight: '${seed}'}\n"
        "  b: ${processes.a}\nscales: {x: '${detector.efficiency}'}\n"
        "groups: {g: ['${name}', '\\${literal}']}\n"
    )
    values = load(path, Events).values
    assert values.name == "run-4"
    assert values.processes == {"a": Process(1, 4.0), "b": Process(1, 4.0)}
    assert values.scales == {"x": 0.9}
    assert values.groups == {"g": ["run-4", "${literal}"]}


def test_each_wrong_interpolation_is_a_problem():
    path = write(
        "name: ${seed}\nseed: ${detector.smear}\nprocesses: ${detector}\n"
        "share: ${extra}\nextra: ${share}\nscales: {a: '${b', b: '${nope:1}'}\ntrigger: ${.}\n"
    )
    found = problems(path)
    assert found[0].startswith("r.yaml:6: scales.a: '${b' is not a valid ${...} reference")
    assert "r.yaml:2: seed: expected a whole number, got true" in found
    for key, message in {
        "r.yaml:1: name": "expected a text, got true",
        "r.yaml:3: processes.efficiency": "expected a mapping with the keys events",
        "r.yaml:4: share": "Recursive interpolation detected; expected a number or a text",
        "r.yaml:5: extra": "Recursive interpolation detected",
        "r.yaml:6: scales.b": "Unsupported interpolation type nope; expected a number",
        "r.yaml:7: trigger": "'${.}'",
    }.items():
        assert any(line.startswith(key) and message in line for line in found), key


def test_an_interpolation_to_a_problem_is_not_another_problem():
    path = write(
        "name: ${detector.label}\nprocesses: {a: {}, b: {events: '${processes.a.events}'}}\n"
    )
    assert problems(path) == ["r.yaml:2: processes.a.events: missing; expected a whole number"]


def test_loading_imports_no_tensorflow():
    root = Path(msml.__file__).parents[1]
    code = "import sys, msml.recipe; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_part_of_a_default_can_be_changed(tmp_path):
    @dataclass
    class Inner:
        first: int
        second: int

    @dataclass
    class Outer:
        inner: Inner = field(default_factory=lambda: Inner(1, 2))

    path = tmp_path / "recipe.yaml"
    path.write_text("inner: {second: 5}\n")
    assert load(path, Outer).values == Outer(Inner(1, 5))
