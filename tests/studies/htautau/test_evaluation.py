from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from msml.data.kinematics import pair_mass
from msml.data.transforms import PT_OFFSET
from msml.metrics import Estimate, auc, background_rejection, bootstrap
from msml.plotting import style
from msml.recipe.expand import TaskSpec
from msml.registry import evaluation_figures
from msml.report.roc import GRID, draw_roc, naming, roc
from msml.stages.figures import draw_figures
from msml.stages.measured import Judged, Measured, TestEvents, best
from msml.studies.htautau.figures.measured import (
    masses,
    momentum_task,
    physical,
    response,
    tau_events,
)
from msml.studies.htautau.figures.momentum import draw_mass, draw_response, fractions, pt_edges
from msml.studies.htautau.figures.validity import draw_bands, draw_calibration
from msml.validity.bands import Bands
from msml.validity.task import MomentumTask

EVENTS = 600
RNG = np.random.default_rng(3)


def log_pt(vectors):
    return np.concatenate([np.log(PT_OFFSET + vectors[..., :1]), vectors[..., 1:]], axis=-1)


def momenta():
    return np.stack(
        [
            RNG.uniform(25, 90, (EVENTS, 2)),
            RNG.normal(0, 1, (EVENTS, 2)),
            RNG.uniform(-3, 3, (EVENTS, 2)),
        ],
        axis=-1,
    )


TAUS = momenta()
LABEL = (np.arange(EVENTS) % 2).astype(np.float64)


@pytest.fixture
def events():
    jets = np.concatenate([TAUS * [0.8, 1, 1], np.ones((EVENTS, 2, 1))], axis=-1)
    return TestEvents(
        weight=np.ones(EVENTS),
        label=LABEL,
        final="higgs",
        tasks={"momentum": task("taus", "jets"), "higgs": task("label", "momentum")},
        transforms={"taus": "log_pt", "jets": "log_pt"},
        columns={"taus": log_pt(TAUS), "jets": log_pt(jets), "label": LABEL},
    )


def plan(events, measured):
    """All figures that are registered, by name."""
    return {
        name: draw
        for registered in ("roc", "tau_momenta")
        for name, draw in evaluation_figures.get(registered).function(events, measured).items()
    }


def measured(chain, mode, strength, pull=0.9):
    score = strength * LABEL + RNG.normal(0, 1, EVENTS)
    outputs = {"momentum": log_pt(TAUS * [pull, 1, 1]), "higgs": score[:, None]}
    area = bootstrap(auc, (LABEL, score), None, 20)
    return Measured(chain, mode, outputs, area)


def task(target, *inputs):
    return TaskSpec("t", inputs, target, 1.0, "loss", {}, (), {})


def test_a_momentum_task_is_known_by_its_columns():
    columns = {"taus": np.ones((5, 2, 3)), "jets": np.ones((5, 2, 4)), "label": np.ones(5)}
    tasks = {"a": task("label", "jets"), "b": task("taus", "label", "jets")}
    assert momentum_task(tasks, {"taus": "log_pt"}, columns) == MomentumTask("b", "taus", "jets")
    assert momentum_task({"a": tasks["a"]}, {}, columns) is None
    assert momentum_task(tasks, {"taus": "of a plugin"}, columns) is None
    three = {**columns, "taus": np.ones((5, 3, 3))}
    assert momentum_task(tasks, {}, three) is None
    assert momentum_task({"b": task("taus", "label")}, {}, columns) is None


def test_transforms_are_undone(events):
    np.testing.assert_allclose(tau_events(events).taus()[..., :3], TAUS, rtol=1e-12)
    np.testing.assert_allclose(tau_events(events).jets()[..., 0], 0.8 * TAUS[..., 0], rtol=1e-12)
    np.testing.assert_array_equal(physical(TAUS, ""), TAUS)


