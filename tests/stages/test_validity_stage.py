"""The reference in a run: trained once, shared, and what `evaluate` says of it."""

import json
import shutil
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from process import Command, msml, until
from tiny import RECIPE, log, metrics, only_run, runs, write_recipe

from msml.data.dataset import load_split
from msml.metrics import average, bootstrap
from msml.recipe import load
from msml.recipe.schema import Data, TrainRecipe
from msml.runs.directory import RunDirectory
from msml.runs.status import status
from msml.stages import validity
from msml.stages.session import Progress, Session
from msml.training.checkpoint import load_arrays
from msml.validity.bands import groups, inside, metric_name
from msml.validity.reference import reference_of
from msml.validity.task import MomentumTask

pytestmark = pytest.mark.xdist_group("stages")

BLOCK = (
    "evaluate: {bootstrap: 10, cost: false, "
    "validity: {latents: 2, inducing: 5, epochs: 2, learning_rate: 0.05}}"
)
JUDGED = RECIPE.replace("evaluate: {bootstrap: 10, cost: false}", BLOCK).replace(
    "[connected, sequential, joint]", "[connected, joint]"
)
DATA = Data(file="", transform={"jets": "log_pt", "taus": "log_pt"}, weight="weight")
NAMES = groups(2, "taus")


@pytest.fixture(scope="module")
def judged(finished, tmp_path_factory) -> Path:
    """A folder in which a run with a reference was done; only to be read."""
    folder = tmp_path_factory.mktemp("judged")
    shutil.copytree(finished / "runs" / ".cache", folder / "runs" / ".cache")
    shutil.copy(finished / "events.h5", folder / "events.h5")
    write_recipe(folder, JUDGED)
    command: Command = msml(folder, "run", "tiny.yaml")
    (folder / "errors").write_text("\n".join(command.errors))
    (folder / "output").write_text(command.output)
    return folder


def copy_of(judged, folder):
    shutil.copytree(judged, folder / "copy")
    return folder / "copy"


def references(folder):
    """When each reference was made."""
    paths = (folder / "runs" / ".cache" / "validity").glob("*/reference.h5")
    return {path.parent.name: path.stat().st_mtime_ns for path in paths}


def bands(folder, jets):
    (path,) = (folder / "runs" / ".cache" / "validity").glob("*/reference.h5")
    return reference_of(load_arrays(path)[0]).bands(jets)


def test_fractions_are_those_of_predictions_and_reference(judged):
    test = load_split(DATA, "test", ["jets", "taus"], judged / "events.h5")
    expected = bands(judged, test.columns["jets"])
    records = metrics(judged)
    assert [record["mode"] for record in records] == ["connected", "joint"]
    for record in records:
        path = only_run(judged) / "evaluate" / "sf+mlp" / record["mode"] / "predictions.h5"
        with h5py.File(path) as file:
            pulls = expected.pulls(file["momentum/prediction"][:])
            for name, group in NAMES.items():
                found = record["metrics"]["momentum"][metric_name(name)]
                value = average(inside(pulls, 2.0, group), test.weight.astype(np.float64))
                assert found["value"] == pytest.approx(value, abs=1e-9)
                drawn = file[f"momentum/replicas/{metric_name(name)}"][:]
                assert found["error"] == pytest.approx(drawn.std(ddof=1))
        assert not any("validity" in name for name in record["metrics"]["higgs"])
    change = records[1]["minus"]["connected"]["momentum"]["validity"]
    values = [record["metrics"]["momentum"]["validity"]["value"] for record in records]
    assert change["value"] == pytest.approx(values[1] - values[0])


def test_calibration_is_how_often_truth_is_inside(judged):
    test = load_split(DATA, "test", ["jets", "taus"], judged / "events.h5")
    pulls = bands(judged, test.columns["jets"]).pulls(test.columns["taus"])
    found = json.loads((only_run(judged) / "evaluate" / "validity.json").read_text())
    assert (found["task"], found["sigma"]) == ("momentum", 2.0)
    assert list(found["truth_inside"]) == list(NAMES)
    assert list(found["median_width"]) == ["pt_1", "eta_1", "phi_1", "pt_2", "eta_2", "phi_2"]
    for name, group in NAMES.items():
        for sigma in (1, 2, 3):
            each = found["truth_inside"][name][str(sigma)]

            def fraction(_, pulls, weight, sigma=sigma, group=group):
                return average(inside(pulls, sigma, group), weight)

            weight = test.weight.astype(np.float64)
            again = bootstrap(fraction, (pulls, pulls), weight, 10, 20210518)
            assert each["value"] == pytest.approx(again.value, abs=1e-9)
            assert each["error"] == pytest.approx(again.error, rel=1e-6)
    assert found["truth_inside"]["all"]["2"]["nominal"] == pytest.approx(0.9545**6, abs=1e-3)


