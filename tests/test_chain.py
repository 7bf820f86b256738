"""Wiring: which columns a chain needs, and what its models get."""

from dataclasses import replace

import numpy as np
import pytest

from msml.chain import (
    WEIGHT,
    Chain,
    has_truth,
    output_column,
    output_columns,
    probabilities,
    true_probabilities,
)
from msml.recipe.expand import TaskSpec
from msml.registry import losses


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
    assert connected.columns() == ["jets", "images", "taus", "label"]
    outputs = connected.outputs(BATCH, training=training)
    assert {name: float(output["output"][0]) for name, output in outputs.items()} == {
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


def test_the_truth_has_the_shape_of_the_output_that_it_stands_for():
    """Models are built for `(1,)`: with `(events,)` their sums would be (events, events)."""
    alone = chain("third")
    batch = {name: np.arange(3, dtype=np.float32) for name in BATCH}
    seen = [tuple(x.shape) for x in alone.inputs("third", batch, {})]
    assert seen == [(3, 1), (3, 1), (3,)]  # the last is a column
    given = chain("third", given=("first", "second"))
    batch |= {output_column(name): np.zeros((3, 1), np.float32) for name in ("first", "second")}
    assert [tuple(x.shape) for x in given.inputs("third", batch, {})] == seen


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
    (value,) = alone.task_losses(batch, {"third": {"output": logits}})
    expected = (np.log(2) + 2 * np.logaddexp(0, 2)) / 3
    assert float(value) == pytest.approx(expected, rel=1e-6)


class Several(Recorder):
    """A model with several outputs, the loss seeing one that is not called `output`."""

    def __call__(self, inputs, training):
        super().__call__(inputs, training)
        return {"logits": self.answer, "feature": self.answer + 0.5}


def test_an_input_may_name_any_output():
    tasks = {
        "first": replace(task("first", ["jets"], "label"), output="logits"),
        "second": task("second", ["first", "first.feature", "first.probabilities"], "label"),
    }
    connected = Chain(tasks, {"first": Several(2), "second": Recorder(9)})
    outputs = connected.outputs(BATCH, training=False)
    assert sorted(outputs["first"]) == ["feature", "logits"]
    ((seen, _),) = connected.models["second"].calls
    assert seen == pytest.approx([2, 2.5, 1 / (1 + np.exp(-2))])
    given = Chain(tasks, {"second": Recorder(9)}, frozenset({"first"}))
    names = [output_column("first", name) for name in ("logits", "feature")]
    assert given.input_columns() == names
    batch = BATCH | output_columns("first", outputs["first"])
    given.outputs(batch, training=False)
    ((again, _),) = given.models["second"].calls
    assert again == pytest.approx(seen)


def test_probabilities_of_several_classes():
    several = replace(task("first", ["jets"], "label"), classes=3)
    logits = np.array([[0.0, 1.0, -1.0], [2.0, 2.0, 2.0]], np.float32)
    expected = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(probabilities(several, logits), expected, rtol=1e-6)
    truth = true_probabilities(several, np.array([2.0, 0.0], np.float32))
    np.testing.assert_array_equal(truth, [[0, 0, 1], [1, 0, 0]])


def test_where_the_truth_can_stand_in():
    momentum, label = task("first", ["jets"], "taus"), task("second", ["jets"], "label")
    momentum = replace(momentum, loss="momentum_mse")
    assert has_truth(momentum, "output")
    assert not has_truth(momentum, "feature")
    assert has_truth(label, "probabilities")
    assert not has_truth(label, "output")  # logits are no labels


def test_the_mask_of_a_target_goes_to_its_loss():
    seen = {}

    @losses.register("masked_of_a_test")
    def loss(target, prediction, *, mask=None):
        seen["mask"] = mask
        return (prediction - target) ** 2

    try:
        spec = replace(task("first", ["jets"], "taus"), loss="masked_of_a_test", mask="real")
        masked = Chain({"first": spec}, {"first": Recorder(1)})
        assert masked.columns() == ["jets", "taus", "real"]
        batch = BATCH | {"real": np.array([True, False, True])}
        masked.task_losses(batch, masked.outputs(batch, training=False))
        assert seen["mask"] is batch["real"]
    finally:
        losses.forget(loss.__module__)


def of_each(target, loss="bce_logits", mask="", real="real"):
    given = replace(task("first", ["jets"], target, loss), each="jets", real=real, mask=mask)
    return Chain({"first": given}, {"first": Recorder(1)})


REAL = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]], np.float32)
LABELS = np.array([[0, 1, 9], [1, 9, 9], [9, 9, 9]], np.float32)
LOGITS = np.array([[0.0, 1.0, 5.0], [-2.0, 5.0, 5.0], [5.0, 5.0, 5.0]], np.float32)[..., None]
OF_EACH = {
    "real": REAL,
    "label": LABELS,
    "found": np.array([[1, 0, 0], [1, 0, 0], [0, 0, 0]], np.float32),
    WEIGHT: np.array([0.5, 1.5, 1.0], np.float32),
}


def cross_entropy(logit, label):
    return np.logaddexp(0, logit) - logit * label


@pytest.mark.parametrize("mask", ["", "real", "found"])
def test_the_loss_of_each_object_is_a_weighted_mean_over_real_ones(mask):
    losses_, weights = zip(
        (cross_entropy(0.0, 0), 1),
        *([(cross_entropy(1.0, 1), 1)] if mask != "found" else []),
        (cross_entropy(-2.0, 1), 3),
        strict=True,
    )
    chain = of_each("label", mask=mask)
    (value,) = chain.task_losses(OF_EACH, {"first": {"output": LOGITS}})
    assert float(value) == pytest.approx(np.average(losses_, weights=weights), rel=1e-6)
    assert set(chain.columns()) == {"jets", "label", "real", *filter(None, [mask])}


def test_without_a_mask_all_objects_are_real():
    columns = {**OF_EACH, "label": np.ones((3, 3), np.float32), WEIGHT: np.ones(3, np.float32)}
    (value,) = of_each("label", real="").task_losses(columns, {"first": {"output": LOGITS}})
    assert float(value) == pytest.approx(cross_entropy(LOGITS, 1).mean(), rel=1e-6)


def test_a_batch_without_objects_has_no_loss():
    columns = {**OF_EACH, "real": np.zeros_like(REAL)}
    (value,) = of_each("label").task_losses(columns, {"first": {"output": LOGITS}})
    assert float(value) == 0


def test_a_mask_within_objects_goes_to_the_loss():
    """Numbers of an object may have a mask of their own."""
    target, inner = np.ones((3, 3, 2), np.float32), np.zeros((3, 3, 2), np.float32)
    inner[0, 0], inner[1, 0, 0] = 1, 1
    columns = {**OF_EACH, "taus": target, "inner": inner, WEIGHT: np.ones(3, np.float32)}
    output = target + np.array([1.0, 3.0], np.float32)
    (value,) = of_each("taus", "mse", mask="inner").task_losses(
        columns, {"first": {"output": output}}
    )
    assert float(value) == pytest.approx((5 + 0 + 1) / 3)


def test_where_the_truth_of_objects_can_stand_in():
    """Not where some of them have none, as the momenta of jets that are no taus."""
    spec = of_each("taus", "mse", mask="real").tasks["first"]
    assert has_truth(spec, "output")
    assert not has_truth(replace(spec, mask="found"), "output")
    truth = true_probabilities(of_each("label").tasks["first"], REAL)
    assert truth.shape == (3, 3, 1)
