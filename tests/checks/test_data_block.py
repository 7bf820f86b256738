"""Where the events lie, and columns that are the file's."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from recipe_schema import write
from training import RECIPE, mistakes, write_events

from msml.checks.validate import validate
from msml.data.source import event_source
from msml.errors import DataError
from msml.recipe import load
from msml.recipe.schema import TrainRecipe

MANY = RECIPE.replace("  file: events.h5\n", "  files: run_*.h5\n")
PLAIN = """\
name: plain
data: {file: plain.h5, weight: weight}
tasks:
  regression:
    inputs: [features]
    target: energy
    loss: {name: mse}
    weight: 0.5
    candidates: {zeros: {model: zeros}}
  signal:
    inputs: [regression, features]
    target: label
    loss: {name: bce_logits}
    weight: remainder
    candidates: {zeros: {model: zeros}}
"""


def plain(path=Path("plain.h5"), **more):
    rng = np.random.default_rng(1)
    content = {
        "features": rng.random((20, 5)),
        "energy": rng.random(20),
        "label": np.arange(20) % 2,
        "weight": np.ones(20),
        **more,
    }
    with h5py.File(path, "w") as file:
        for name, array in content.items():
            file[name] = array


def source(text=MANY, *overrides):
    return event_source(load(write(text), TrainRecipe, overrides))


def refused(text, *overrides):
    with pytest.raises(DataError) as caught:
        validate(load(write(text), TrainRecipe, overrides), fast=True)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_pattern_stands_for_its_files_in_order():
    for number in (2, 10, 1):
        write_events(Path(f"run_{number}.h5"))
    validate(load(write(MANY), TrainRecipe, ["data.events=60"]), fast=True)
    assert [path.name for path in source().paths] == ["run_1.h5", "run_10.h5", "run_2.h5"]
    named = source(MANY, "data.files=[run_2.h5, 'run_1*.h5']")
    assert [path.name for path in named.paths] == ["run_2.h5", "run_1.h5", "run_10.h5"]
    found = mistakes(MANY, "data.events=61")
    assert found == [
        "command line: data.events: expected at most 60, the events of run_1.h5 and 2 more, got 61"
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("none_*.h5", "command line: data.files: none_*.h5: no such file"),
        ("[run_1.h5, run_3.h5]", "command line: data.files: run_3.h5: no such file"),
        ("['run_*.h5', run_1.h5]", "command line: data.files: run_1.h5 is there twice"),
        ("[]", "command line: data.files: expected a file name, a pattern or a list of these"),
        ("3", "command line: data.files: expected a file name, a pattern or a list of these"),
    ],
)
def test_files_that_are_not_there(value, text):
    write_events(Path("run_1.h5"))
    assert text in refused(MANY, f"data.files={value}")


def test_a_file_and_files_exclude_each_other():
    write_events()
    text = refused(RECIPE, "data.files=events.h5")
    assert text.endswith("data.files: expected either `file` or `files`, found both")
    text = refused(RECIPE, "data.file=null")
    assert text.endswith("data.file: expected either `file` or `files`, found neither")
    validate(load(write(RECIPE), TrainRecipe, ["data.file=null", "data.files=events.h5"]), True)


def test_files_of_different_columns():
    write_events(Path("run_1.h5"))
    write_events(Path("run_2.h5"), without="label")
    assert "data.files: run_2.h5: no column 'label', which run_1.h5 has" in refused(MANY)


def test_a_plain_file_will_do():
    plain()
    validate(load(write(PLAIN), TrainRecipe), fast=True)


def test_columns_of_unequal_length():
    plain(label=np.arange(19) % 2)
    assert refused(PLAIN) == (
        "r.yaml:2: data.file: plain.h5: columns of unequal length: energy 20, features 20,"
        " label 19, weight 20"
    )
    plain(other=np.arange(19))
    validate(load(write(PLAIN), TrainRecipe), fast=True)


def test_what_is_no_column_is_named_with_the_reason():
    plain(energy=np.array([b"a"] * 20))
    assert mistakes(PLAIN) == [
        "r.yaml:6: tasks.regression.target: 'energy' is no column: texts (columns of plain.h5)"
    ]


def test_a_file_that_says_nothing_contradicts_no_transform():
    plain(jets=np.ones((20, 2, 4)))
    with_jets = ("tasks.regression.inputs=[jets]", "data.transform={jets: log_pt}")
    validate(load(write(PLAIN), TrainRecipe, with_jets), fast=True)
    with h5py.File("plain.h5", "r+") as file:
        file["jets"].attrs["components"] = ["px", "py", "pz", "e"]
    assert "'log_pt' wants pt first; 'jets' has px, py, pz, e" in mistakes(PLAIN, *with_jets)[0]


def test_an_unreadable_file_hides_which_columns_there_are():
    text = refused(PLAIN)
    assert text == "r.yaml:2: data.file: plain.h5: no such file"
