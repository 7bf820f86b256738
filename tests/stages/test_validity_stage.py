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
from msml.recipe.schema import Data
from msml.runs.status import status
from msml.training.checkpoint import load_arrays
from msml.validity.bands import groups, inside, metric_name
from msml.validity.reference import reference_of

pytestmark = pytest.mark.xdist_group("stages")

BLOCK = (
    "evaluate: {bootstrap: 10, validity: {latents: 2, inducing: 5, epochs: 2, learning_rate: 0.05}}"
)
JUDGED = RECIPE.replace("evaluate: {bootstrap: 10}", BLOCK).replace(
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


@pytest.mark.parametrize(
    ("override", "new"),
    [
        ("evaluate.validity.sigma=3", 0),
        ("seed=1", 0),
        ("data.split.seed=2", 1),
    ],
)
def test_what_a_reference_depends_on(judged, tmp_path, override, new):
    folder = copy_of(judged, tmp_path)
    before = references(folder)
    assert len(before) == 1
    msml(folder, "run", "tiny.yaml", override, "posttrain.modes=[connected]")
    after = references(folder)
    assert before.items() <= after.items()
    assert len(after) - len(before) == new
    assert len(runs(folder)) == 2


def test_evaluating_again_needs_no_reference(judged, tmp_path):
    folder = copy_of(judged, tmp_path)
    shutil.rmtree(folder / "runs" / ".cache" / "validity")
    msml(folder, "evaluate", "tiny.yaml")
    assert references(folder) == {}
    assert metrics(folder) == metrics(judged)


def test_wider_bands_hold_more(judged, tmp_path):
    folder = copy_of(judged, tmp_path)
    msml(folder, "evaluate", "tiny.yaml", "evaluate.validity.sigma=0.5", "name=narrow")
    for wide, narrow in zip(metrics(judged), metrics(folder, "narrow"), strict=True):
        wide, narrow = (
            record["metrics"]["momentum"]["validity"]["value"] for record in (wide, narrow)
        )
        assert narrow < wide


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