def test_response_and_mass(events):
    true, ratio = response(tau_events(events).jets(), tau_events(events).taus())
    np.testing.assert_allclose(ratio, 0.8)
    np.testing.assert_allclose(true, TAUS[..., 0].ravel())
    np.testing.assert_allclose(
        masses(tau_events(events).taus()), pair_mass(tau_events(events).taus())
    )
    vanished = np.zeros((1, 2, 4))
    assert len(response(vanished, vanished)[0]) == 0
    assert masses(np.full((1, 2, 4), 1e300))[0] == np.inf


def test_the_curve_encloses_its_area():
    score = LABEL + RNG.normal(0, 1, EVENTS)
    weight = RNG.uniform(0.5, 2, EVENTS)
    curve = roc(LABEL, score, weight)
    low = curve.background[0] * GRID[0] / 2
    steps = (curve.background[1:] + curve.background[:-1]) / 2 * np.diff(GRID)
    area = 1 - low - steps.sum()
    assert area == pytest.approx(auc(LABEL, score, weight), abs=5e-3)
    value, low, high = curve.ratio(curve)
    np.testing.assert_allclose(value[np.isfinite(value)], 1)
    np.testing.assert_allclose(high[np.isfinite(high)], 1)
    value, low, high = curve.rejection()
    inside = (low <= value) & (value <= high)
    assert inside[20:].mean() > 0.95


def test_curves_of_degenerate_scores():
    same = roc(LABEL, np.zeros(EVENTS), np.ones(EVENTS))
    np.testing.assert_allclose(same.background, GRID)
    perfect = roc(LABEL, LABEL, np.ones(EVENTS))
    assert (perfect.background[:-1] == 0).all()
    assert np.isnan(roc(np.ones(EVENTS), LABEL, np.ones(EVENTS)).background).all()


def test_a_curve_of_weights_of_both_signs():
    score = LABEL + RNG.normal(0, 1, EVENTS)
    weight = np.where(RNG.random(EVENTS) < 0.25, -1.0, 1.0) * RNG.uniform(0.5, 2, EVENTS)
    curve = roc(LABEL, score, weight)
    for point in (10, 45, 90):
        found = background_rejection(LABEL, score, weight, efficiency=GRID[point])
        assert curve.rejection()[0][point] == pytest.approx(found)
    assert (curve.background >= 0).all()
    assert (curve.replicas >= 0).all()
    few = roc(np.array([0, 1, 1, 0]), np.array([3.0, 2, 1, 0]), np.array([-1.0, 1, 1, 3]))
    assert not few.background[:-1].any()


def test_weighted_fractions():
    content, error = fractions(
        np.array([0.5, 0.6, 5.0]), np.array([0.0, 1.0]), np.array([1.0, 2.0, 1.0])
    )
    assert content == [0.75]
    assert error == [np.sqrt(5) / 4]


def test_bins_of_pt_increase():
    edges = pt_edges(TAUS[..., 0].ravel())
    assert (np.diff(edges) > 0).all()


def test_the_best_come_first():
    chains = [Measured(str(i), "joint", {}, Estimate(a, 0, 0, 0)) for i, a in enumerate((1, 3, 2))]
    assert [m.chain for m in best(chains, 2)] == ["1", "2"]


def test_which_figures_there_are(events):
    few = [measured("a+b", mode, 1) for mode in ("sequential", "joint")]
    assert list(plan(events, few)) == ["roc", "a+b/response", "a+b/mass"]
    many = [measured(f"{n}+b", mode, 1) for n in range(6) for mode in ("sequential", "joint")]
    names = list(plan(events, many))
    assert names[:2] == ["roc_sequential", "roc_joint"]
    assert len(names) == 2 + 6 * 2


def test_figures_whose_ingredients_are_missing_are_left_out(events, tmp_path):
    few = [measured("a+b", "joint", 1)]
    nothing = TestEvents(events.weight, None, "higgs", {}, {}, {})
    assert draw_figures(nothing, few, tmp_path) == []
    no_momenta = TestEvents(events.weight, events.label, "higgs", {}, {}, {})
    files = draw_figures(no_momenta, few, tmp_path)
    assert sorted(file.name for file in files) == ["roc.pdf", "roc.png"]
    assert all(file.stat().st_size > 1000 for file in files)


