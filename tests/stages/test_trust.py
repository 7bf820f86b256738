"""`evaluate.calibrate` and `evaluate.conformal` in runs, and calibrated predictions."""

import json
import shutil
from contextlib import chdir, contextmanager
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from commands import run
from scipy.special import expit, softmax
from tiny import PAPER, only_run

from msml.calibration import Calibration, calibrations, fit
from msml.data.splits import split_rows
from msml.metrics import bce, ece
from msml.metrics.generic import cross_entropy
from msml.runs import layout
from msml.runs.directory import RunDirectory, write_json
from msml.stages.prediction.finished import Finished

pytestmark = pytest.mark.xdist_group("stages")

ROWS = 400
RECIPE = """\
name: trust
xla: false
data:
  file: events.h5
  weight: weight
  transform:
    hits_true: [{name: log, components: [pt]}, {name: sin_cos, components: [phi]}]
    energy: [log, standardise]
tasks:
  tag:
    each: hits
    inputs: [hits]
    target: hits_tag
    loss: {name: bce_logits}
    weight: 0.3
    candidates: {mlp: {model: mlp, args: {units: 8, layers: 1}}}
  momentum:
    each: hits
    inputs: [hits]
    target: hits_true
    loss: {name: mse}
    weight: 0.2
    candidates: {mlp: {model: mlp, args: {units: 8, layers: 1}}}
  kind_of:
    inputs: [features]
    target: kind
    loss: {name: cross_entropy}
    weight: 0.3
    candidates: {mlp: {model: mlp, args: {units: 8, layers: 1}}}
  energy_of:
    inputs: [features]
    target: energy
    loss: {name: quantile, quantiles: [0.2, 0.5, 0.8]}
    weight: remainder
    candidates: {mlp: {model: mlp, args: {units: 8, layers: 1}}}
posttrain:
  modes: [joint]
  from: initial
  optimizer: {name: adam, learning_rate: 3e-2}
  epochs: 8
  batch_size: 40
evaluate: {bootstrap: 20, cost: false}
"""
ASKED = ("evaluate.calibrate={}", "evaluate.conformal.coverage=0.7")
ESTIMATED = ("hits_true.pt", "hits_true.phi")


def events():
    """Objects of an event, three at most; classes and numbers that features tell, with noise."""
    rng = np.random.default_rng(1)
    real = np.arange(3) < rng.integers(0, 4, ROWS)[:, None]
    pt, phi = rng.uniform(1, 3, (ROWS, 3)), rng.uniform(-np.pi, np.pi, (ROWS, 3))
    true = np.stack([pt, phi], axis=-1) + rng.normal(0, [0.1, 0.3], (ROWS, 3, 2))
    true[..., 1] = (true[..., 1] + np.pi) % (2 * np.pi) - np.pi
    features = rng.normal(size=(ROWS, 3))
    noisy = features + rng.normal(0, 0.7, features.shape)
    return {
        "hits": np.where(real[..., None], np.stack([pt, np.sin(phi), np.cos(phi)], -1), 0),
        "hits_real": real,
        "hits_tag": real & (pt + rng.normal(0, 0.7, pt.shape) > 2),
        "hits_true": np.where(real[..., None], true, 1),
        "features": features,
        "kind": noisy.argmax(axis=1),
        "energy": 50 * np.exp(noisy[:, 0]),
        "weight": rng.uniform(0.5, 2, ROWS),
    }


ABOUT = {
    "hits": {"components": ["pt", "sin", "cos"], "mask": "hits_real"},
    "hits_tag": {"mask": "hits_real"},
    "hits_true": {"components": ["pt", "phi"], "units": ["GeV", "rad"], "mask": "hits_real"},
    "energy": {"units": "GeV"},
}


def write(columns):
    with h5py.File("events.h5", "w") as file:
        for name, values in columns.items():
            kinds = {"i": "i1", "f": "f4", "b": "?"}
            file[name] = values.astype(kinds[values.dtype.kind])
            file[name].attrs.update(ABOUT.get(name, {}))


