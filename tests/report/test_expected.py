"""Statements about results: what is measured, and the verdicts."""

import math

import numpy as np
import pytest
from made_results import pairs, row, scaling, searches, table

from msml.errors import RecipeError
from msml.report.expected import Statement, judge, read, verdicts
from msml.report.measures import Number, measure

SHIPPED = "recipes/paper/expected.yaml"
FIGURES = ("fig2", "fig3", "fig5", "fig7")
GAIN = {"kind": "difference", "column": "auc", "along": "mode", "against": "sequential"}


def verdict_of(name, made):
    statement = read(SHIPPED)[name]
    (found,) = verdicts({name: statement}, [statement.figure], made)
    return found


def number(value, error=0.1, freedom=math.inf):
    return Number("", value, error, freedom)


@pytest.mark.parametrize(
    ("value", "expect", "verdict"),
    [
        (0.3, {"above": 0}, "holds"),
        (0.1, {"above": 0}, "undecided"),
        (-0.3, {"above": 0}, "fails"),
        (-0.1, {"not_below": 0}, "undecided"),
        (0.3, {"not_below": 0}, "holds"),
        (-0.3, {"not_below": 0}, "fails"),
        (-0.3, {"below": 0}, "holds"),
        (0.3, {"below": 0}, "fails"),
        (0.1, {"not_above": 0}, "undecided"),
        (-0.3, {"not_above": 0}, "holds"),
        (0.3, {"not_above": 0}, "fails"),
        (0.0, {"between": [-0.3, 0.3]}, "holds"),
        (0.2, {"between": [-0.3, 0.3]}, "undecided"),
        (0.6, {"between": [-0.3, 0.3]}, "fails"),
        (-0.6, {"between": [-0.3, 0.3]}, "fails"),
        (math.nan, {"above": 0}, "undecided"),
    ],
)
def test_verdicts(value, expect, verdict):
    assert judge(number(value), expect) == verdict


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("error", [0.01, 1.0, 10.0])
def test_what_errors_cannot_decide_is_undecided_in_both_directions(sign, error):
    """A limit within the one-sided 95 % interval, 1.645 errors, decides for none of the kinds."""
    for kind in ("above", "below", "not_above", "not_below"):
        within = judge(number(sign * 1.6 * error, error), {kind: 0})
        beyond = judge(number(sign * 1.7 * error, error), {kind: 0})
        assert (within, beyond == "undecided") == ("undecided", False)


def test_few_runs_decide_less():
    assert judge(number(0.3), {"above": 0}) == "holds"
    assert judge(number(0.3, freedom=1), {"above": 0}) == "undecided"
    assert judge(number(0.3, error=math.nan, freedom=0), {"above": 0}) == "undecided"
    assert judge(number(9.0, freedom=0), {"not_below": 0}) == "undecided"


def test_an_exact_number_needs_no_error():
    assert judge(number(0.0, 0.0), {"not_above": 0}) == "holds"
    assert judge(number(0.05, 0.0), {"not_above": 0}) == "fails"


def test_differences_are_paired_by_seed():
    found = measure(pairs(10), {**GAIN, "by": ["chain"]}, {"first": "cnn"})
    assert [each.group for each in found] == [
        f"cnn+{last}, mode joint - sequential" for last in ("lstm", "mass", "mlp")
    ]
    made = pairs(10)
    here = made[made["chain"] == "cnn+lstm"].pivot(index="seed", columns="mode", values="auc")
    gain = here["joint"] - here["sequential"]
    assert found[0].value == pytest.approx(gain.mean())
    assert found[0].error == pytest.approx(gain.std() / np.sqrt(10))
    assert found[0].freedom == 9


def test_steps_go_from_neighbour_to_neighbour():
    made = table(
        [row(v1=v1, seed=seed, mse=mse + seed) for v1, mse in ((1, 2.0), (0, 9.0), (0.5, 4.0))
         for seed in (0, 1)]
    )  # fmt: skip
    found = measure(made, {"kind": "steps", "column": "mse", "along": "v1"}, {})
    assert [(each.group, each.value) for each in found] == [
        ("v1 0.5 - 0", -5.0),
        ("v1 1 - 0.5", -2.0),
    ]