def test_names_in_a_legend():
    one = [measured("a", mode, 1) for mode in ("sequential", "joint")]
    name, shared = naming(one)
    assert ([name(m) for m in one], shared) == (["sequential", "joint"], "a")
    name, shared = naming([measured(chain, "joint", 1) for chain in "ab"])
    assert (name(one[0]), shared) == ("a", "joint")
    name, shared = naming([*one, measured("b", "joint", 1)])
    assert (name(one[0]), shared) == ("a sequential", "")


def test_what_figures_say(events):
    shown = [
        measured("a+b", "connected", 1),
        measured("a+b", "sequential", 1.2),
        measured("a+b", "joint", 1.5, 0.95),
    ]
    with style():
        figure = draw_roc(events, shown, "")
        upper, lower = figure.axes
        assert len(upper.lines) == len(lower.lines) == 3
        entry = upper.get_legend().get_texts()[0].get_text()
        area = shown[0].area
        assert entry == f"connected: AUC {area.value:.4f} ± {area.error:.4f}"
        legend = draw_response(tau_events(events), shown).axes[0].get_legend()
        # The first two have the same momenta.
        texts = [text.get_text() for text in legend.get_texts()]
        assert texts == ["jets", "connected, sequential", "joint"]
        figure = draw_mass(tau_events(events), shown)
        assert [ax.get_title(loc="left") for ax in figure.axes] == [
            "Signal, a+b",
            "Background, a+b",
        ]


def colour(handle):
    """The colour of a curve, of points with error bars, or of a histogram."""
    handle = getattr(handle, "lines", [handle])[0]
    return to_hex(handle.get_color() if hasattr(handle, "get_color") else handle.get_edgecolor())


def test_a_mode_looks_the_same_in_all_figures(events):
    shown = [measured("a+b", "joint", 1.5, 0.95), measured("a+b", "connected", 1)]
    with style():
        figures = [draw_roc(events, shown, ""), draw_response(tau_events(events), shown)]
        figures.append(draw_mass(tau_events(events), shown))
    found = {"joint": set(), "connected": set()}
    for figure in figures:
        for handle, text in zip(*figure.axes[0].get_legend_handles_labels(), strict=True):
            mode = text.partition(":")[0]
            if mode in found:
                found[mode].add(colour(handle))
    assert [len(colours) for colours in found.values()] == [1, 1]
    assert found["joint"] != found["connected"]


def test_a_single_curve_has_no_ratio(events):
    with style():
        (ax,) = draw_roc(events, [measured("a+b", "joint", 1)], "").axes
    assert len(ax.lines) == 1
    assert ax.get_xlabel()


def test_figures_of_the_reference(events):
    shown = [measured("a+b", "connected", 1), measured("a+b", "joint", 1, pull=1.5)]
    assert not any("validity" in name for name in plan(events, shown))
    # log(0.9) is inside, log(1.5) is not.
    bands = Bands(log_pt(TAUS), np.full(TAUS.shape, 0.1))
    judged = replace(events, judged=Judged(bands, 2.0))
    names = list(plan(judged, shown))
    assert [name for name in names if "validity" in name] == ["validity", "a+b/validity"]
    with style():
        figure = draw_bands(tau_events(judged), shown)
        texts = [text.get_text() for text in figure.legends[0].get_texts()]
        assert texts == [
            "truth: 100.0 ± 0.1 %",
            "connected: 100.0 ± 0.1 %",
            "joint: 0.0 ± 0.1 %",
        ]
        assert len(figure.axes) == 6
        (ax,) = draw_calibration(tau_events(judged)).axes
        assert len(ax.get_xticks()) == 9
        assert all(
            (line.get_ydata() == 100).all() for line in ax.lines if len(line.get_xdata()) == 9
        )
