"""Averages of weights along a training."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import small

from msml.errors import StoppedError
from msml.recipe.schema_training import Average
from msml.training.averaging import averaged
from msml.training.epoch import EpochResult
from msml.training.fit import Trainee

LONG = replace(small.FIT, epochs=6, patience=6)


def wandering(settings, shape=(3, 2), start=1.0):
    """Weights that go on from where they are, and what they were after each epoch."""
    weights = [keras.Variable(np.full(shape, start)), keras.Variable(np.full(shape[:1], -start))]
    kept = []

    def train(number):
        rng = np.random.default_rng(number)
        for weight in weights:
            weight.assign(0.7 * weight + rng.normal(size=weight.shape))
        kept.append([weight.numpy() for weight in weights])
        return EpochResult(np.zeros(1, np.float32), -1)

    epoch, state = averaged(train, weights, settings)
    named = dict(zip("ab", weights, strict=True))
    valid = lambda: np.array([abs(weights[0].numpy()).sum()])  # noqa: E731
    return Trainee("unit", ("total",), named, state, epoch, valid), kept


def is_mean(weights, kept, epochs):
    for place, weight in enumerate(weights):
        expected = np.mean([kept[epoch][place] for epoch in epochs], axis=0)
        np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 2), (4, 3, 2)])  # the latter for replicas at once
@pytest.mark.parametrize(
    ("settings", "means"),
    [
        (Average(start=1), [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]),
        (Average(start=3), [[0], [1], [2], [2, 3]]),
        (Average(start=2, every=2), [[0], [1], [1], [1, 3]]),
        (Average(start=2, every=3), [[0], [1], [1], [1]]),
    ],
)
def test_the_mean_of_what_was_trained(settings, means, shape):
    trained, kept = wandering(settings, shape)
    plain, same = wandering(None, shape)
    for number, epochs in enumerate(means):
        trained.train(number)
        plain.train(number)
        is_mean(trained.weights.values(), kept, epochs)
        own = [variable.numpy() for variable in trained.state.values()]
        assert all(map(np.array_equal, own, kept[-1]))
        assert all(map(np.array_equal, kept[-1], same[-1]))
    assert plain.state == {}


@pytest.mark.parametrize("stop", range(1, 6))
def test_resumed_anywhere_ends_the_same(tmp_path, stop):
    settings = Average(start=2, every=2)
    whole, _ = wandering(settings)
    history = small.run(whole, LONG)
    first, kept = wandering(settings)
    asked = lambda: "SIGTERM" if len(kept) == stop else None  # noqa: E731
    with pytest.raises(StoppedError):
        small.run(first, LONG, tmp_path / "c.h5", asked)
    second, _ = wandering(settings, start=5.0)  # all must come from the checkpoint
    assert small.run(second, LONG, tmp_path / "c.h5") == history
    assert small.same(small.values(second), small.values(whole))


def test_valid_and_the_best_weights_are_of_the_mean():
    """Of a chain, whose training itself stays as it was."""
    chain = small.small_chain()
    trained, kept = small.trainee(chain, LONG), []

    def train(number):
        result = trained.train(number)
        kept.append([variable.numpy() for variable in chain.variables()])
        return result

    epoch, more = averaged(train, chain.variables(), Average(start=1))
    trained_too = replace(trained, train=epoch, state={**trained.state, **more})
    history = small.run(trained_too, LONG)
    is_mean(chain.variables(), kept, range(history.best_epoch + 1))
    assert history.best_epoch > 0
    assert float(trained.valid()[-1]) == pytest.approx(history.best, rel=1e-6)
