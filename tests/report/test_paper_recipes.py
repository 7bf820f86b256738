"""The recipes of the paper's figures: every point of every sweep is a good recipe."""

from pathlib import Path

import pytest
from synthetic import synthetic_events, write_events

from msml.errors import RecipeError
from msml.recipe import load, shipped
from msml.recipe.schema import TrainRecipe
from msml.registry import figures, strategies
from msml.report.catalogue import check, needs_runs
from msml.report.expected import read
from msml.report.results import named_figures, statements_of
from msml.sweep.plan import make
from msml.sweep.points import settings

FOLDER = shipped() / "paper"
WEIGHTS = [0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1]
RECIPES = sorted(
    path.relative_to(FOLDER).as_posix()
    for path in FOLDER.rglob("*.yaml")
    if path.name not in ("expected.yaml", "paper.yaml")
)


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    return write_events(tmp_path_factory.mktemp("paper") / "events.h5", synthetic_events(100))


def axes(name):
    return {axis.name: axis for axis in settings(str(FOLDER / name), ())[1].axes}


def shown(name, axis):
    return [choice.shown for choice in axes(name)[axis].choices]


@pytest.mark.parametrize("name", RECIPES)
def test_every_point_is_good(name, events, tmp_path):
    path = str(FOLDER / name)
    figures = named_figures(path)
    check(figures)
    if not needs_runs(figures):
        return
    some = [f"data.file={events}", "data.events=null", "seed=1"]
    known = axes(name)
    if "strategy" in known:
        here = [s for s in shown(name, "strategy") if s in strategies.names()]
        some.append(f"strategy={','.join(here)}")
    plan = make(path, some, tmp_path)
    scanned = known.get("tasks.tau_momentum.weight") or known.get("v1")
    assert len(plan.points) >= (len(scanned.choices) if scanned else 1)


def test_the_papers_numbers():
    assert shown("fig5_6.yaml", "tasks.tau_momentum.weight") == WEIGHTS
    assert shown("fig3.yaml", "v1") == ["without", *(f"{w:g}" for w in WEIGHTS)]
    for name in ("fig2.yaml", "fig3.yaml", "fig4.yaml", "fig5_6.yaml", "fig7_seeds.yaml"):
        assert shown(name, "seed") == list(range(20))
    copies = "tasks.tau_momentum.candidates.mlp.copies"
    assert shown("fig7.yaml", copies) == [1, 2, 3, 4, 5, 6]
    assert shown("fig7_large.yaml", copies) == [8, 16, 32, 64]
    assert load(FOLDER / "fig7.yaml", TrainRecipe).values.data.events == 10_000
    assert load(FOLDER / "fig7_100k.yaml", TrainRecipe).values.data.events is None


def test_fig3_and_fig4_share_the_runs_of_fig5_6(events, tmp_path):
    def points(name, *more):
        some = [f"data.file={events}", "seed=1", *more]
        return make(str(FOLDER / name), some, tmp_path).points

    everything = {run for _, run in points("fig5_6.yaml", "strategy=darts,grid")}
    fig3 = {run for values, run in points("fig3.yaml") if values["v1"] != "without"}
    fig4 = {run for _, run in points("fig4.yaml")}
    assert len(fig3) == 9
    assert fig3 | fig4 < everything


def test_copies_are_the_same_for_all_candidates(events, tmp_path):
    copies = "tasks.tau_momentum.candidates.mlp.copies"
    values = load(FOLDER / "fig7.yaml", TrainRecipe, [f"{copies}=4"]).values
    found = {c.copies for task in values.tasks.values() for c in task.candidates.values()}
    assert found == {4}


def test_statements_are_about_figures_that_some_recipe_draws():
    drawn = {figure for name in RECIPES for figure in named_figures(str(FOLDER / name))}
    assert drawn == {name for name in figures.names() if name.startswith("fig")}
    for folder in (FOLDER, FOLDER / "small"):
        assert {each.figure for each in read(str(folder / "expected.yaml")).values()} <= drawn


def test_small_recipes_have_statements_of_their_own(tmp_path):
    for name in RECIPES:
        folder = FOLDER / "small" if name.startswith("small/") else FOLDER
        assert Path(statements_of(str(FOLDER / name))).samefile(folder / "expected.yaml")
    wrong = tmp_path / "mine.yaml"
    wrong.write_text("extends: paper/fig2.yaml\nreport: {expected: paper/expectd.yaml}\n")
    with pytest.raises(RecipeError, match=r"did you mean 'paper/expected\.yaml'"):
        statements_of(str(wrong))
