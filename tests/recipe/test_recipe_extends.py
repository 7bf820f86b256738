from pathlib import Path

import pytest
from recipe_schema import Events, Process, problems, write

import msml.recipe.files
from msml.recipe import load, shipped

BASE = """\
name: base
processes:
  higgs: {events: 10, weight: 2.0, pythia: {25:m0: 125}}
  z: {events: 20}
detector:
  efficiency: 0.5
  edges: [1, 2, 3]
"""


@pytest.fixture
def shipped_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "installed" / "recipes"
    monkeypatch.setattr(msml.recipe.files, "shipped", lambda: folder)
    write(BASE, str(folder / "events" / "htautau.yaml"))
    return folder


def test_the_extending_file_wins_deeply_and_lists_are_replaced():
    write(BASE, "base/low.yaml")
    write("extends: low.yaml\nprocesses:\n  higgs: {pythia: {x: 1}}\nseed: 5\n", "base/mid.yaml")
    top = write("extends: base/mid.yaml\nname: top\ndetector:\n  edges: [9]\n", "top.yaml")
    recipe = load(top, Events)
    assert recipe.values.name == "top"
    assert recipe.values.seed == 5
    assert recipe.values.processes["higgs"] == Process(10, 2.0, {"25:m0": 125, "x": 1})
    assert recipe.values.detector.edges == [9.0]
    assert recipe.values.detector.efficiency == 0.5
    assert recipe.where("name") == "top.yaml:2"
    assert recipe.where("detector.efficiency") == "base/low.yaml:6"
    assert recipe.where("processes.higgs.pythia.x") == "base/mid.yaml:3"
    assert recipe.where("processes.z.weight") == "base/low.yaml:4"
    assert recipe.where("unset") == "top.yaml:1"
    assert "extends" not in recipe.resolved()


def test_null_removes_an_entry_and_a_later_file_may_add_it_afresh():
    write(BASE, "low.yaml")
    mid = write("extends: low.yaml\nprocesses: {higgs: null}\n", "mid.yaml")
    assert list(load(mid, Events).values.processes) == ["z"]
    top = write("extends: mid.yaml\nprocesses: {higgs: {events: 1}}\n", "top.yaml")
    assert load(top, Events).values.processes["higgs"] == Process(1)


def test_removing_what_is_not_there_is_a_problem():
    write(BASE, "low.yaml")
    top = write("extends: low.yaml\nprocesses:\n  higs: null\n", "top.yaml")
    assert problems(top) == [
        "top.yaml:3: processes.higs: null removes an entry, but there is none of this name"
        "; did you mean 'higgs'?"
    ]


def test_problems_name_the_file_they_are_in():
    write(BASE + "sed: 1\n", "low.yaml")
    top = write("extends: low.yaml\nname: 5\n", "top.yaml")
    assert problems(top) == [
        "top.yaml:2: name: expected a text, got the number 5; put it in quotes",
        "low.yaml:8: sed: unknown key; did you mean 'seed'?",
    ]


def test_the_folder_of_the_recipe_comes_before_the_working_directory(shipped_folder: Path):
    write(BASE.replace("base", "cwd"), "b.yaml")
    top = write("extends: b.yaml\n", "sub/top.yaml")
    assert load(top, Events).values.name == "cwd"
    write(BASE.replace("base", "beside"), "sub/b.yaml")
    assert load(top, Events).values.name == "beside"
    write("extends: events/htautau.yaml\nname: mine\n", "sub/top.yaml")
    assert load(top, Events).where("detector.edges") == "installed/recipes/events/htautau.yaml:7"


def test_cycles_are_shown():
    write("extends: b.yaml\n", "a.yaml")
    write("# b\nextends: a.yaml\n", "b.yaml")
    shown = "a.yaml -> b.yaml -> a.yaml"
    assert problems("a.yaml") == [
        f"b.yaml:2: extends: recipes extend each other in a cycle: {shown}"
    ]
    write("extends: ./self.yaml\n", "self.yaml")
    assert problems("self.yaml")[0].endswith("cycle: self.yaml -> self.yaml")


def test_wrong_extends(shipped_folder: Path):
    expected = "r.yaml:1: extends: expected a text, the path of a recipe"
    assert problems(write("extends: [a.yaml]\n")) == [expected]
    assert problems(write("extends:\n")) == [expected]
    assert problems(write("seed: 1\nseed: 2\nextends: events/htauta.yaml\n")) == [
        "r.yaml:2: seed: duplicate key, first set at r.yaml:1",
        "r.yaml:3: extends: no such recipe 'events/htauta.yaml'"
        "; did you mean 'events/htautau.yaml'?",
    ]
    Path("folder").mkdir()
    assert problems(write("extends: folder\n")) == ["folder: is a directory, expected a file"]


def test_shipped_recipes_are_found_by_name(shipped_folder: Path):
    for name in ("recipes/events/htautau.yaml", "events/htautau.yaml"):
        assert load(name, Events).path == shipped_folder / "events" / "htautau.yaml"
    assert problems("recipes/events/htaut.yaml") == [
        "no such recipe 'recipes/events/htaut.yaml'; did you mean 'recipes/events/htautau.yaml'?"
    ]
    write(BASE.replace("base", "local"), "recipes/events/htautau.yaml")
    assert load("recipes/events/htautau.yaml", Events).values.name == "local"


def test_shipped_is_the_wheels_folder_else_that_of_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    package = tmp_path / "msml"
    monkeypatch.setattr(msml.recipe.files, "__file__", str(package / "recipe" / "files.py"))
    assert shipped() == tmp_path / "recipes"
    (package / "_shipped" / "recipes").mkdir(parents=True)
    assert shipped() == package / "_shipped" / "recipes"
