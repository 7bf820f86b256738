"""Every metric is tried on the output that it is asked of, before anything is trained."""

import numpy as np
import pytest
from training import RECIPE, mistakes, write_events

from msml.checks.building import try_metric
from msml.checks.meaning import _mismatch
from msml.recipe.schema import Task
from msml.registry import losses, metrics

OUTPUTS = {
    "numbers": ((2,), (2,)),
    "momenta": ((2, 3), (2, 3)),
    "label": ((), (1,)),
    "classes": ((), (3,)),
}
LOSSES = {"numbers": "mse", "momenta": "momentum_mse", "label": "bce_logits", "classes": "focal"}


def no_weight(target, prediction):
    return 0.0


def an_array(target, prediction, weight=None):
    return np.zeros(3)


def no_number(target, prediction, weight=None):
    return None


@pytest.mark.parametrize("kind", OUTPUTS)
def test_every_metric_is_refused_or_gives_a_number(kind):
    assert _kinds() == set(OUTPUTS)
    task = Task(inputs=[], target="x", loss={"name": LOSSES[kind]}, weight=1.0, candidates={})
    tried = 0
    for name in metrics.names():
        if _mismatch(metrics.get(name), task) is None:
            try_metric(task, name, *OUTPUTS[kind])
            tried += 1
    assert tried


def _kinds():
    found = (losses.get(name).facts.get("target") for name in losses.names())
    return {kind for kind in found if kind}


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (no_weight, "'own' fails for target"),
        (an_array, "'own' gives shape (3,)"),
        (no_number, "'own' fails"),
    ],
)
def test_own_metrics_that_give_no_number(monkeypatch, metric, text):
    write_events()
    monkeypatch.setattr(metrics, "_entries", dict(metrics._entries))
    metrics.register("own", better="lower")(metric)
    found = mistakes(
        RECIPE.replace("[auc]", "[own]"), "select.metric=own", "pretrain.epochs=1", fast=False
    )
    assert [text in line for line in found] == [True, True], found
    assert "tasks.label_of.metrics.0" in found[0]
    assert "select.metric" in found[1]


def test_the_weights_are_no_target():
    write_events()
    (line,) = mistakes(RECIPE, "data.weight=label")
    assert "tasks.label_of.target: 'label' is data.weight; expected another column" in line
