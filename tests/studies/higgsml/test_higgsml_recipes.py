"""The study's networks, and its recipes on a small table."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import run
from made_table import table

from msml.checks.validate import load_valid
from msml.errors import DataError
from msml.metrics import facts_of
from msml.models.build import build
from msml.recipe import read_source, shipped
from msml.recipe.schema import TrainRecipe
from msml.studies.higgsml.metrics import higgsml_ams
from msml.sweep.plan import make

FOLDER = shipped() / "higgsml"
RECIPES = sorted(p for p in FOLDER.glob("*.yaml") if not p.stem.endswith("expected"))
BODY = {"units": 33, "layers": 6, "activation": "swish", "dense": True}
FINAL = {**BODY, "embed": {0: [4, 3]}}
INPUTS = [(), (13,), (3,), (3,), (3,), (2,), (3,), (3,)]


@pytest.fixture
def events(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table(1200, sets="tttbv").to_csv("higgs.csv", index=False)
    assert run("import", "higgsml", "higgs.csv", "output=higgs.h5").exit_code == 0
    return Path("higgs.h5")


def test_the_number_of_weights():
    """Reference: 23,113 of the final network; 13,400 and more without dense connections."""
    final = build("higgsml_mlp", INPUTS, (1,), FINAL, 1, "float32")
    assert final.count_params() == 23_113
    widths = [layer.kernel.shape[0] for layer in final.layers if layer.name.startswith("hidden")]
    assert widths == [33, 66, 99, 132, 165, 198]
    single = build("higgsml_mlp", INPUTS, (1,), {}, 1, "float32")
    assert single.count_params() == 31 * 100 + 3 * 100 * 100 + 4 * 100 + 101


def test_initial_weights():
    final = build("higgsml_mlp", INPUTS, (1,), FINAL, 1, "float32")
    last = final.get_layer("hidden_5")
    assert np.std(last.kernel) == pytest.approx(np.sqrt(2 / 198), rel=0.05)
    assert not np.any(last.bias)


def test_the_significance_of_the_whole_set_from_a_part():
    """Golden values of everything, and of the signal alone, whatever the weights sum to."""
    rng = np.random.default_rng(1)
    label, weight = rng.integers(0, 2, 500), rng.uniform(1, 2, 500)
    logit = np.where(label == 1, 5.0, -5.0)
    assert higgsml_ams(label, logit, weight, cut=0.0) == pytest.approx(1.079074, abs=5e-7)
    assert higgsml_ams(label, logit, weight, cut=0.5) == pytest.approx(67.711123, abs=5e-6)
    assert facts_of("higgsml_ams")["choose"](label, logit, weight)["cut"] > 0.9


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_point_is_good(path, events, tmp_path):
    given = [f"data.file={events}"]
    load_valid(read_source(str(path), TrainRecipe), given, fast=True)
    if "sweep" in path.read_text():
        assert len(make(str(path), [*given, "seed=1"], tmp_path).points) == 10


def test_where_the_events_come_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="no such file; get it by `msml import higgsml FILE`"):
        load_valid(read_source(str(FOLDER / "final.yaml"), TrainRecipe), fast=True)


@pytest.mark.slow
def test_the_final_recipe(events):
    small = ["posttrain.ensemble={members: 3, folds: 3}", "posttrain.epochs=6"]
    found = run("run", "higgsml/final.yaml", f"data.file={events}", *small, "--json")
    assert found.exit_code == 0, found.stderr
    (record,) = json.loads(found.stdout)
    assert record["metrics"]["signal"]["auc"]["value"] > 0.6
