"""Figures and verdicts from a table that a report kept, without the runs."""

from pathlib import Path

import pandas as pd
import pytest
from commands import run
from made_results import pairs, searches

from msml.errors import DataError, RecipeError
from msml.report.catalogue import draw
from msml.report.kept import keep, of_table
from msml.report.results import COLUMNS, Results
from msml.report.write import PAGE

RECIPE = "recipes/paper/small/fig2.yaml"


def named(table):
    """Give runs names, as real ones have."""
    return table.assign(run=[f"x/{number}" for number in table.groupby("directory").ngroup()])


@pytest.fixture
def kept(tmp_path):
    """The table of made results of pairs, as a report leaves it."""
    return keep(named(pairs(seeds=6))[list(COLUMNS)], tmp_path)


def drawn(results):
    """The numbers of each figure."""
    return {each.name: each.table for each in draw(results)}


@pytest.mark.parametrize(
    ("recipe", "table"),
    [(RECIPE, pairs(seeds=3)), ("recipes/paper/fig5_6.yaml", searches(seeds=2))],
    ids=["pairs", "searches"],
)
def test_figures_are_those_of_the_table_itself(tmp_path, recipe, table):
    found = of_table(recipe, (), keep(named(table), tmp_path))
    expected = drawn(Results(recipe, found.figures, table, (), 0, ()))
    again = drawn(found)
    assert list(again) == list(expected) == list(found.figures)
    for name, numbers in expected.items():
        pd.testing.assert_frame_equal(again[name], numbers, check_dtype=False)


def test_a_report_is_drawn_and_says_from_what(kept, tmp_path):
    output = run("report", RECIPE, "--results", str(kept), "--output", str(tmp_path / "again"))
    assert "written: " in output.stdout
    text = (tmp_path / "again" / PAGE).read_text()
    assert f"{RECIPE}, from {kept}" in text
    assert "Missing" not in text
    assert len(pd.read_csv(tmp_path / "again/fig2.csv")) == 18
    assert (tmp_path / "again/results.csv").read_text() == kept.read_text()


def test_statements_are_judged_by_it(kept):
    output = run("check", RECIPE, "--results", str(kept)).stdout
    assert "pairs with the CNN gain AUC by re-optimisation" in output
    assert output.count("holds") == 2


def test_where_runs_lie_is_not_kept(kept):
    assert "directory" not in kept.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no table"),
        ("a,b\n1,2\n", "has no column 'run'"),
        ('a,b\n1,"2\n', "is no table"),
    ],
)
def test_another_file_is_refused(tmp_path, text, message):
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=f"other.csv: {message}; expected the results.csv of"):
        of_table(RECIPE, (), path)


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(DataError, match=r"nowhere.csv: No such file or directory; expected"):
        of_table(RECIPE, (), Path("nowhere.csv"))


def test_a_text_in_the_place_of_a_number_is_refused(kept):
    lines = kept.read_text().splitlines()
    lines[3] = lines[3].replace(",0.002,", ",little,")
    kept.write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"'auc error': .*little.* at position 2; expected numbers"):
        of_table(RECIPE, (), kept)


def test_overrides_are_refused(kept):
    with pytest.raises(RecipeError, match=r"^seed=1: the results of .* cannot be overridden$"):
        run("report", RECIPE, "seed=1", "--results", str(kept))
