"""Variants of one recipe at the same seeds, from results made by hand."""

import json
from dataclasses import replace
from math import nan

import numpy as np
import pytest

from msml.errors import RecipeError
from msml.runs import layout
from msml.runs.cost import Cost
from msml.runs.directory import write_json
from msml.sweep.compare import (
    Result,
    check_variant,
    compare,
    compared_with,
    kendall_tau,
    mean,
    ranking,
    results,
    variants_axis,
)
from msml.sweep.plan import Plan
from msml.sweep.tables import show_comparison


def result(variant, seed, auc, mse=0.05, strategy=None, order=("a+c", "a+d", "b+c", "b+d")):
    return Result(
        variant=variant,
        seed=f"seed={seed}",
        strategy=strategy or variant,
        selected=order[0],
        test={"higgs/auc": auc, "momentum/momentum_mse": mse},
        valid={"total": 1 - auc},
        ranking={name: -float(place) for place, name in enumerate(order)},
        gradient_passes=100.0,
        seconds=10.0 * (seed + 1),
    )


def test_regret_is_paired_by_seed():
    found = [result("grid", 0, 0.80), result("grid", 1, 0.70)]
    found += [result("darts", 0, 0.79, 0.06), result("darts", 1, 0.69, 0.06)]
    grid, darts = compare(found, "grid")
    assert grid.regret["higgs/auc"].value == 0
    assert darts.regret["higgs/auc"].value == pytest.approx(0.01)
    assert darts.regret["higgs/auc"].error == pytest.approx(0, abs=1e-12)  # not that of the means
    assert darts.test["higgs/auc"].error == pytest.approx(0.05)
    assert darts.regret["momentum/momentum_mse"].value == pytest.approx(0.01)  # lower is better
    assert darts.seconds.value == 15
    assert darts.selected == {"a+c": 2}
    assert (grid.behind.value, darts.behind.value) == (0, 0)


def test_a_choice_is_judged_where_the_grid_ranks_it():
    """Whatever it is compared with, and however well its own weights were trained."""
    grid = result("grid", 0, 0.8)  # a+c is first, b+d three places behind
    other = result("darts", 0, 0.9, order=("b+d", "a+c", "a+d", "b+c"))
    for reference in ("grid", "darts", None):
        lines = compare([grid, other], reference)
        assert [line.behind.value for line in lines] == [0, 3]
    (alone,) = compare([other], "darts")
    assert alone.behind.value != alone.behind.value


def test_what_to_compare_with_can_be_named(tmp_path):
    found = [result("grid", 0, 0.8), result("darts", 0, 0.75), result("spos", 0, 0.7)]
    lines = compare(found, "darts")
    assert [line.regret["higgs/auc"].value for line in lines] == pytest.approx([-0.05, 0, 0.05])
    plan = a_plan(tmp_path, [({"seed": 0, "how": r.variant}, f"r/{r.variant}") for r in found])
    check_variant(plan, "how", "darts")
    with pytest.raises(RecipeError, match="unknown variant 'dart'; did you mean 'darts'"):
        check_variant(plan, "how", "dart")


def test_without_the_reference_there_is_no_regret():
    (line,) = compare([result("darts", 0, 0.8)], None)
    assert line.regret["higgs/auc"].value != line.regret["higgs/auc"].value
    (line, _) = compare([result("darts", 0, 0.8), result("grid", 1, 0.8)], "grid")
    assert line.tau.value != line.tau.value


def test_the_first_grid_is_the_reference_and_metrics_may_differ(capsys):
    found = [result("chain", seed, 0.8, strategy="grid") for seed in (0, 1)]
    found += [replace(result("whole", 1, 0.7, strategy="grid"), test={"higgs/auc": 0.7})]
    assert compared_with(found) == "chain"
    assert compared_with([result("darts", 0, 0.8)]) is None
    chain, whole = compare(found, "chain")
    assert chain.regret["higgs/auc"].value == 0
    assert whole.regret["higgs/auc"].value == pytest.approx(0.1)
    show_comparison([whole, chain], "chain")
    shown = capsys.readouterr().out
    assert "momentum/momentum_mse on test" in shown
    assert "τ with chain" in shown


def test_variants_that_search_nothing(capsys):
    """They are compared with the first of them; the table has no choices and no rankings."""
    found = [
        replace(
            result(name, seed, auc, 1 - auc),
            strategy="",
            ranking={},
            gradient_passes=nan,
            cost=Cost(100, flops, (0.001, 0.002), "Keras"),
        )
        for name, auc, flops in (("single", 0.8, 1e4), ("ensemble", 0.85, 1e5), ("bad", 0.7, 1e5))
        for seed in (0, 1)
    ]
    assert compared_with(found) == "single"
    lines = compare(found, "single")
    assert [line.searched for line in lines] == [False] * 3
    assert [line.front for line in lines] == [True, True, False]
    show_comparison(lines, "single")
    shown = capsys.readouterr().out
    (single,) = (each for each in shown.splitlines() if "10,000" in each)
    assert single.split() == ["single", "0.2", "100", "10,000", "1", "2", "front"]
    assert "-0.05" in shown
    assert "τ" not in shown
    assert "gradient passes" not in shown


def test_runs_without_a_search_have_results(tmp_path):
    run = tmp_path / "runs/one"
    name = layout.evaluation(run) / layout.RESULT
    write_json(
        name, [{"chain": {"a": "x"}, "mode": "joint", "metrics": {"a": {"mse": {"value": 2.0}}}}]
    )
    write_json(layout.posttrained(run, "x", "joint") / layout.RESULT, {"valid_losses": {"a": 1.0}})
    write_json(layout.manifest(run), {"sessions": [{"seconds": 2.0}, {"seconds": 1.0}]})
    cost = Cost(5, nan, (0.1, 0.2), "Keras")
    cost.write(layout.cost(run, "x", "alone"))
    plan = a_plan(tmp_path, [({"seed": 0, "how": "one"}, "one")])
    (found,) = results(plan, "how")
    assert (found.strategy, found.test, found.seconds) == ("", {"a/mse": 2.0}, 3.0)
    assert (found.cost.parameters, found.cost.latency) == (5, (0.1, 0.2))
    assert found.cost.flops != found.cost.flops
    assert found.gradient_passes != found.gradient_passes


