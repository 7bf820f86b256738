"""Work of a sweep, counted by hand, and how long it may take."""

import json
from collections import Counter
from pathlib import Path

import pytest
from sweeping import msml

from msml.errors import RecipeError
from msml.recipe import load
from msml.recipe.schema import TrainRecipe
from msml.registry import load_plugins, strategies
from msml.sweep.estimate import Estimate, Part
from msml.sweep.plan import make
from msml.sweep.tables import show_estimate
from msml.sweep.work import PARTS, work

STEPS = 4 * 5  # epochs, and batches of 50 of 240 train events
MINE = """\
from dataclasses import dataclass
from msml.registry import strategies

@strategies.register("mine")
@dataclass(frozen=True)
class Mine:
    '''Chooses by nothing.'''
    def problems(self):
        return ()
    def search(self, session):
        return None
"""

MODEL = """\
from msml.studies.htautau.models.higgs import higgs_mlp
from msml.registry import models

@models.register("my_higgs")
def my_higgs(taus, *, units: int = 8, layers: int = 1):
    '''Of another name.'''
    return higgs_mlp(taus, units=units, layers=layers)
"""


@pytest.fixture(autouse=True)
def forgotten(folder):
    """Other tests list all strategies."""
    yield
    strategies.forget(str((folder / "mine.py").resolve()))


def count(*overrides):
    return work([load("tiny.yaml", TrainRecipe, list(each)) for each in overrides])


def steps(found, part):
    by_model = Counter()
    for trained, number in found.steps[part].items():
        by_model[trained.model, trained.batch_size] += number
    return dict(by_model)


def test_a_given_chain(folder):
    found = count([])
    alone = {("tau_scale_factor", 50): STEPS, ("noise", 50): STEPS, ("higgs_mlp", 50): STEPS}
    assert steps(found, "pretrain") == alone
    assert steps(found, "search") == {}
    # Joint trains both, sequential the second one, connected nothing.
    assert steps(found, "posttrain") == {
        ("tau_scale_factor", 50): STEPS,
        ("higgs_mlp", 50): 2 * STEPS,
    }
    assert found.passes == {"pretrain": 12, "search": 0, "posttrain": 12}


def test_each_member_of_an_ensemble_is_trained(folder):
    found = count(["posttrain.ensemble={members: 3, folds: null}", "posttrain.modes=[joint]"])
    assert steps(found, "posttrain") == {
        ("tau_scale_factor", 50): 3 * STEPS,
        ("higgs_mlp", 50): 3 * STEPS,
    }


def test_sequential_training_has_the_settings_of_pretrain(folder):
    found = count(["pretrain.epochs=1", "pretrain.batch_size=120"])
    assert found.passes == {"pretrain": 3, "search": 0, "posttrain": 1 + 2 * 4}
    assert steps(found, "posttrain")["higgs_mlp", 120] == 2


def test_shared_pretraining_counts_once(folder):
    joint = "posttrain.modes=[joint]"
    found = count(
        ["seed=0", joint],
        ["seed=0", joint, "tasks.momentum.weight=0.9"],
        ["seed=1", joint],
    )
    assert found.passes == {"pretrain": 2 * 12, "search": 0, "posttrain": 3 * 8}


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("{name: grid}", {"tau_scale_factor": 20, "noise": 20, "higgs_mlp": 40}),
        ("{name: random, n: 1}", {"tau_scale_factor": 10, "noise": 10, "higgs_mlp": 20}),
        (
            "{name: darts, order: first, batch_size: 50, epochs: 2}",
            dict.fromkeys(("tau_scale_factor", "noise", "higgs_mlp"), 1.14 * 10),
        ),
        (
            "{name: asng, batch_size: 50, epochs: 2}",
            {"tau_scale_factor": 5, "noise": 5, "higgs_mlp": 10},
        ),
    ],
)
def test_searches(folder, strategy, expected):
    found = count(["chain=null", f"strategy={strategy}"])
    assert steps(found, "search") == pytest.approx({(n, 50): c for n, c in expected.items()})
    joint = "grid" not in strategy and "random" not in strategy
    wanted = {("higgs_mlp", 50): STEPS * (1 + joint)}
    if joint:  # of one of the two
        wanted |= {("tau_scale_factor", 50): STEPS / 2, ("noise", 50): STEPS / 2}
    assert steps(found, "posttrain") == wanted


def test_large_batches_are_the_whole_split(folder):
    found = count(["pretrain.batch_size=1000"])
    assert steps(found, "pretrain")["noise", 240] == 4


def test_a_plugin_that_does_not_say_what_it_trains(folder, capsys):
    (folder / "mine.py").write_text(MINE)
    load_plugins([folder / "mine.py"])
    found = count(["chain=null", "strategy.name=mine"])
    assert found.uncounted == {"mine"}
    assert steps(found, "search") == {}
    assert sum(steps(found, "posttrain").values()) > 0
    show_estimate(make("tiny.yaml", [], Path("runs")), Estimate([], ["mine"]))
    assert "without the search of the strategy 'mine'" in capsys.readouterr().out


def test_a_plugin_that_says_what_it_trains(folder):
    more = (
        "    def trainings(self, candidates, posttrain):\n"
        "        return posttrain, [2 * count for count in candidates]\n"
    )
    (folder / "mine.py").write_text(MINE.replace('"mine"', '"counted"') + more)
    load_plugins([folder / "mine.py"])
    found = count(["chain=null", "strategy.name=counted"])
    assert not found.uncounted
    assert steps(found, "search")["noise", 50] == 2 * 2 * STEPS


def test_a_plugin_that_says_something_wrong_about_what_it_trains(folder):
    more = "    def trainings(self, candidates, posttrain):\n        return posttrain, [1.0]\n"
    (folder / "mine.py").write_text(MINE.replace('"mine"', '"miscounted"') + more)
    load_plugins([folder / "mine.py"])
    with pytest.raises(RecipeError, match="'miscounted': `trainings` gives numbers for 1 tasks"):
        count(["chain=null", "strategy.name=miscounted"])


def test_an_estimate_from_the_command_line(folder):
    """Also of a model from a plugin."""
    (folder / "mine.py").write_text(MODEL)
    mine = ("plugins=[mine.py]", "tasks.higgs.candidates.mlp={model: my_higgs, args: {layers: 1}}")
    arguments = ("plan", "tiny.yaml", "seed=0:2", *mine, "--estimate", "--json")
    output, errors = msml(folder, 0, *arguments)
    parts = json.loads(output)["estimate"]
    assert [part["name"] for part in parts] == ["pretrain", "search", "posttrain"]
    assert [part["passes"] for part in parts] == [24, 0, 24]
    assert all((part["seconds"] > 0) == (part["name"] != "search") for part in parts)
    # 24 passes of 5 steps; the multilayer perceptron's third of them has 20 operations and more.
    assert parts[0]["launches"] > 24 / 3 * 5 * 20 * 5e-6
    assert "timing a step of each model" in errors


def test_an_estimate_is_called_one(folder, capsys):
    parts = [Part(name, 100.0, 3600.0, 30.0) for name in PARTS]
    show_estimate(make("tiny.yaml", [], Path("runs")), Estimate(parts, []))
    shown = capsys.readouterr().out
    assert shown.startswith("Estimate")
    assert "not measured" in shown
    assert ["all", "300", "3", "h", "0", "min", "90", "s"] in map(str.split, shown.splitlines())
