"""The paper's figures, drawn from made tables: artists hold the numbers that went in."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_results import pairs, row, scaling, searches, selection, table

from msml.plotting import style
from msml.report import loss_curves as losses
from msml.report.facts import train_seconds
from msml.report.looks import NothingToDraw, looks, mean_and_error, title
from msml.report.power import fit
from msml.studies.htautau.figures import fig2, fig3, fig4, fig5, fig6, fig7, fig8

SHIPPED = Path(__file__).parents[3] / "data" / "htautau_sample.h5"


def errorbars(ax):
    """Points of each series with error bars that has an entry in the legend."""
    handles, names = ax.get_legend_handles_labels()
    return {
        name: h.lines[0].get_ydata().astype(float)
        for h, name in zip(handles, names, strict=True)
        if hasattr(h, "lines")
    }


def segments(ax):
    """Ends of all horizontal and vertical lines, `(lines, 2, 2)`."""
    return [
        np.array(segment)
        for collection in ax.collections
        if hasattr(collection, "get_segments")
        for segment in collection.get_segments()
    ]


def test_fig2_violins_have_lines_at_the_quantiles():
    made = pairs(20)
    with style():
        (ax,) = fig2.draw(made).axes
    assert [label.get_text() for label in ax.get_xticklabels()][4] == "CNN\nLSTM"
    here = made[(made["chain"] == "cnn+lstm") & (made["mode"] == "joint")]
    heights = {
        round(float(s[0, 1]), 9)
        for s in segments(ax)
        if s[0, 1] == s[1, 1] and abs(s[:, 0].mean() - 3.8) < 1e-6
    }
    expected = {round(v, 9) for v in np.quantile(here["auc"], (0, 0.25, 0.5, 0.75, 1))}
    assert heights == expected


def test_fig2_gain_is_paired_by_seed():
    found = fig2.summary(pairs(20)).set_index(["chain", "mode"])
    assert found.loc[("cnn+lstm", "joint"), "gain"] == pytest.approx(0.010, abs=0.001)
    assert found.loc[("sf+mass", "joint"), "gain"] == pytest.approx(0.002, abs=0.001)
    # Far below the spread of the AUC itself, which the seeds share.
    spread = found.loc[("cnn+lstm", "joint"), "auc spread"]
    assert found.loc[("cnn+lstm", "joint"), "gain error"] < 0.6 * spread / 20**0.5


def test_fig2_few_runs_are_points_with_their_mean():
    made = pairs(3)
    with style():
        (ax,) = fig2.draw(made).axes
    here = made[(made["chain"] == "mlp+mlp") & (made["mode"] == "joint")]["auc"]
    points = ax.get_lines()[0]
    np.testing.assert_allclose(sorted(points.get_ydata()), sorted(here))
    assert any(np.allclose(s[:, 1], here.mean()) for s in segments(ax))


def test_fig3_has_a_flat_line_of_the_best_sequential_pair():
    without = pairs(5)
    made = pd.concat([without, searches(5, ("grid",))])
    with style():
        axes = fig3.draw(made).axes
    best = without[without["mode"] == "sequential"].sort_values("auc").groupby("seed").tail(1)
    flat = [line for line in axes[1].get_lines() if line.get_label() == "Without re-optimisation"]
    assert flat[0].get_ydata()[0] == pytest.approx(best["auc"].mean())
    grid = made[made["strategy"] == "grid"].groupby("v1")["mse"].mean()
    np.testing.assert_allclose(errorbars(axes[0])["With re-optimisation"], grid)
    assert [t.get_text() for t in axes[2].get_xticklabels()][:3] == ["0", "0.001", "0.01"]


def test_a_collapsed_auc_does_not_decide_the_scale_and_is_said():
    with style():
        ax = fig6.draw(searches(5)).axes[1]
    low, high = ax.get_ylim()
    assert high - low < 0.02
    assert any(text.get_text().startswith("0.7") for text in ax.texts)


def test_fig4_shows_every_seed_and_the_median():
    kept = [selection(seed=seed) for seed in range(7)]
    found = fig4.searches(kept)
    with style():
        axes = fig4.draw(found).axes
    cnn = [np.array([e["alpha"]["tau"]["cnn"] for e in each["epochs"]]) for each in kept]
    drawn = [line.get_ydata() for line in axes[0].get_lines()]
    for curve in cnn:
        assert any(len(d) == len(curve) and np.allclose(d, curve) for d in drawn)
    (median,) = (line for line in axes[0].get_lines() if line.get_label() == "CNN")
    assert median.get_ydata()[10] == pytest.approx(np.median([c[10] for c in cnn]))
    assert len(median.get_ydata()) == sorted(map(len, cnn))[3]
    first = fig4.summary(found).iloc[0]
    assert (first["candidate"], first["largest in"]) == ("cnn", 7)


def test_fig4_shows_where_candidates_stopped():
    kept = [selection(seed=seed) for seed in range(3)]
    for number, each in enumerate(kept):
        each["alpha"]["tau"]["mlp"] |= {"stopped": 5 + number, "keeps": 1, "gap": 0.1 * number}
    with style():
        axes = fig4.draw(fig4.searches(kept)).axes
    crosses = [line for line in axes[0].get_lines() if line.get_marker() == "x"]
    assert [float(line.get_xdata()[0]) for line in crosses] == [5, 6, 7]
    for line, each in zip(crosses, kept, strict=True):
        epoch = int(line.get_xdata()[0])
        assert line.get_ydata()[0] == each["epochs"][epoch - 1]["alpha"]["tau"]["mlp"]
    labels = axes[0].get_legend_handles_labels()[1]
    assert labels[:3] == ["CNN", "MLP, gap 0.1", "SF"]
    assert [line for line in axes[1].get_lines() if line.get_marker() == "x"] == []


def test_fig5_counts_and_intervals():
    rows = [
        row(directory=f"d{i}", strategy="darts", selected=pair, undetermined=open_, seed=i)
        for i, (pair, open_) in enumerate(
            [("cnn+lstm", ""), ("cnn+lstm", "higgs"), ("cnn+mlp", ""), ("cnn+lstm", "")]
        )
    ]
    found = fig5.summary(table(rows)).set_index("pair")
    assert found.loc["cnn+lstm", "fraction"] == 0.75
    assert found.loc["cnn+lstm", "low"] < 0.75 < found.loc["cnn+lstm", "high"] <= 1
    assert found.loc["cnn+lstm", "undetermined"] == 1
    with style():
        figure = fig5.draw(table(rows))
    assert [patch.get_height() for patch in figure.axes[0].patches] == [0.75, 0.25]
    assert figure.axes[0].texts[0].get_text() == "4 (1)"
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["(CNN, LSTM)", "(CNN, MLP)"]


def test_fig5_counts_a_run_once_however_many_modes_it_has():
    rows = [
        row(directory="d", strategy="grid", selected="cnn+lstm", mode=mode)
        for mode in ("connected", "joint")
    ]
    assert fig5.summary(table(rows))["runs"].tolist() == [1]


def test_fig7_fits_recover_the_powers():
    found = fig7.summary(scaling())
    fits = found[found["models"].isna()].set_index(["strategy", "events"])
    for strategy, expected in (("darts", 1.0), ("spos", 1.0), ("grid", 2.0)):
        power = fits.loc[(strategy, 10_000)]
        assert abs(power["train_seconds a"] - expected) < 4 * power["train_seconds a error"] + 0.01
        assert 0 < power["train_seconds a error"] < 0.05
    assert fits.loc[("grid", 10_000), "train_seconds C"] == pytest.approx(30, rel=0.1)
    with style():
        axes = fig7.draw(scaling()).axes
    assert len(axes) == 3
    assert sum("a$ = " in t.get_text() for t in axes[0].get_legend().get_texts()) == 6


def test_fig7_fits_spos_to_its_first_six_numbers_only():
    made = scaling(models=(3, 6, 9, 12, 15, 18, 48, 96))
    late = (made["strategy"] == "spos") & (made["models"] > 18)
    made.loc[late, "train_seconds"] *= 30
    fits = fig7.summary(made)
    spos = fits[fits["models"].isna() & (fits["strategy"] == "spos")]
    assert spos["train_seconds a"].to_numpy() == pytest.approx(1.0, abs=0.06)


def test_fig8_shows_the_sample():
    with style():
        figure = fig8.draw(SHIPPED)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert sorted(t[:3] for t in titles if t) == ["(a)", "(b)", "(c)", "(d)", "(e)", "(f)"]
    found = fig8.summary(SHIPPED)
    assert (found["energy"] > 0).all()


@pytest.mark.parametrize("module", [fig2, fig3, fig5, fig6, fig7, losses])
def test_nothing_to_draw(module):
    for function in (module.summary, module.draw):
        with pytest.raises(NothingToDraw):
            function(table([]))


@given(factor=st.floats(1e-3, 1e3), power=st.floats(-3, 3), models=st.integers(3, 8).map(range))
@settings(deadline=None, max_examples=25)
def test_a_power_law_without_noise_is_found_exactly(factor, power, models):
    x = np.array(models) + 1.0
    law = fit(x, factor * x**power)
    assert law is not None
    assert law.factor == pytest.approx(factor, rel=1e-6)
    assert law.exponent == pytest.approx(power, abs=1e-6)
    assert law.exponent_error == pytest.approx(0, abs=1e-6)


def test_no_rounding_is_shown_as_an_error():
    for y in (np.full(3, 40.0), np.array([280.0, 560.0, 840.0])):
        law = fit(np.array([3.0, 6.0, 9.0]), y)
        assert str(law.exponent) in ("0.0", "1.0")
        assert law.exponent_error == law.factor_error == 0


def test_the_error_of_a_power_covers_it():
    rng = np.random.default_rng(4)
    x = np.repeat([3, 6, 9, 12, 15.0], 3)
    inside = 0
    for _ in range(300):
        law = fit(x, 5 * x**1.5 * np.exp(rng.normal(0, 0.1, len(x))))
        inside += abs(law.exponent - 1.5) < law.exponent_error
    assert 0.60 < inside / 300 < 0.76


def test_no_power_of_one_place():
    assert fit(np.array([3.0, 3.0]), np.array([1.0, 2.0])) is None
    two = fit(np.array([3.0, 6.0]), np.array([1.0, 4.0]))
    assert two.exponent == pytest.approx(2)
    assert np.isnan(two.exponent_error)


def test_one_run_has_the_error_of_its_events():
    values, errors = pd.Series([0.9]), pd.Series([0.01])
    assert mean_and_error(values, errors)["error"] == 0.01
    assert np.isnan(mean_and_error(values)["error"])
    assert mean_and_error(pd.Series([1.0, 3.0]), errors)["error"] == pytest.approx(1.0)


def test_time_of_training_leaves_out_pretraining_and_evaluation():
    def epoch(unit, time):
        return {"unit": unit, "time": time}

    records = [
        epoch("pretrain/a/b", 110.0),
        epoch("search/darts", 150.0),
        epoch("posttrain/x/joint", 170.0),
        epoch("evaluate/validity", 300.0),
        epoch("posttrain/x/joint", 1025.0),
    ]
    sessions = [{"began": 100.0}, {"began": 1000.0}, {"began": 2000.0}]
    assert train_seconds(sessions, records) == 60.0 + 25.0
    assert train_seconds(sessions, records[:1]) is None


def test_loss_curves(tmp_path):
    records = [
        {
            "unit": unit,
            "epoch": epoch,
            "train": {"total": 1.0 / epoch},
            "valid": {"total": 2.0 / epoch},
            "best": 2.0 / epoch,
            "best_epoch": epoch,
            "time": 1.0,
        }
        for unit in ("search/darts", "posttrain/cnn+lstm/joint", "pretrain/tau/cnn", "grid/a+b")
        for epoch in (1, 2, 3)
    ]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "metrics.jsonl").write_text(lines + '{"unit": "tor')
    made = table([row(directory=str(tmp_path), run="r", strategy="darts", v1=0.5)])
    found = losses.summary(made)
    assert found["unit"].tolist() == ["search/darts", "posttrain/cnn+lstm/joint"]
    assert found["epochs"].tolist() == [3, 3]
    with style():
        axes = losses.draw(made).axes
    assert [ax.get_title(loc="left") for ax in axes] == [
        "search, $v_1$ = 0.5",
        "re-optimisation, $v_1$ = 0.5",
    ]
    chosen = table([row(directory=str(tmp_path), run="r", strategy="grid", selected="a+b")])
    assert "grid/a+b" in losses.summary(chosen)["unit"].tolist()
    valid = next(line for line in axes[0].get_lines() if line.get_label() == "DARTS")
    np.testing.assert_allclose(valid.get_ydata(), [2, 1, 2 / 3])


def test_a_strategy_of_a_plugin_has_its_place_in_the_figures():
    found = looks(["mine", "grid", "yours", "darts", "grid"])
    assert list(found) == ["darts", "grid", "mine", "yours"]
    assert len(set(found.values())) == 4
    assert found["grid"] == looks(["grid"])["grid"]
    assert (title("darts"), title("mine")) == ("DARTS", "mine")


def test_the_figures_show_what_a_plugins_strategy_found():
    made = table(
        [
            row(directory=f"d{s}", strategy=s, selected="cnn+lstm", models=3, seed=1)
            for s in ("mine", "grid")
        ]
    )
    assert {entry.name for entry in fig6.series(made)} == {"Grid", "mine"}
    assert [curve.name.split(",")[0] for curve in fig7.curves(made)] == ["Grid", "mine"]
    titles = [ax.get_title(loc="left") for ax in fig5.draw(made).axes]
    assert [each for each in titles if each] == ["Grid", "mine"]
