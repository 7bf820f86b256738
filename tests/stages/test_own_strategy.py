"""A strategy of a plugin, as short as the contract allows, through every command."""

import pandas as pd
import pytest
from commands import run
from tiny import RECIPE, first_seed_done

from msml.errors import RecipeError
from msml.registry import strategies

pytestmark = pytest.mark.xdist_group("own strategy")

PLUGIN = """\
from dataclasses import dataclass
from msml.registry import strategies
from msml.stages.selection import Selection

@strategies.register("longest", title="Longest name")
@dataclass(frozen=True, kw_only=True)
class Longest:
    '''Choose by the length of the name.'''

    gives: str = "a choice"

    def problems(self):
        return ()

    def search(self, session):
        chosen = {task: max(spec.candidates, key=len) for task, spec in session.tasks.items()}
        if self.gives == "nothing":
            return None
        if self.gives == "another order":
            chosen = dict(reversed(chosen.items()))
        if self.gives == "another name":
            chosen["higgs"] = "mlpp"
        return Selection("longest", "name", chosen, (), self.gives == "weights", 0.0)
"""
SEARCH = "plugins: [longest.py]\nstrategy: {name: longest}"
OURS = RECIPE.replace("chain: {momentum: sf, higgs: mlp}", SEARCH)
OURS = OURS.replace("[connected, sequential, joint]", "[joint]")
OURS += 'sweep: {over: {seed: "0:2"}}\nreport: {figures: [fig5, fig6, fig7]}\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory, event_file):
    """A folder in which the run of the first seed is done."""
    folder = tmp_path_factory.mktemp("longest")
    (folder / "longest.py").write_text(PLUGIN)
    try:
        with first_seed_done(folder, event_file, OURS):
            yield folder
    finally:
        strategies.forget(str((folder / "longest.py").resolve()))


def test_an_estimate_leaves_out_what_it_does_not_know(folder):
    shown = run("plan", "tiny.yaml", "--estimate").output
    assert "without the search of the strategy 'longest', which does not say" in shown


@pytest.mark.filterwarnings("error:Data has no positive values")
def test_the_figures_have_its_title(folder):
    run("report", "tiny.yaml")
    report = folder / "runs/tiny/report/tiny"
    assert pd.read_csv(report / "fig6.csv")["series"].tolist() == ["Longest name"]
    for name in ("fig5", "fig7"):
        assert set(pd.read_csv(report / f"{name}.csv")["strategy"]) == {"longest"}


@pytest.mark.parametrize(
    ("gives", "problem"),
    [
        ("nothing", "`search` gave None, expected a Selection"),
        (
            "another order",
            "chose for higgs, momentum; expected all tasks in order: momentum, higgs",
        ),
        ("another name", "task 'higgs': unknown candidate 'mlpp'; did you mean 'mlp'?"),
        ("weights", "its chain is trained, but the weights of it were not kept"),
    ],
)
def test_what_is_no_choice_is_refused(folder, gives, problem):
    with pytest.raises(RecipeError) as caught:
        run("search", "tiny.yaml", f"strategy.gives={gives}")
    assert caught.value.problems == [f"strategy 'longest': {problem}"]
    assert not list(folder.glob("runs/tiny/*gives*/search/selection.json"))
