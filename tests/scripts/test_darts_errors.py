"""The study's plugin makes the two mistakes as the published code does, with its known figures."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import small
import tensorflow as tf

from msml.registry import strategies
from msml.strategies.darts.alphas import Alphas
from msml.strategies.darts.bilevel import alpha_gradient
from msml.strategies.darts.step import DartsStep, Objective, values
from msml.strategies.supernet import Given
from msml.training.epoch import Stream
from msml.weighting.rule import Tasks, make_weighting

PLUGIN = Path(__file__).parents[2] / "scripts" / "studies" / "darts_errors" / "published.py"
RATE = 0.5  # large, so that the mixed derivative counts


@pytest.fixture(scope="module")
def published():
    spec = importlib.util.spec_from_file_location("published", PLUGIN)
    module = sys.modules["published"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    strategies.forget("published")
    del sys.modules["published"]


def test_most_valid_events_train_weights(published):
    """Of 60,000 train and 20,000 valid events in 50 steps: 14,800 on the wrong side of each."""
    train, valid = (
        Stream({"event": tf.range(first, last)}, size)
        for first, last, size in ((0, 60_000, 1200), (60_000, 80_000, 400))
    )
    first, second = published.mixed(train, valid)
    weights, alphas = (stream.columns["event"].numpy() for stream in (first, second))
    assert (len(weights), len(alphas)) == (60_000, 20_000)
    assert (first.batch_size, second.batch_size) == (1200, 400)
    assert np.sum(weights >= 60_000) == np.sum(alphas < 60_000) == 14_800
    assert np.array_equal(np.sort([*weights, *alphas]), np.arange(80_000))
    whole = np.arange(37 * 1200)  # steps of train events only
    assert np.all(weights[whole] < 60_000)
    assert np.all(weights[38 * 1200 :] >= 60_000)


class Recorder:
    def scale_loss(self, loss):
        return loss

    def apply(self, gradients, variables):
        self.gradients = [np.asarray(gradient) for gradient in gradients]


def test_the_virtual_step_stays_and_the_difference_is_one_sided(published):
    momentum = {
        "mlp": small.model("momentum", "tau_mlp", **small.SMALL_TAU),
        "sf": small.model("momentum", "tau_scale_factor"),
    }
    net = small.supernet(momentum=momentum)
    objective = Objective(net, {"momentum": 0.5, "higgs": 0.5})
    alphas = Alphas(net).variables
    train, valid = (
        {name: tf.constant(column) for name, column in small.batch(rows).items()}
        for rows in (small.TRAIN[:64], small.VALID[:38])
    )
    before, now = values(net.variables), values(alphas)
    of_train, of_valid = (objective.loss(Given(batch), 1.0) for batch in (train, valid))

    def by_weights(loss, weights):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            value = loss(weights, now)
        return tape.gradient(value, weights)

    moved = [w - RATE * g for w, g in zip(before, by_weights(of_train, before), strict=True)]
    direction = by_weights(of_valid, moved)
    radius = 0.01 / sum(float(tf.reduce_sum(g**2)) for g in direction)
    ahead = [w + radius * g for w, g in zip(moved, direction, strict=True)]
    direct, here, there = (
        np.concatenate(alpha_gradient(loss, weights, now))
        for weights, loss in ((moved, of_valid), (moved, of_train), (ahead, of_train))
    )

    step = DartsStep(
        objective=objective,
        alphas=alphas,
        optimizer=Recorder(),
        alpha_optimizer=Recorder(),
        rate=RATE,
        exact=True,
        draws=tf.Variable([0, 0]),
        weighting=make_weighting({"name": "fixed"}, Tasks((0.5, 0.5), (False, True), 0)),
    )
    kept = published._KeptLookAhead(**vars(step))
    kept(train, valid)
    for variable, expected in zip(net.variables, moved, strict=True):
        assert variable.numpy() == pytest.approx(expected.numpy(), rel=1e-5, abs=1e-7)
    found = np.concatenate(kept.alpha_optimizer.gradients)
    # Twice the radius under a difference over one radius: about half the mixed derivative.
    assert found == pytest.approx(direct - RATE * (there - here) / (2 * radius), rel=1e-3)
    assert np.abs(found - direct).max() > 1e-4
