"""Tasks of which inputs are hidden, their own target among them."""

from pathlib import Path

import numpy as np
import pytest
from recipe_schema import write
from training import mistakes

from msml.checks.validate import validate
from msml.data.events import EventWriter
from msml.data.schema import Column
from msml.recipe import load
from msml.recipe.schema import TrainRecipe

RECIPE = """\
name: hidden
data: {file: objects.h5}
tasks:
  types:
    inputs: [event_objects, event_object_types]
    hide: {event_object_types: 0.65}
    target: event_object_types
    loss: {name: cross_entropy}
    weight: 1
    metrics: [accuracy, cross_entropy]
    candidates:
      gnn: {model: graph_network, args: {units: 4, layers: 1, pooling: null}}
      gat: {model: graph_attention, args: {units: 4, layers: 1, pooling: null, attention: true}}
"""
EVENTS, OBJECTS = 12, 4


def events(kinds=(1, 2, 3, 4)):
    random = np.random.default_rng(1)
    types = np.tile(np.int8(kinds), (EVENTS, 1))
    types[::3, -1] = 0
    return {
        "event_objects": random.uniform(1, 2, (EVENTS, OBJECTS, 4)).astype(np.float32),
        "event_object_types": types,
        "event_objects_real": types > 0,
    }


def write_objects(columns, described=None):
    with EventWriter(Path("objects.h5"), EVENTS, {}, described or {}) as writer:
        writer.append(columns)
        writer.finish()


@pytest.fixture(autouse=True)
def file():
    write_objects(events())


def test_a_good_recipe_is_good():
    """Types from 1 on: no object is of type 0, which padding has."""
    validate(load(write(RECIPE), TrainRecipe))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "hide: {event_object_types: 0.65}",
            "hide: {object_type: 0.65}",
            "tasks.types.hide: unknown input 'object_type'; did you mean 'event_object_types'",
        ),
        (
            "hide: {event_object_types: 0.65}",
            "hide: {event_objects: 0.65}",
            "tasks.types.inputs.1: 'event_object_types' is the target of this task",
        ),
        ("0.65", "1", "hide.event_object_types: expected a number between 0 and 1, got 1"),
    ],
)
def test_what_is_wrong_is_said(old, new, problem):
    found = mistakes(RECIPE.replace(old, new, 1))
    assert any(problem in line for line in found), found


def test_a_class_that_nothing_has():
    write_objects(events((1, 2, 4, 4)))
    (line,) = mistakes(RECIPE)
    assert "'event_object_types' goes up to 4 but has no event of class 3" in line


def test_without_a_mask_each_class_must_occur():
    columns = {"codes": np.int8([1, 2] * 6), "x": np.ones((EVENTS, 2), np.float32)}
    plain = {
        name: Column(name, array.dtype.name, (), array.shape[1:], (), (), "")
        for name, array in columns.items()
    }
    write_objects(columns, plain)
    text = RECIPE.replace("[event_objects, event_object_types]", "[x]").replace(
        "event_object_types: 0.65", "x: 0.1"
    )
    text = text[: text.index("      gat")].replace("event_object_types", "codes")
    text = text.replace("graph_network, args: {units: 4, layers: 1, pooling: null}", "linear")
    (line,) = mistakes(text)
    assert "'codes' goes up to 2 but has no event of class 0" in line
