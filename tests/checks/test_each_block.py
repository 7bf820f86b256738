"""Tasks of each object of an event, and the masks that follow from the file's description."""

from pathlib import Path

import pytest
from nested import nested_events, write_nested
from recipe_schema import write
from synthetic import write_events
from training import mistakes

from msml.checks.validate import validate
from msml.data.events import EventWriter
from msml.data.schema import Column
from msml.recipe import load
from msml.recipe.schema import TrainRecipe
from msml.registry import models
from msml.simulation.columns import COLLECTIONS

RECIPE = """\
name: nested
data: {file: nested.h5, transform: {all_jets: log_pt, constituents: log_pt}}
tasks:
  tau_id:
    each: all_jets
    inputs: [constituents, all_jets]
    target: all_jets_tau
    loss: {name: bce_logits}
    weight: 0.5
    metrics: [auc, bce, accuracy]
    candidates:
      sets: {model: deepsets, args: {units: 4, feature: 3}}
      attention: {model: set_transformer, args: {units: 4, heads: 2, feature: 3}}
      mlp: {model: mlp, args: {units: 4, feature: 3}}
  higgs_id:
    inputs: [all_jets, tau_id.feature, tau_id.probabilities]
    target: label
    loss: {name: bce_logits}
    weight: 0.5
    metrics: [auc]
    candidates:
      sets: {model: deepsets, args: {units: 4}}
"""


@pytest.fixture(autouse=True)
def events():
    return write_nested(Path("nested.h5"))


def test_a_good_recipe_is_good():
    validate(load(write(RECIPE), TrainRecipe))


def test_masks_may_be_listed_too():
    listed = RECIPE.replace("[constituents, all_jets]", "[constituents, all_jets_real, all_jets]")
    validate(load(write(listed), TrainRecipe))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "each: all_jets",
            "each: all_jet",
            "unknown column 'all_jet'; did you mean 'all_jets'",
        ),
        ("each: all_jets", "each: label", "each: 'label' is a number an event; expected a column"),
        (
            "each: all_jets",
            "each: constituents",
            "each: the mask of 'constituents' is 'constituents_real', not of objects alone",
        ),
        (
            "target: all_jets_tau",
            "target: label",
            "target: 'label' has shape (); expected 4 objects, those of 'all_jets'",
        ),
        ("[constituents, all_jets]", "[label]", "the first input must be of objects"),
        ("metrics: [auc, bce, ", "metrics: [auc, mse, ", "metrics.1: 'mse' is for numbers"),
        ("feature: 3}}\n      mlp", "feature: 4}}\n      mlp", "another candidate feature (4, 3)"),
        ("tau_id.feature", "tau_id.features", "no output 'features'; did you mean 'feature'"),
    ],
)
def test_what_is_wrong_is_said(old, new, problem):
    assert old in RECIPE
    found = mistakes(RECIPE.replace(old, new, 1), fast=False)
    assert any(problem in line for line in found), found


def test_labels_of_padding_are_no_labels():
    write_nested(Path("nested.h5"), garbage=77.0)
    validate(load(write(RECIPE), TrainRecipe))


def test_a_column_of_objects_without_a_mask():
    columns = nested_events()
    plain = {
        f"{name}_plain": Column(f"{name}_plain", array.dtype.name, (), array.shape[1:], (), (), "")
        for name, array in columns.items()
    }
    with EventWriter(Path("nested.h5"), len(columns["label"]), {}, plain) as writer:
        writer.append({f"{name}_plain": array for name, array in columns.items()})
        writer.finish()
    text = RECIPE.replace("{all_jets: log_pt, constituents: log_pt}", "{}")
    for name in COLLECTIONS:
        text = text.replace(f" {name}\n", f" {name}_plain\n")
    text = text.replace("[constituents, all_jets]", "[constituents_plain, all_jets_plain]")
    text = text.replace("[all_jets, ", "[all_jets_plain, ").replace(": label", ": label_plain")
    validate(load(write(text), TrainRecipe))


def test_files_without_the_columns_say_so():
    write_events(Path("nested.h5"))
    assert any("unknown column 'all_jets'" in line for line in mistakes(RECIPE))


PLUGIN = """
import keras
from msml.registry import models

@models.register("own")
def own(constituents, jet, mask, *, units: int = 4):
    \"\"\"Takes values and mask by position.\"\"\"
    given = [keras.Input(shape) for shape in (constituents, jet, mask)]
    x = keras.layers.Flatten()(given[0])
    x = keras.layers.Concatenate()([x, given[1], given[2]])
    return keras.Model(given, keras.layers.Dense(1, dtype="float32")(x))
"""


@pytest.fixture
def plugin():
    yield Path("own.py")
    models.forget(str(Path("own.py").resolve()))


def test_a_builder_of_a_plugin_gets_the_mask_as_one_more_input(plugin):
    plugin.write_text(PLUGIN)
    head = RECIPE[: RECIPE.index("      sets: {model: deepsets")].replace(
        "weight: 0.5", "weight: 1"
    )
    text = head + "      own: {model: own}\nplugins: [own.py]\n"
    validate(load(write(text), TrainRecipe))
    less = text.replace("[constituents, all_jets]", "[constituents]")
    (line,) = mistakes(less)
    assert "model 'own' takes 3 inputs (constituents, jet, mask), got 2" in line