def test_it_is_shown(judged):
    lines = (judged / "output").read_text().splitlines()
    assert "momentum on test: fraction of events inside the bands of the reference" in lines
    run = only_run(judged)
    for name in ("validity", "sf+mlp/validity"):
        assert all((run / "evaluate" / f"{name}.{kind}").stat().st_size for kind in ("png", "pdf"))
    records = [record for record in log(run) if record["unit"] == "evaluate/validity"]
    assert [record["epoch"] for record in records] == [1, 2]
    errors = (judged / "errors").read_text()
    assert "evaluate validity: reference trained" in errors
    found = status(run)
    assert (found.state, found.current) == ("done", None)
    assert found.progress("evaluate") == (3, 3)


@pytest.mark.slow
def test_other_runs_share_it(judged, tmp_path):
    """Those with another seed, and with wider bands, which hold more."""
    folder = copy_of(judged, tmp_path)
    before = references(folder)
    assert len(before) == 1
    for override in ("seed=1", "evaluate.validity.sigma=3"):
        msml(folder, "run", "tiny.yaml", override, "name=other", "posttrain.modes=[connected]")
    assert references(folder) == before
    wide = json.loads((runs(folder, "other")[0] / "evaluate" / "metrics.json").read_text())
    values = [r["metrics"]["momentum"]["validity"]["value"] for r in (metrics(judged)[0], wide[0])]
    assert values[0] < values[1]


@pytest.mark.parametrize(
    ("override", "same"),
    [
        ("seed=1", True),
        ("evaluate.validity.sigma=3", True),
        ("evaluate.bootstrap=3", True),
        ("tasks.momentum.weight=0.9", True),
        ("data.split.seed=2", False),
        ("data.events=300", False),
        ("data.weight=null", False),
        ("evaluate.validity.seed=2", False),
        ("evaluate.validity.epochs=3", False),
        ("evaluate.validity.inducing=6", False),
    ],
)
def test_what_a_reference_depends_on(judged, monkeypatch, override, same):
    monkeypatch.chdir(judged)

    def key(*overrides):
        recipe = load("tiny.yaml", TrainRecipe, overrides)
        session = Session(recipe, RunDirectory(judged), Progress())
        task = MomentumTask("momentum", "taus", "jets")
        return validity._fingerprint(session, task, recipe.values.evaluate.validity)

    assert (key() == key(override)) == same


def test_evaluating_again_needs_no_reference(judged, tmp_path):
    folder = copy_of(judged, tmp_path)
    shutil.rmtree(folder / "runs" / ".cache" / "validity")
    msml(folder, "evaluate", "tiny.yaml")
    assert references(folder) == {}
    assert metrics(folder) == metrics(judged)


@pytest.mark.slow
def test_a_stop_leaves_nothing_half_done(judged, tmp_path):
    folder = copy_of(judged, tmp_path)
    write_recipe(folder, JUDGED.replace("epochs: 2", "epochs: 100000").replace("tiny", "long"))
    command = Command(folder, "run", "tiny.yaml")
    until(lambda: any(r["unit"] == "evaluate/validity" for p in runs_of(folder) for r in log(p)))
    command.signal(signal.SIGTERM)
    assert command.wait() == 85
    assert command.errors[-1] == "msml: SIGTERM: the same command continues"
    assert len(references(folder)) == 1  # that of the other settings
    assert list((folder / "runs").rglob("*.tmp")) == []
    assert not (only_run(folder, "long") / "evaluate" / "validity.json").exists()


def runs_of(folder):
    path = folder / "runs" / "long"
    return [run for run in path.glob("*") if (run / "metrics.jsonl").exists()]


def test_the_recipe_in_the_run_is_whole(judged):
    recipe = yaml.safe_load((only_run(judged) / "recipe.yaml").read_text())
    assert recipe["evaluate"]["validity"] == {
        **{"sigma": 2.0, "latents": 2, "inducing": 5, "epochs": 2, "batch_size": 100},
        **{"learning_rate": 0.05, "seed": 1},
    }
