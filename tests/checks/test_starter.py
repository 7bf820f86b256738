"""First recipes for files that msml has never seen."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from commands import run

from msml.checks.starter import starter, write_starter
from msml.checks.validate import validate
from msml.errors import DataError, RecipeError
from msml.recipe import load
from msml.recipe.schema import TrainRecipe

EVENTS = 120
RNG = np.random.default_rng(1)
LABEL = np.arange(EVENTS) % 2
NUMBERS = RNG.normal(size=(EVENTS, 4)).astype("f4")
CLASSES = np.arange(EVENTS) % 3


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(**columns):
    attributes = columns.pop("attributes", {})
    with h5py.File("odd.h5", "w") as file:
        for name, values in columns.items():
            file[name] = values
            for key, value in attributes.get(name, {}).items():
                file[name].attrs[key] = value
    return Path("odd.h5")


def made(**columns):
    path = write_starter(write(**columns), Path("odd.yaml"))
    values = load(str(path), TrainRecipe).values
    return values, values.tasks["answer"], path.read_text()


def sets():
    real = np.arange(5) < RNG.integers(1, 6, (EVENTS, 1))
    jets = np.where(real[..., None], RNG.normal(size=(EVENTS, 5, 3)), 0).astype("f4")
    return {"jets": jets, "jets_real": real, "attributes": {"jets": {"mask": "jets_real"}}}


@pytest.mark.parametrize(
    ("columns", "target", "loss", "inputs"),
    [
        ({"x": NUMBERS, "label": LABEL}, "label", "bce_logits", ["x"]),
        ({"x": NUMBERS, "Y": LABEL.astype("f8")}, "Y", "bce_logits", ["x"]),
        ({"x": NUMBERS, "kind": CLASSES.astype("u1")}, "kind", "cross_entropy", ["x"]),
        ({"x": NUMBERS, "energy": NUMBERS[:, 0] * 2}, "energy", "mse", ["x"]),
        ({"true_p": NUMBERS[:, :3], "x": NUMBERS}, "true_p", "mse", ["x"]),
        ({"label": LABEL, "x": NUMBERS, "w": np.abs(NUMBERS[:, 0])}, "label", "bce_logits", ["x"]),
        (
            {"label": LABEL, "x": np.where(NUMBERS > 1, np.nan, NUMBERS)},
            "label",
            "bce_logits",
            ["x"],
        ),
        ({"label": LABEL, "x": RNG.normal(size=(EVENTS, 8, 8, 3))}, "label", "bce_logits", ["x"]),
        (
            {"label": LABEL, "x": NUMBERS, "n": CLASSES, "event": np.arange(EVENTS)},
            "label",
            "bce_logits",
            ["x", "n"],
        ),
        (
            {"label": LABEL, "x": NUMBERS, "group/y": NUMBERS[:, 0]},
            "label",
            "bce_logits",
            ["x", "group/y"],
        ),
        ({"label": LABEL, "process": LABEL + 7, "x": NUMBERS}, "label", "bce_logits", ["x"]),
    ],
)
def test_odd_files(columns, target, loss, inputs):
    values, task, text = made(**columns)
    assert (task.target, task.loss["name"], task.inputs) == (target, loss, inputs)
    assert "a guess" in text
    assert values.data.weight == ("w" if "w" in columns else None)
    assert len(task.candidates) >= 1


def test_objects_with_a_mask():
    _, task, _ = made(**sets(), met=NUMBERS[:, 0], label=LABEL)
    assert task.inputs == ["jets", "met"]
    assert [each.model for each in task.candidates.values()] == ["mlp", "deepsets"]


def test_events_sorted_by_class():
    """Neither a class that comes first nor its process is taken for a constant."""
    label = np.sort(LABEL)
    _, task, text = made(x=NUMBERS, process=label, label=label)
    assert task.target == "label"
    assert task.inputs == ["x"]
    assert "# not process: each of its values has one value of label" in text


def test_all_columns_are_listed():
    text = starter(write(x=NUMBERS, label=LABEL), "odd")
    lines = [line for line in text.splitlines() if line.startswith("#   ")]
    assert any(line.split() == ["#", "label", "a", "number", "int64"] for line in lines)
    assert any("x" in line and "(4,)" in line for line in lines)


def test_it_runs_as_it_is():
    write(**sets(), met=NUMBERS[:, 0], label=LABEL)
    shown = run("init", "odd.h5").output
    assert shown.startswith("odd.yaml: look at its guesses, then: msml run odd.yaml")
    run("run", "odd.yaml", "pretrain.epochs=1", "posttrain.epochs=1", "evaluate.bootstrap=5")
    assert list(Path("runs/odd").glob("*/evaluate/metrics.json"))


def test_nothing_is_overwritten():
    write(x=NUMBERS, label=LABEL)
    run("init", "odd.h5", "-o", "mine.yaml")
    validate(load("mine.yaml", TrainRecipe), fast=True)
    with pytest.raises(DataError, match=r"mine\.yaml: exists, and is not overwritten"):
        run("init", "odd.h5", "-o", "mine.yaml")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": NUMBERS[:5], "label": LABEL[:5]}, "5 events; expected at least 10"),
        ({"label": LABEL}, "no column that could be an input beside 'label'"),
        ({"x": np.full(EVENTS, np.nan)}, "no column that could be learnt"),
        ({"label": LABEL, "run": np.ones(EVENTS, "i4")}, "no column that could be an input"),
    ],
)
def test_files_of_no_use(columns, message):
    with pytest.raises(DataError, match=message):
        write_starter(write(**columns), Path("odd.yaml"))
    assert not Path("odd.yaml").exists()


def test_other_formats_and_names():
    Path("events.root").touch()
    with pytest.raises(DataError, match=r"events\.root: .* msml import table makes one, by"):
        write_starter(Path("events.root"), Path("odd.yaml"))
    with pytest.raises(DataError, match="no such file"):
        write_starter(Path("gone.h5"), Path("odd.yaml"))
    with pytest.raises(RecipeError, match="name"):
        write_starter(write(x=NUMBERS, label=LABEL), Path("a b*.yaml"))
    assert not Path("a b*.yaml").exists()
