"""Results on subsets of the test split: gathered, in tables, in figures, and in statements."""

import json

import pandas as pd
import pytest
from made_results import row, table

from msml.errors import RecipeError
from msml.plotting import style
from msml.report.expected import NOT_JUDGED, Statement, read, verdicts
from msml.report.measures import measure
from msml.report.points import draw, points
from msml.report.results import Results, of_runs
from msml.report.run import show_evaluated
from msml.runs import layout
from msml.sweep.collect import collect, run_rows
from msml.sweep.compare import Line, Mean, Result, compare
from msml.sweep.plan import Plan
from msml.sweep.tables import show_comparison, show_rows

NO_ROWS = "no events with kaggle_set = 2"
RECIPE = """\
name: one
data: {file: events.h5}
tasks:
  only: {inputs: [x], target: y, loss: {name: mse}, weight: 1.0, candidates: {mlp: {model: mlp}}}
"""


def estimate(value):
    return {"value": value, "error": 0.05, "low": value - 0.05, "high": value + 0.05}


def record(mode="joint", chain="mlp", private=None):
    metrics = {"ams": estimate(3.7), "ams on public": estimate(3.8)}
    about = {"events": 9} if private else {"reason": NO_ROWS}
    metrics |= {"ams on private": estimate(private)} if private else {}
    subsets = {"public": {"events": 5}, "private": about}
    return {
        "chain": {"only": chain},
        "mode": mode,
        "metrics": {"only": metrics},
        "subsets": subsets,
    }


def write(run, records, unblind=False):
    path = layout.evaluation(run, unblind) / layout.RESULT
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(records))
    layout.recipe(run).write_text(RECIPE)


def test_rows_of_a_run_have_subsets_and_why_there_is_none(tmp_path, capsys):
    write(tmp_path / "runs/one", [record()])
    write(tmp_path / "runs/one", [record(private=3.6)], unblind=True)
    (blind,) = run_rows(tmp_path / "runs/one", "one", unblind=False)
    assert blind["only/ams on public"] == 3.8
    assert (blind["on private"], "only/ams on private" in blind) == (NO_ROWS, False)
    show_rows([blind], "A sweep")
    shown = capsys.readouterr().out
    assert "only/ams on public" in shown
    assert f"private: {NO_ROWS}\n" in shown
    assert shown.count(NO_ROWS) == 1
    points = (({"seed": 0}, "one"),)
    plan = Plan("r.yaml", str(tmp_path), "runs", 1, "one/sweep", (), points, unblind=True)
    ((unblinded,), _) = collect(plan)
    assert (unblinded["only/ams on private"], "on private" in unblinded) == (3.6, False)
    results = of_runs([tmp_path / "runs/one"])
    assert results.evaluation(tmp_path / "runs/one").name == "unblinded"
    assert results.missing == ()


def test_a_table_of_several_chains_and_modes(capsys):
    records = [record(mode, chain) for chain in ("mlp", "cnn") for mode in ("connected", "joint")]
    for each in records[1::2]:
        each["minus"] = {"connected": each["metrics"]}
    show_evaluated(records)
    shown = capsys.readouterr().out
    assert "only on test: ams, higher is better" in shown
    assert "only on test: ams on public, higher is better" in shown
    assert f"\nprivate: {NO_ROWS}\n" in shown


def test_variants_are_compared_on_subsets(capsys):
    about = ("grid", "mlp", {"only/ams": 3.0, "only/ams on public": 4.0}, {}, {}, 1.0, 1.0)
    better = ("darts", "mlp", {"only/ams": 3.5, "only/ams on public": 4.5}, {}, {}, 1.0, 1.0)
    lines = compare([Result("a", "0", *about), Result("b", "0", *better)], "a")
    assert isinstance(lines[1], Line)
    assert lines[1].regret["only/ams on public"] == Mean(
        -0.5, pytest.approx(float("nan"), nan_ok=True)
    )
    show_comparison(lines, "a")
    assert "only/ams on test, public" in capsys.readouterr().out


def test_points_have_a_row_of_panels_for_each_subset():
    rows = [
        {"seed": 0, "size": size, "only/ams": 3.7, "only/ams error": 0.1, "only/auc": 0.9,
         "only/auc error": 0.1, "only/ams on public": 3.8, "only/ams on public error": 0.1}
        for size in (1, 2)
    ]  # fmt: skip
    made = Results("made", (), pd.DataFrame(), (), 2, (), (), tuple(rows), ("seed", "size"))
    with style():
        figure = draw(points(made))
    labels = [(ax.get_ylabel(), ax.get_xlabel(), ax.axison) for ax in figure.axes]
    assert labels == [
        ("ams of only", "", True),
        ("auc of only", "", True),
        ("ams on public of only", "size", True),
        ("", "", False),
    ]


PRIVATE_AMS = "only/ams on private"
PRIVATE = Statement(
    says="the AMS is as published",
    figure="points",
    subset="private",
    measure={"kind": "mean", "column": "only/ams", "spread": 0.011},
    expect={"between": [3.78, 3.83]},
)


def runs(*values):
    made = table([row(seed=seed) for seed in range(len(values))])
    return made.assign(**{PRIVATE_AMS: values, f"{PRIVATE_AMS} error": 0.1})


@pytest.mark.parametrize(
    ("values", "verdict"), [((3.806,), "holds"), ((3.79,), "undecided"), ((3.7,), "fails")]
)
def test_a_statement_about_a_subset(values, verdict):
    (found,) = verdicts({"private": PRIVATE}, ["points"], runs(*values))
    assert (found.verdict, found.worst.value, found.worst.error) == (verdict, values[0], 0.011)


def test_what_is_not_there_cannot_be_judged():
    there = runs(3.8)
    absent = there.drop(columns=[PRIVATE_AMS, f"{PRIVATE_AMS} error"]).assign(
        **{"on private": NO_ROWS}
    )
    (found,) = verdicts({"private": PRIVATE}, ["points"], absent)
    assert (found.verdict, found.reason, found.numbers) == (NOT_JUDGED, NO_ROWS, ())
    nothing = absent.drop(columns=["on private", *(n for n in absent.columns if "/" in n)])
    (found,) = verdicts({"private": PRIVATE}, ["points"], nothing)
    assert found.reason == "nothing is measured; the same recipe's evaluate does that"
    with pytest.raises(RecipeError, match="unknown column 'only/ams on private'"):
        verdicts({"private": PRIVATE}, ["points"], nothing.assign(**{"only/auc": 0.5}))


def test_means_of_runs():
    settings = {"kind": "mean", "column": PRIVATE_AMS}
    (one,) = measure(runs(3.8), settings, {})
    assert (one.value, one.error, one.freedom) == (3.8, 0.1, float("inf"))
    (two,) = measure(runs(3.7, 3.9), settings, {})
    assert (two.value, two.error, two.freedom) == pytest.approx((3.8, 0.1, 1))
    (known,) = measure(runs(3.7, 3.9), settings | {"spread": 0.2}, {})
    assert (known.error, known.freedom) == (pytest.approx(0.2 / 2**0.5), float("inf"))
    assert len(measure(runs(3.7, 3.9), settings | {"by": ["seed"]}, {})) == 2


def test_a_subset_needs_a_column(tmp_path):
    path = tmp_path / "expected.yaml"
    path.write_text(
        "statements:\n  a: {says: x, figure: points, subset: b, expect: {above: 0},\n"
        "    measure: {kind: share, candidates: [c]}}\n"
    )
    with pytest.raises(RecipeError, match=r"statements\.a\.subset: 'share' has no column"):
        read(str(path))