@contextmanager
def inside(folder):
    with chdir(folder):
        yield


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder with a run, what it printed, and its predictions of all events; only to be read."""
    folder = tmp_path_factory.mktemp("trust")
    with inside(folder):
        write(events())
        Path("r.yaml").write_text(RECIPE)
        output = run("run", "r.yaml", *ASKED).output
        run("predict", str(only_run(Path(), "trust")), "events.h5", "-o", "out.h5")
    return folder, output


def place(folder):
    return only_run(folder, "trust") / "evaluate" / "mlp+mlp+mlp+mlp" / "joint"


def record(folder, kind):
    return json.loads((place(folder) / f"{kind}.json").read_text())


def part(folder, split):
    """The events of a split, with the predictions of them."""
    rows = split_rows(ROWS, PAPER, 1)[split]
    found = {}
    for name in ("events.h5", "out.h5"):
        with h5py.File(folder / name) as file:
            found |= {name: each[:][rows] for name, each in file.items()}
    return found


def shown(folder, split, task):
    """Label, logits and weights of a classification, flat."""
    found = part(folder, split)
    weight = found["weight"].astype(np.float64)
    weight /= weight.mean()
    if task == "kind_of":
        return found["kind"].astype(float), found[task].astype(float), weight
    real = found["hits_real"]
    weight = np.repeat(weight, real.sum(axis=1))
    return found["hits_tag"][real].astype(float), found[task][real].astype(float), weight


@pytest.mark.parametrize(("task", "proper"), [("tag", bce), ("kind_of", cross_entropy)])
def test_it_is_fitted_on_valid_and_measured_on_test(done, task, proper):
    folder, _ = done
    found = record(folder, "calibrated")
    assert found["settings"]["tasks"] == ["tag", "kind_of"]
    map_ = calibrations(found)[task]
    expected = fit("temperature", *shown(folder, "valid", task))
    assert map_.parameters == pytest.approx(expected.parameters, rel=1e-6)
    label, logits, weight = shown(folder, "test", task)
    name = "bce" if task == "tag" else "cross_entropy"
    for metric, each in ((proper, found["tasks"][task]["test"][name]),
                         (ece, found["tasks"][task]["test"]["ece"])):  # fmt: skip
        before, after = (metric(label, seen, weight) for seen in (logits, map_.logits(logits)))
        assert each["before"]["value"] == pytest.approx(before, rel=1e-6)
        assert each["after"]["value"] == pytest.approx(after, rel=1e-6)
        assert each["change"]["value"] == pytest.approx(after - before, abs=1e-7)
        assert each["change"]["error"] > 0


def test_predictions_are_those_of_evaluation(done):
    folder, _ = done
    maps, found = calibrations(record(folder, "calibrated")), part(folder, "test")
    with h5py.File(place(folder) / "predictions.h5") as file:
        rows = np.searchsorted(np.sort(file["event"][:]), file["event"][:])
        tag, kind = (file[f"{task}/prediction"][:] for task in ("tag", "kind_of"))
        order = split_rows(ROWS, PAPER, 1)["test"]
        assert np.array_equal(np.sort(file["event"][:])[rows], order)
    shares = expit(maps["tag"].logits(tag)).astype(np.float32)[..., 0]
    assert np.array_equal(found["tag.calibrated"], np.where(found["tag.real"], shares, 0))
    shares = softmax(maps["kind_of"].logits(kind), axis=-1).astype(np.float32)
    assert np.array_equal(found["kind_of.calibrated"], shares)
    assert not np.array_equal(shares, found["kind_of.probabilities"])


def distances(folder, split):
    """Of each number that is estimated: distances to the truth, their events, weights of events."""
    found = part(folder, split)
    real, event = found["hits_real"], np.nonzero(found["hits_real"])[0]
    pt, phi = np.moveaxis(found["momentum"][real] - found["hits_true"][real], -1, 0)
    phi = np.abs((phi + np.pi) % (2 * np.pi) - np.pi)
    energy = np.abs(found["energy_of"] - found["energy"])
    weight = found["weight"].astype(float)
    every = np.arange(len(weight))
    return {
        "hits_true.pt": (np.abs(pt), event, weight),
        "hits_true.phi": (phi, event, weight),
        "energy": (energy, every, weight),
    }


def half_width(folder):
    return record(folder, "conformal")["tasks"]["energy_of"][0]["half_width"]


def test_intervals_are_in_the_units_of_the_file(done):
    folder, _ = done
    found = record(folder, "conformal")
    assert found["settings"] == {"coverage": 0.7, "tasks": ["momentum", "energy_of"]}
    rows = {row["number"]: row for each in found["tasks"].values() for row in each}
    assert {name: row["unit"] for name, row in rows.items()} == {
        "hits_true.pt": "GeV",
        "hits_true.phi": "rad",
        "energy": "GeV",
    }
    known, new = (distances(folder, split) for split in ("valid", "test"))
    for name, row in rows.items():
        size, event, weight = known[name]
        per_event = np.bincount(event, weight[event])
        wanted = 0.7 * (per_event.sum() + (per_event**2).sum() / per_event.sum())
        reached = [weight[event][size <= width].sum() for width in np.sort(size)]
        width = np.sort(size)[np.argmax(np.array(reached) >= wanted)]
        assert row["half_width"] == pytest.approx(width, rel=1e-4)
        size, event, weight = new[name]
        inside = np.average(size <= row["half_width"] * (1 + 1e-5), weights=weight[event])
        assert row["coverage"]["value"] == pytest.approx(inside, abs=1e-6)
        assert abs(inside - 0.7) < 4 * row["chance"]
        assert 0 < row["coverage"]["error"] < row["chance"]
    assert rows["hits_true.phi"]["half_width"] < 2.5


def test_it_is_shown_and_drawn(done):
    folder, output = done
    lines = output.splitlines()
    assert "tag on test: calibrated, temperature" in lines
    fitted = record(folder, "calibrated")["tasks"]["tag"]["parameters"]["temperature"]
    said = f"mlp+mlp+mlp+mlp, joint: tag by temperature {fitted:.4g}, fitted on valid"
    assert said in lines
    start = lines.index("momentum on test: intervals for 0.7 of the events")
    assert [lines[start + n].split()[2] for n in (3, 4)] == list(ESTIMATED)
    for ending in ("png", "pdf"):
        assert (place(folder).parent / f"reliability.{ending}").stat().st_size > 10_000


@pytest.mark.slow
def test_what_is_asked_otherwise_is_done_again_and_nothing_is_trained(done, tmp_path):
    shutil.copytree(done[0], tmp_path / "copy")
    folder, width = tmp_path / "copy", half_width(done[0])
    trained = {path: path.stat().st_mtime_ns for path in folder.rglob("weights.h5")}
    method = "evaluate.calibrate={method: isotonic, tasks: [tag]}"
    with inside(folder):
        output = run("evaluate", "r.yaml", method, "evaluate.conformal={}").output
        assert "tag by a function of" in output
        assert half_width(folder) > width
        run("predict", str(only_run(folder, "trust")), "events.h5", "-o", "other.h5")
        with h5py.File("other.h5") as file:
            assert {"tag.calibrated", "kind_of.probabilities"} <= set(file)
            assert "kind_of.calibrated" not in file
        output = run("evaluate", "r.yaml", "evaluate.conformal.coverage=0.999").output
    line = "energy has no interval: the 80 events of valid are too few for a coverage of 0.999"
    assert line in output
    assert "half_width" not in record(folder, "conformal")["tasks"]["energy_of"][0]
    assert record(folder, "calibrated")["settings"]["method"] == "isotonic"  # as it was
    assert trained == {path: path.stat().st_mtime_ns for path in folder.rglob("weights.h5")}


def test_what_was_fitted_while_unblinding_is_found_where_there_is_nothing_else(tmp_path):
    def found():
        setup = SimpleNamespace(directory=RunDirectory(tmp_path))
        return Finished(setup, None, {"tag": "mlp"}, "joint").calibrated

    assert found() == {}
    for unblind, temperature in ((True, 2.0), (False, 3.0)):
        about = {"method": "temperature", "parameters": {"temperature": temperature}}
        folder = layout.evaluated(layout.evaluation(tmp_path, unblind), "mlp", "joint")
        write_json(folder / layout.CALIBRATED, {"settings": {}, "tasks": {"tag": about}})
        assert found() == {"tag": Calibration(**about)}


def test_nothing_of_test_enters_a_fit(done, tmp_path):
    folder, _ = done
    columns, rows = events(), split_rows(ROWS, PAPER, 1)["test"]
    columns["hits_tag"][rows] = columns["hits_real"][rows] & ~columns["hits_tag"][rows]
    columns["kind"][rows] = (columns["kind"][rows] + 1) % 3
    columns["energy"][rows] *= 7
    columns["hits_true"][rows] = 2 * columns["hits_true"][rows] + 3
    columns["features"][rows] *= 2
    with inside(tmp_path):
        write(columns)
        Path("r.yaml").write_text(RECIPE)
        run("run", "r.yaml", *ASKED)
    for task, about in record(folder, "calibrated")["tasks"].items():
        other = record(tmp_path, "calibrated")["tasks"][task]
        assert other["parameters"] == about["parameters"]  # bit for bit
        assert other["test"] != about["test"]
    for task, found in record(folder, "conformal")["tasks"].items():
        for row, other in zip(found, record(tmp_path, "conformal")["tasks"][task], strict=True):
            assert other["half_width"] == row["half_width"]
            assert other["coverage"] != row["coverage"]
