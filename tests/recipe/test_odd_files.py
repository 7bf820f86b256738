"""Paths of users, and YAML's merge keys."""

from pathlib import Path

import pytest

from msml.errors import RecipeError
from msml.files import user_path
from msml.recipe import load
from msml.recipe.files import find, read
from msml.recipe.schema import TrainRecipe
from msml.recipe.tree import parse, plain


def refused(path):
    with pytest.raises(RecipeError) as caught:
        read(Path(path), [])
    (line,) = str(caught.value).splitlines()
    assert len(line) < 300
    return line


MERGED = """\
base: &base {a: 1, b: {c: 2}}
other: &other {a: 5, d: 6}
one: {<<: *base, b: 3}
two:
  a: 0
  <<: [*other, *base]
"""


def test_merge_keys():
    problems = []
    found = plain(parse(MERGED, "r.yaml", problems))
    assert problems == []
    assert found["one"] == {"a": 1, "b": 3}
    assert found["two"] == {"a": 0, "d": 6, "b": {"c": 2}}


def test_the_first_of_merged_mappings_wins():
    text = "x: &x {a: 1}\ny: &y {a: 2}\nz: {<<: [*x, *y]}\n"
    assert plain(parse(text, "r.yaml", []))["z"] == {"a": 1}


def test_merge_keys_of_something_else():
    problems = []
    parse("x: &x 3\ny: {<<: *x}\n", "r.yaml", problems)
    assert problems == ["r.yaml:2: y: `<<` expects mappings, such as `*name`"]


def test_a_training_recipe_with_merge_keys(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(
        "extends: base/htautau.yaml\nname: r\npretrain: &fit {epochs: 3}\n"
        "posttrain: {<<: *fit, patience: 2}\n"
    )
    values = load(str(path), TrainRecipe).values
    assert (values.posttrain.epochs, values.posttrain.patience) == (3, 2)


def test_homes(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "r.yaml").write_text("seed: 1\n")
    assert user_path("~/r.yaml") == tmp_path / "r.yaml"
    assert find("~/r.yaml") == tmp_path / "r.yaml"
    with pytest.raises(RecipeError, match="no home folder of that user"):
        user_path("~nobody_of_this_name/x")
    assert user_path("./~nobody") == Path("~nobody")
    with pytest.raises(RecipeError, match="no home folder of that user"):
        find("~nobody_of_this_name/x.yaml")
