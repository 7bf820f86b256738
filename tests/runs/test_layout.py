"""Names become parts of paths, each one its own."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msml.recipe.expand import chain_name
from msml.recipe.messages import name_problem
from msml.runs import layout

NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", fullmatch=True).filter(
    lambda name: name_problem(name) is None
)


@given(st.lists(st.tuples(NAMES, NAMES), min_size=2, max_size=5, unique=True))
def test_chains_have_folders_of_their_own(chains):
    names = [chain_name(dict(zip("ab", chain, strict=True))) for chain in chains]
    assert len(set(names)) == len(chains)


@pytest.mark.parametrize(
    "place",
    [
        layout.combination,
        lambda run, name: layout.posttrained(run, name, "joint"),
        lambda run, name: layout.evaluated(layout.evaluation(run), name, "joint"),
        lambda run, name: layout.pretrained(run, "task", name),
    ],
)
def test_long_names_are_shortened_and_stay_different(place, tmp_path):
    long = "+".join(f"mlp[{','.join(f'argument_{i}={n}' for i in range(6))}]" for n in range(9))
    names = ["short", *(f"{long}{ending}" for ending in ("", "a", "b"))]
    places = [place(tmp_path, name) for name in names]
    assert len(set(places)) == len(places)
    for path in places:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f".{path.name}.12345.tmp").touch()
    assert "short" in str(places[0])


@pytest.mark.parametrize(
    "name",
    [
        "a+b",
        "tail\n",
        "a/b",
        "",
        ".hidden",
        "-x",
        "a b",
        "$(x)",
        "é",
        "x" * 65,
        "x.json",
        "x.h5",
        "..",
        "~a",
    ],
)
def test_names_that_are_refused(name):
    problem = name_problem(name)
    assert problem is not None
    assert "\n" not in problem


def test_words_that_stand_beside_tasks_are_taken():
    for name in ("total", "event", "weight"):
        assert name_problem(name) is None
        assert "is taken" in name_problem(name, task=True)
    assert len(str(Path("x") / layout.part("y" * 300)).encode()) < 255
