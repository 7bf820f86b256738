"""What a sweep scans."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msml.errors import RecipeError
from msml.recipe.tree import COMMAND_LINE, dump_line, parse, plain
from msml.sweep.axes import integers, space, split_settings, split_values


def scan(over=None, *overrides):
    over = over or {}
    return space(over, {name: f"r.yaml:{i}" for i, name in enumerate(over, 1)}, overrides)


def overrides(found):
    return [made for _, made in found.points()]


def problems(over, *given):
    with pytest.raises(RecipeError) as caught:
        scan(over, *given)
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1", ["1"]),
        ("1, 2,x", ["1", "2", "x"]),
        ("[1,2]", ["[1,2]"]),
        ("{a: x, b: y}", ["{a: x, b: y}"]),
        ("{a: x, b: [1, 2]},{a: y}", ["{a: x, b: [1, 2]}", "{a: y}"]),
        ("'a,b',c", ["'a,b'", "c"]),
        ('{a: "}", b: 1}', ['{a: "}", b: 1}']),
        ("don't,won't", ["don't", "won't"]),
        ("1,,2", ["1", "", "2"]),
    ],
)
def test_commas_within_brackets_and_quotes_do_not_split(text, parts):
    assert split_values(text) == parts


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=1), inner),
    max_leaves=5,
)


@given(json)
def test_a_value_written_on_one_line_reads_back(value):
    found: list[str] = []
    node = parse(dump_line(value), COMMAND_LINE, found)
    assert found == []
    assert node is not None
    unescaped = plain(node)
    if "${" not in str(value):
        assert unescaped == value


@given(st.lists(json.filter(lambda v: isinstance(v, list | dict)), min_size=1))
def test_whole_lists_and_mappings_are_single_values(values):
    texts = [dump_line(value) for value in values]
    if not any(character in text for text in texts for character in "'\"\n"):
        assert split_values(",".join(texts)) == texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0:3", [0, 1, 2]), ("-2:1", [-2, -1, 0]), ("1:8:3", [1, 4, 7]), ("3:3", [])],
)
def test_ranges(text, expected):
    assert list(integers(text)) == expected


@pytest.mark.parametrize("text", ["25:m0", "1:2:0", "1.5:3", "a", "::", "'0:3'"])
def test_no_ranges(text):
    assert integers(text) is None


def test_the_first_axis_varies_slowest_and_new_ones_come_last():
    found = scan({"seed": "0:2", "w": [0.5, 0.9]}, "epochs=1", "k=a,b", "seed=7,8")
    assert overrides(found)[:5] == [
        ("epochs=1", "seed=7", "w=0.5", "k=a"),
        ("epochs=1", "seed=7", "w=0.5", "k=b"),
        ("epochs=1", "seed=7", "w=0.9", "k=a"),
        ("epochs=1", "seed=7", "w=0.9", "k=b"),
        ("epochs=1", "seed=8", "w=0.5", "k=a"),
    ]
    assert next(found.points())[0] == {"seed": 7, "w": 0.5, "k": "a"}


def test_a_list_is_one_value_and_a_typed_value_replaces_an_axis():
    assert overrides(scan({"seed": "0:3"}, "modes=[a,b]", "seed=1")) == [("modes=[a,b]", "seed=1")]


def test_named_variants_and_the_command_line():
    over = {"how": {"a": {"x.y": 1, "z": [1, 2]}, "b": {}, "gone": None}, "off": None}
    assert overrides(scan(over)) == [("x.y=1", "z=[1, 2]"), ()]
    assert overrides(scan(over, "z=3")) == [("x.y=1", "z=3"), ("z=3",)]
    assert overrides(scan(over, "how=b")) == [()]
    assert list(scan(over, "how=b,a").points())[1][0] == {"how": "a"}


def test_a_null_clears_the_way_for_another_value_of_the_same_key():
    assert overrides(scan({}, "k=null", "k={a: 1}", "l=2")) == [("k=null", "k={a: 1}", "l=2")]
    assert overrides(scan({}, "k={a: 1}", "k=null")) == [("k=null",)]
    assert overrides(scan({}, "k=1", "k=2")) == [("k=2",)]


def test_settings_are_not_overrides_of_the_runs():
    given = ["sweep.workers=2", "seed=1", "sweep={}", "sweeper=1"]
    assert split_settings(given) == (["sweep.workers=2", "sweep={}"], ["seed=1", "sweeper=1"])


def test_all_mistakes_at_once():
    over = {"a": 5, "b": [], "v": {"x": 3}, "w": {"left": {}}, "r": [1, 1]}
    assert problems(over, "w=right", "k=1,,2", "s=3:3") == [
        "r.yaml:1: sweep.over.a: expected a list of values, a range like 0:20, or a mapping of "
        "names to overrides",
        "r.yaml:2: sweep.over.b: is empty; expected a list of values, a range like 0:20, or a "
        "mapping of names to overrides",
        "r.yaml:3: sweep.over.v.x: expected a mapping of dotted keys to values",
        "command line: w: unknown variant 'right'; known: left",
        "command line: k: '1,,2': nothing between two commas",
        "command line: s: the range 3:3 is empty",
        "r.yaml:5: r: more than once: 1",
    ]


@pytest.mark.parametrize(
    ("over", "overrides"),
    [
        ({"seed": "0:1000000000"}, []),
        ({}, ["seed=0:1000000000"]),
        ({}, ["seed=0:1" + 40 * "0"]),
        ({"seed": "0:200", "pretrain.epochs": "1:100"}, []),
    ],
)
def test_too_many_points(over, overrides):
    (problem,) = problems(over, *overrides)
    assert "points; expected 10000 at most, or also a larger `sweep.max_points`" in problem
