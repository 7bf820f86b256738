"""The study's recipes: every point of every sweep is good, and what it shows is drawn."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from commands import run
from nested import write_nested

from msml.checks.validate import load_valid
from msml.cli.events import _page_for
from msml.data.events import read
from msml.plotting import style
from msml.recipe import read_source, shipped
from msml.recipe.expand import TaskSpec
from msml.recipe.schema import TrainRecipe
from msml.report.inspection_page import compose
from msml.stages.measured import Measured, TestEvents
from msml.studies.hierarchy.evaluation_figures import latent_spaces
from msml.studies.hierarchy.event_pages import _panels, draw_page
from msml.sweep.plan import make

FOLDER = shipped() / "hierarchy"
RECIPES = sorted(p for p in FOLDER.glob("*.yaml") if not p.name.endswith("expected.yaml"))


@pytest.fixture
def events(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_nested(Path("nested.h5"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_every_point_is_good(path, events, tmp_path):
    given = [f"data.file={events}"]
    load_valid(read_source(str(path), TrainRecipe), given, fast=True)
    if "sweep" in path.read_text():
        plan = make(str(path), [*given, "seed=1"], tmp_path)
        assert len(plan.points) == {"feature_size": 18, "loss_weights": 28}[path.stem]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "some"),
    [
        ("feature_size", ["tasks.tau_id.candidates.deepsets.args.feature=2,8"]),
        ("loss_weights", []),
    ],
)
def test_a_sweep_and_its_report(recipe, some, events):
    """All of it with two epochs: tables, the latent space, and the weights of the losses."""
    path = str(shipped() / "hierarchy" / f"{recipe}.yaml")
    short = [f"data.file={events}", "seed=0", *some, "pretrain.epochs=2", "posttrain.epochs=2"]
    assert run("sweep", path, *short, "evaluate.bootstrap=5").exit_code == 0
    assert run("report", path, *short, "evaluate.bootstrap=5").exit_code == 0
    checked = run("check", path, *short, "evaluate.bootstrap=5", "--json")  # of one seed
    assert {each["verdict"] for each in json.loads(checked.stdout)} == {"undecided"}
    assert all(each["numbers"] for each in json.loads(checked.stdout))
    (report,) = Path("runs/hierarchy/report").iterdir()
    table = (report / "points.md").read_text()
    for column in ("tau_id/auc", "higgs_id/auc", "tau_id/auc spread"):
        assert f" {column} " in table
    if recipe == "loss_weights":
        assert "uncertainty" in (report / "loss_weights.csv").read_text()
    else:
        assert list(Path("runs/hierarchy").rglob("evaluate/*/latent_tau_id_feature.png"))
        page = (report / "index.html").read_text()
        for wiring in ("direct", "direct_feature", "additional"):
            assert f"Latent space, {wiring}, 2" in page
        assert "Latent space, additional, 8" not in page


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["darts", "spos", "grid"])
def test_searches(strategy, events):
    path = str(shipped() / "hierarchy" / "search.yaml")
    short = [f"data.file={events}", "pretrain.epochs=2", "posttrain.epochs=2"]
    if strategy != "darts":
        short += ["strategy=null", f"strategy.name={strategy}"]
    if strategy != "grid":
        short += ["strategy.epochs=2"]
    assert run("run", path, *short, "evaluate.bootstrap=5").exit_code == 0
    (found,) = Path("runs/hierarchy_search").glob("*/evaluate/metrics.json")
    (record,) = json.loads(found.read_text())
    assert set(record["chain"].values()) <= {"deepsets", "attention"}
    assert np.isfinite(record["metrics"]["higgs_id"]["auc"]["value"])


def test_the_latent_space_is_drawn_by_label():
    rng = np.random.default_rng(1)
    real = rng.random((50, 4)) < 0.5
    label = (rng.random((50, 4)) < 0.5) & real
    feature = rng.normal(size=(50, 4, 2)) + 3 * label[..., None]
    spec = TaskSpec(
        "tau_id",
        ("x",),
        "tau",
        1.0,
        "bce_logits",
        {},
        (),
        {},
        each="jets",
        real="real",
        mask="real",
    )
    columns = {"tau": label.astype("f"), "real": real.astype("f")}
    events = TestEvents(np.ones(50), None, "tau_id", {"tau_id": spec}, {}, columns)
    others = {"tau_id": {"feature": feature, "wide": np.zeros((50, 4, 3))}}
    (plan,) = [latent_spaces(events, [Measured("a", "joint", {}, None, others)])]
    assert list(plan) == ["a/latent_tau_id_feature"]
    with style():
        figure = plan["a/latent_tau_id_feature"]()
    background, signal = figure.axes[0].get_lines()
    assert len(background.get_xdata()) == (real & ~label).sum()
    assert len(signal.get_xdata()) == label.sum()
    assert np.mean(signal.get_xdata()) > 2 > np.mean(background.get_xdata())


def test_events_have_a_page_of_their_own(events):
    shown = run("inspect", str(events))
    assert "all_jets_tau" in shown.output
    assert Path("nested.png").stat().st_size > 10_000
    found = json.loads(run("inspect", str(events), "--json").output)
    with style():
        figure = compose("x", list(_panels(read(events))))
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles[:3] == ["jets of an event", "taus among them", "constituents of a jet"]
    assert len(figure.legends[0].get_texts()) == 4
    assert _page_for(events).name == "jets"
    (jets,) = (column for column in found["columns"] if column["name"] == "all_jets")
    assert jets["mask"] == "all_jets_real"
    with h5py.File(events) as file:  # padding is left out
        assert jets["parts"][0]["minimum"] == pytest.approx(
            file["all_jets"][..., 0][file["all_jets_real"][...]].min()
        )


def test_of_many_events_some_at_equal_distances_are_drawn(events, monkeypatch):
    drawn = []
    monkeypatch.setattr("msml.studies.hierarchy.event_pages.MOST_EVENTS", 100)
    monkeypatch.setattr("msml.studies.hierarchy.event_pages.compose", lambda *a: drawn.append(a))
    monkeypatch.setattr("msml.studies.hierarchy.event_pages.save", lambda *_: None)
    draw_page(events, Path("page.png"))
    ((title, panels),) = drawn
    assert title == "nested.h5: 300 events, 100 drawn"
    assert panels[0].values.tolist() == read(events)["all_jets_real"][::3].sum(axis=1).tolist()


@pytest.mark.slow
def test_an_estimate_times_models_on_features_of_earlier_tasks(events):
    path = str(shipped() / "hierarchy" / "joint.yaml")
    shown = run("plan", path, f"data.file={events}", "--estimate", "--json")
    parts = {part["name"]: part for part in json.loads(shown.stdout)["estimate"]}
    assert parts["pretrain"]["passes"] == 0
    assert parts["posttrain"]["passes"] == 200
    assert parts["posttrain"]["seconds"] > 0