def test_what_the_paper_says_holds_of_results_like_its_own():
    assert verdict_of("no_pair_loses", pairs(20)).verdict == "holds"
    assert verdict_of("cnn_gains", pairs(20)).verdict == "holds"
    grid = searches(20, ("grid",))
    for name in ("mse_lower", "validity_higher", "auc_stays"):
        assert verdict_of(name, grid).verdict == "holds", name
    for name in ("mse_falls", "validity_rises"):  # flat steps can be tiny ones to either side
        assert verdict_of(name, grid).verdict == "undecided", name
    assert verdict_of("no_dummies", searches(20)).verdict == "holds"
    for name in ("darts_linear", "spos_linear", "grid_quadratic"):
        assert verdict_of(name, scaling()).verdict == "holds", name


def test_what_is_otherwise_fails():
    worse = pairs(20)
    here = (worse["chain"] == "sf+mass") & (worse["mode"] == "joint")
    worse.loc[here, "auc"] -= 0.01
    found = verdict_of("no_pair_loses", worse)
    assert (found.verdict, found.worst.group) == ("fails", "sf+mass, mode joint - sequential")
    assert found.worst.value == pytest.approx(-0.008, abs=0.001)
    dummy = searches(3)
    dummy.loc[0, "selected"] = "noise+lstm"
    assert verdict_of("no_dummies", dummy).verdict == "fails"
    steep = scaling()
    steep["gradient_passes"] *= steep["models"]
    assert verdict_of("darts_linear", steep).verdict == "fails"
    assert verdict_of("grid_quadratic", steep).verdict == "fails"


def test_one_seed_decides_no_difference():
    assert verdict_of("cnn_gains", pairs(1)).verdict == "undecided"
    assert verdict_of("no_pair_loses", pairs(1)).verdict == "undecided"


def test_without_results_nothing_is_decided():
    found = verdicts(read(SHIPPED), FIGURES, table([]))
    assert {each.verdict for each in found} == {"undecided"}
    assert all(each.worst is None for each in found)


def test_shares_leave_out_runs_without_dummies():
    statement = read(SHIPPED)["no_dummies"]
    made = searches(2, ("spos",))
    made["dummies"] = False
    assert measure(made, statement.measure, statement.where) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("figure: fig9", "unknown figure 'fig9'; did you mean"),
        ("measure: {kind: differnce}", "unknown kind 'differnce'; did you mean 'difference'?"),
        ("measure: {kind: steps, column: auc}", "steps: missing a required argument: 'along'"),
        ("measure: {kind: steps, colum: auc}", "steps: "),
        ("expect: {about: 1}", "expected one of above, below"),
        ("expect: {above: 0, below: 1}", "expected one of above, below"),
        ("expect: {between: [1]}", "between: expected two numbers"),
        ("expect: {above: much}", "above: expected a number"),
    ],
)
def test_wrong_statements(tmp_path, change, message):
    lines = {
        "says": "says: x",
        "figure": "figure: fig2",
        "measure": "measure: {kind: steps, column: auc, along: v1}",
        "expect": "expect: {above: 0}",
    }
    lines[change.partition(":")[0]] = change
    path = tmp_path / "expected.yaml"
    path.write_text("statements:\n  one: {" + ", ".join(lines.values()) + "}\n")
    with pytest.raises(RecipeError) as error:
        read(str(path))
    (problem,) = error.value.problems
    assert problem.startswith(f"{path}:2: statements.one.{change.partition(':')[0]}")
    assert message in problem


def test_unknown_columns_and_figures_are_named():
    statement = Statement("x", "fig2", {**GAIN, "column": "acu"}, {"above": 0})
    with pytest.raises(
        RecipeError, match=r"statements.a: unknown column 'acu'; did you mean 'auc'"
    ):
        verdicts({"a": statement}, ["fig2"], pairs(2))
    with pytest.raises(RecipeError, match="no statement is about fig4"):
        verdicts({"a": statement}, ["fig4"], pairs(2))
