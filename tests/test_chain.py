"""Wiring: which columns a chain needs, and what its models get."""

import numpy as np
import pytest

from msml.chain import WEIGHT, Chain, output_column
from msml.recipe.expand import TaskSpec


def task(name, inputs, target, loss="bce_logits"):
    return TaskSpec(name, tuple(inputs), target, 0.5, loss, {}, (), {})


# Three tasks; the last two share a target, and the last sees columns and both earlier outputs.
TASKS = {
    "first": task("first", ["jets"], "taus"),
    "second": task("second", ["first", "jets"], "label"),
    "third": task("third", ["first", "second", "images"], "label"),
}
BATCH = {
    name: np.full(3, i, np.float32)
    for i, name in enumerate(["jets", "taus", "label", "images", WEIGHT])
}


class Recorder:
    """A model that remembers its calls and answers with a number of its own."""

    trainable_variables = ()

    def __init__(self, answer):
        self.answer, self.calls = np.full(3, answer, np.float32), []

    def __call__(self, inputs, training):
        inputs = inputs if isinstance(inputs, list) else [inputs]
        self.calls.append(([float(value[0]) for value in inputs], training))
        return self.answer


def chain(*names, given=()):
    return Chain(TASKS, {n: Recorder(10 + i) for i, n in enumerate(names)}, frozenset(given))


@pytest.mark.parametrize("training", [True, False])
def test_outputs_go_where_the_recipe_says(training):
    connected = chain("first", "second", "third")
    assert connected.columns() == ["jets", "taus", "label", "images"]
    outputs = connected.outputs(BATCH, training=training)
    assert {name: float(output[0]) for name, output in outputs.items()} == {
        "first": 10,
        "second": 11,
        "third": 12,
    }
    calls = {name: model.calls for name, model in connected.models.items()}
    assert calls == {
        "first": [([0], training)],
        "second": [([10, 0], training)],
        "third": [([10, 11, 3], training)],
    }


def test_alone_a_candidate_sees_the_truth():
    alone = chain("third")
    assert alone.columns() == ["taus", "label", "images"]
    alone.outputs(BATCH, training=False)
    assert alone.models["third"].calls == [([1, 2, 3], False)]


def test_outputs_that_are_given_stand_beside_the_truth():
    """An earlier output takes no target's place: here task 3 has the target of task 2."""
    last = chain("third", given=("first", "second"))
    assert last.columns() == [output_column("first"), output_column("second"), "images", "label"]
    batch = BATCH | {
        output_column("first"): np.full(3, 20.0),
        output_column("second"): np.full(3, 21.0),
    }
    last.outputs(batch, training=True)
    assert last.models["third"].calls == [([20, 21, 3], True)]


def test_losses_are_weighted_means_over_events():
    alone = chain("third")
    logits = np.array([0.0, 1.0, -2.0], np.float32)
    batch = BATCH | {
        "label": np.array([0, 1, 1], np.float32),
        WEIGHT: np.array([1.0, 0.0, 2.0], np.float32),
    }
    (value,) = alone.task_losses(batch, {"third": logits})
    expected = (np.log(2) + 2 * np.logaddexp(0, 2)) / 3
    assert float(value) == pytest.approx(expected, rel=1e-6)