def test_variants_may_have_other_tasks():
    """A metric that the reference has not has no difference to it."""
    two, three = (
        Result(name, "seed=0", "grid", name, test, {"h": 0.5}, {}, 1.0, 1.0)
        for name, test in (("two", {"h/auc": 0.7}), ("three", {"m/mse": 2.0, "h/auc": 0.71}))
    )
    found = compare([two, three], "two")[1].regret
    assert found["h/auc"].value == pytest.approx(-0.01)
    assert np.isnan(found["m/mse"].value)


def test_tau():
    order = ("a+c", "a+d", "b+c", "b+d")
    one = {name: -float(place) for place, name in enumerate(order)}
    assert kendall_tau(one, one) == 1
    assert kendall_tau(one, {name: -value for name, value in one.items()}) == -1
    swapped = {**one, "a+c": one["a+d"], "a+d": one["a+c"]}
    assert kendall_tau(one, swapped) == pytest.approx(4 / 6)  # 5 pairs agree, 1 does not
    assert kendall_tau(one, {"a+c": 1.0}) != kendall_tau(one, {"a+c": 1.0})


def test_rankings_of_alpha_and_of_combinations():
    alpha = {
        "first": {"a": {"alpha": 1.0}, "b": {"alpha": 0.0}},
        "second": {"c": {"alpha": -1.0}, "d": {"alpha": 0.5}},
    }
    assert ranking({"ranking": None, "alpha": alpha, "distribution": None}) == {
        "a+c": 0.0, "a+d": 1.5, "b+c": -1.0, "b+d": 0.5,
    }  # fmt: skip
    ranked = [{"chain": {"first": "a", "second": "c"}, "behind": 0.0},
              {"chain": {"first": "b", "second": "c"}, "behind": 0.2}]  # fmt: skip
    assert ranking({"ranking": ranked, "alpha": None}) == {"a+c": 0.0, "b+c": -0.2}
    assert ranking({"ranking": None, "alpha": None, "distribution": None}) == {}
    shares = {"first": {"a": 0.75, "b": 0.25}, "second": {"c": 1.0}}
    found = ranking({"ranking": None, "alpha": None, "distribution": shares})
    assert found["a+c"] - found["b+c"] == pytest.approx(np.log(3))


def test_means():
    assert mean([1.0, 3.0, nan]).value == 2
    assert mean([1.0, 3.0]).error == 1
    assert mean([1.0]).error != mean([1.0]).error
    assert mean([]).value != mean([]).value


def a_plan(folder, points):
    return Plan("r.yaml", str(folder), "runs", 1, "r/sweep", (), tuple(points))


def test_results_are_read_and_missing_ones_left_out(tmp_path, capsys):
    run = tmp_path / "runs" / "r" / "one"
    chain = {"first": "a", "second": "c"}
    auc = {"value": 0.8, "error": 0.01}
    files = {
        "search/selection.json": {
            "strategy": "grid", "alpha": None, "gradient_passes": 7.0,
            "ranking": [{"chain": chain, "behind": 0.0}],
        },
        "evaluate/metrics.json": [
            {"chain": chain, "mode": "connected", "metrics": {"second": {"auc": {"value": 0.5}}}},
            {"chain": chain, "mode": "joint", "metrics": {"second": {"auc": auc}},
             "subsets": {"public": {"events": 9}, "private": {"reason": "blind"}}},
        ],
        "manifest.json": {"sessions": [{"seconds": 3.0}, {"seconds": None}, {"seconds": 4.0}]},
        "posttrain/a+c/joint/metrics.json": {"valid_losses": {"total": 0.4}},
    }  # fmt: skip
    for name, content in files.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(json.dumps(content))
    plan = a_plan(
        tmp_path,
        [({"seed": 0, "how": "grid"}, "r/one"), ({"seed": 1, "how": "grid"}, "r/not there")],
    )
    assert variants_axis(plan) == "how"
    (found,) = results(plan, "how")
    assert (found.variant, found.seed, found.selected) == ("grid", "seed=0", "a+c")
    assert (found.test, found.valid) == ({"second/auc": 0.8}, {"total": 0.4})
    assert (found.gradient_passes, found.seconds) == (7.0, 7.0)
    show_comparison(compare([found], "grid"), "grid")
    shown = capsys.readouterr().out
    assert "a+c ×1" in shown
    assert "second/auc on test" in shown
    assert "\nprivate: blind\n" in shown
    assert "public: " not in shown


def test_subsets_of_which_nothing_is_known(capsys):
    """Each reason is there once, and of which variants it is where not of all."""
    blind, none = {"private": "blind", "other": "no events"}, {"private": "blind"}
    found = [
        replace(result(name, 0, 0.8), absent=absent)
        for name, absent in (("grid", none), ("darts", blind), ("spos", blind))
    ]
    show_comparison(compare(found, "grid"), "grid")
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in shown if line.startswith(("private", "other"))] == [
        "private: blind",
        "other of darts, spos: no events",
    ]


def test_nothing_to_compare(tmp_path):
    plan = a_plan(tmp_path, [({"seed": 0, "tasks.a.weight": 0.5}, "r/one")])
    with pytest.raises(RecipeError, match="nothing to compare"):
        variants_axis(plan)
