"""Figures of any sweep: its points, and the weights that a weighting gave the losses."""

import json

import numpy as np
import pandas as pd
import pytest

from msml.plotting import style
from msml.report.looks import NothingToDraw
from msml.report.points import draw, points, summarise
from msml.report.results import Results
from msml.report.tables import cells
from msml.report.weight_curves import Curve
from msml.report.weight_curves import draw as draw_weights
from msml.report.weight_curves import summarise as summarise_weights


def results(rows, axes):
    return Results("made", (), pd.DataFrame(), (), len(rows), (), (), tuple(rows), axes)


def row(value, chain="a+b", mode="joint", **axes):
    metrics = {"last/auc": value, "last/auc error": 0.01, "first/mse": 10 * value}
    return {**axes, "run": "r", "chain": chain, "mode": mode, **metrics, "first/mse error": 0.1}


def scan(wirings=("direct", "additional"), sizes=(1, 2, 4, 8), seeds=3):
    return [
        row(0.7 + 0.01 * size + 0.05 * i + 0.001 * seed, seed=seed, wiring=wiring, size=size)
        for i, wiring in enumerate(wirings)
        for size in sizes
        for seed in range(seeds)
    ]


def test_means_and_spreads_over_seeds():
    found = points(results(scan(), ("seed", "wiring", "size")))
    assert (found.axes, found.scanned) == (["wiring", "size"], "size")
    table = summarise(found)
    assert len(table) == 8
    first = table.iloc[0]
    assert (first["wiring"], first["size"], first["runs"]) == ("direct", 1, 3)
    assert first["last/auc"] == pytest.approx(0.711)
    assert first["last/auc spread"] == pytest.approx(0.001)
    assert first["last/auc error"] == pytest.approx(0.001 / 3**0.5)
    headings, rows = cells(table)
    shown = dict(zip(headings, rows[0], strict=True))
    assert (shown["last/auc"], shown["last/auc spread"]) == ("0.71100 ± 0.00058", "0.001")


def test_numbers_along_the_axis_names_as_lines():
    with style():
        figure = draw(points(results(scan(), ("seed", "wiring", "size"))))
    assert [ax.get_ylabel() for ax in figure.axes] == ["auc of last", "mse of first"]
    for ax in figure.axes:
        assert ax.get_xlabel() == "size"
        assert ax.get_xscale() == "log"
        assert ax.get_legend_handles_labels()[1] == ["direct", "additional"]
    (line, *_) = figure.axes[0].containers[1].lines
    assert line.get_xdata().tolist() == [1, 2, 4, 8]
    assert line.get_ydata() == pytest.approx([0.711, 0.721, 0.741, 0.781])


def test_names_alone_are_listed():
    rows = [row(0.7 + i / 10, seed=0, weights=name) for i, name in enumerate("abc")]
    with style():
        figure = draw(points(results(rows, ("seed", "weights"))))
    first, second = figure.axes
    assert [text.get_text() for text in first.get_yticklabels()] == ["a", "b", "c"]
    assert first.get_xlabel() == "auc of last"
    (line, *_) = first.containers[1].lines
    assert line.get_xdata() == pytest.approx([0.7, 0.8, 0.9])
    assert line.get_ydata().tolist() == [2, 1, 0]
    assert not any(text.get_text() for text in second.get_yticklabels())
    assert second.get_xlim()[0] > first.get_xlim()[1]  # each metric has a scale of its own


def test_chains_and_modes_are_points_where_only_seeds_are_scanned():
    rows = [row(0.7, chain, mode, seed=0) for chain in ("a+b", "c+b") for mode in ("x", "y")]
    found = points(results(rows, ("seed",)))
    assert found.axes == ["chain", "mode"]
    assert len(summarise(found)) == 4


@pytest.mark.parametrize(
    ("rows", "axes"),
    [([], ()), ([{"run": "r", "selected": "a"}], ("seed",)), ([row(0.7, seed=0)], ("seed",))],
)
def test_nothing_to_draw(rows, axes):
    with pytest.raises(NothingToDraw):
        points(results(rows, axes))


def test_weights_are_bands_over_runs():
    runs = [np.array([0.5, 0.4, 0.2]), np.array([0.5, 0.6]), np.array([0.5, 0.5, 0.3])]
    found = [Curve("uncertainty", "first", weights) for weights in runs]
    found += [Curve("uncertainty", "second", 1 - weights) for weights in runs]
    found += [Curve("dwa", task, np.ones(2)) for task in ("first", "second")]
    table = summarise_weights(found)
    assert table["runs"].tolist() == [3, 3, 1, 1]
    assert table["last epoch"].tolist() == pytest.approx([0.3, 0.7, 1, 1])
    with style():
        figure = draw_weights(found)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["uncertainty", "dwa"]
    first = figure.axes[0].get_lines()[0]
    assert first.get_ydata() == pytest.approx([0.5, 0.5, 0.25])
    assert first.get_xdata().tolist() == [1, 2, 3]


def test_many_weightings_take_several_rows():
    names = [f"rule {i}" for i in range(7)]
    with style():
        figure = draw_weights([Curve(name, "first", np.ones(3)) for name in names])
    assert [ax.get_title(loc="left") for ax in figure.axes] == names  # the empty places are gone
    labelled = [number for number, ax in enumerate(figure.axes) if ax.get_ylabel()]
    assert labelled == [0, 5]


def test_points_of_a_sweep_have_panels_of_their_own(tmp_path):
    """What the two losses are decides how a rule weighs them."""
    from msml.report.weight_curves import curves
    from msml.runs import layout

    rows = []
    for name, weight in (("bce", 1.5), ("mse", 5.0)):
        run = tmp_path / name
        run.mkdir()
        record = {"unit": "u", "time": 0, "weighting": {"coefficients": {"first": weight}}}
        layout.log(run).write_text(json.dumps(record) + "\n")
        rows.append({"directory": str(run), "loss": name, "weights": "uncertainty", "seed": 0})
    runs = tuple(tmp_path / name for name in ("bce", "mse"))
    axes = ("seed", "loss", "weights")
    found = curves(Results("made", (), pd.DataFrame(), runs, 2, (), (), tuple(rows), axes))
    assert [(each.name, each.weights.tolist()) for each in found] == [
        ("bce, uncertainty", [1.5]),
        ("mse, uncertainty", [5.0]),
    ]


def test_a_report_of_fixed_weights_has_none():
    from msml.report.weight_curves import curves

    with pytest.raises(NothingToDraw, match="no weighting was at work"):
        curves(Results("made", (), pd.DataFrame(), (), 0, ()))


def test_a_validity_is_no_registered_metric_and_has_a_panel():
    rows = [{**row(0.7, seed=0, size=n), "first/validity": 0.9} for n in (1, 2)]
    rows = [{**each, "first/validity error": 0.1} for each in rows]
    with style():
        figure = draw(points(results(rows, ("seed", "size"))))
    assert figure.axes[2].get_ylabel() == "validity of first"
