"""Quality against cost: a figure of a report, and the table of a search, from runs made by hand."""

from math import nan

import pandas as pd
import pytest

from msml.plotting import style
from msml.report.cost import draw, priced, summarise
from msml.report.looks import NothingToDraw
from msml.report.results import Results
from msml.report.selection import show_selection, with_costs
from msml.runs import layout
from msml.runs.cost import Cost
from msml.stages.selection import Selection
from msml.sweep.collect import COSTS


def record(first, score):
    about = {"error": 0.01, "losses": {"one": 0.2, "two": 0.5}, "behind_error": 0.01}
    chain = {"one": first, "two": "b"}
    return {"chain": chain, "score": score, "behind": 0.9 - score, "worse": False, **about}


def selection(*scores):
    ranking = [record(name, score) for name, score in zip(("x", "y", "z"), scores, strict=False)]
    chosen = {"one": "x", "two": "b"}
    return Selection("grid", "auc on valid", chosen, [], True, 1.0, ranking=ranking)


@pytest.fixture
def run(tmp_path):
    """A run with a ranking of three, whose costs are known."""
    (tmp_path / "recipe.yaml").touch()
    for name, number in ("x", 200.0), ("y", 300.0), ("z", 100.0):
        Cost(10, number, (0.001, 0.002), "Keras").write(layout.cost(tmp_path, f"{name}+b", "alone"))
    selection(0.9, 0.85, 0.8).write(layout.selection(tmp_path, "grid"))
    return tmp_path


def results(*runs, rows=()):
    return Results("made", (), pd.DataFrame(), runs, len(runs), (), rows=tuple(rows))


def test_the_ranked_on_valid_and_what_is_worth_it(run):
    found = priced(results(run))
    assert (found.by, found.better) == ("auc on valid", "higher")
    table = summarise(found)
    assert list(table["chain"]) == ["z+b", "x+b", "y+b"]  # the cheapest first
    assert list(table["front"]) == ["yes", "yes", ""]
    with style():
        (ax,) = draw(found).axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("FLOPs of an event", "auc on valid")
    assert ax.get_xscale() == "log"
    assert {text.get_text() for text in ax.texts} == {"x+b", "y+b", "z+b"}


def test_chains_on_test_where_nothing_was_ranked(tmp_path):
    def row(chain, value, flops):
        costs = dict(zip(COSTS, (10, flops, 0.001, 0.002), strict=True))
        metrics = {"one/mse": 1.0, "one/mse error": 0.1, "two/bce": value, "two/bce error": 0.1}
        return {"directory": "r", "chain": chain, "mode": "joint", **metrics, **costs}

    rows = [row("x+b", 0.4, nan), row("y+b", 0.5, 2e3)]
    found = priced(results(tmp_path, rows=rows))
    assert (found.by, found.better) == ("bce on test", "lower")
    assert list(summarise(found)["front"]) == ["yes", ""]  # by their times, which are the same
    with style():
        (ax,) = draw(found).axes
    assert ax.get_xlabel() == "1,000 events on the CPU [ms]"
    with pytest.raises(NothingToDraw, match="no two chains"):
        priced(results(tmp_path, rows=rows[:1]))
    with pytest.raises(NothingToDraw, match="no two chains"):
        priced(results(tmp_path))


def test_a_search_shows_costs(run, capsys):
    found = with_costs(Selection.read(layout.selection(run, "grid")), run)
    assert found["costs"]["z+b"]["flops"] == 100
    show_selection(found)
    shown = capsys.readouterr().out
    rows = [line.split() for line in shown.splitlines() if "+b " in line]
    assert [row[-5:] for row in rows] == [
        ["10", "200", "1", "2", "front"],
        ["0.5", "10", "300", "1", "2"],
        ["10", "100", "1", "2", "front"],
    ]
    assert "front: nothing here is as good for less, or better for as much" in shown
    layout.cost(run, "x+b", "alone").unlink()
    show_selection(with_costs(Selection.read(layout.selection(run, "grid")), run))
    (first, *_) = (line for line in capsys.readouterr().out.splitlines() if "x+b" in line)
    assert first.split()[-4:] == ["-", "-", "-", "-"]


def test_a_search_without_costs_shows_none(tmp_path, capsys):
    show_selection(with_costs(selection(0.9, 0.8), tmp_path))
    shown = capsys.readouterr().out
    assert "FLOPs" not in shown
    assert "front" not in shown
