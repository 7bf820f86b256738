"""One step on a chain, against automatic differentiation done by hand."""

import keras
import numpy as np
import pytest
import small
import tensorflow as tf

from msml.chain import WEIGHT, Chain, weighted_total
from msml.losses import bce_logits
from msml.recipe.schema_training import Fit
from msml.studies.htautau.losses import momentum_mse
from msml.training.epoch import Stream, compile_epoch, to_device
from msml.training.steps import make_loss_step, make_optimizer

SGD = Fit(optimizer={"name": "sgd", "learning_rate": 1.0})


def gradients(chain, weights, columns, settings=SGD):
    """Gradients of one step: what SGD at rate 1 subtracts."""
    before = [v.numpy() for v in chain.variables()]
    step = small.fit_step(chain, weights, make_optimizer(settings, chain.variables(), "float32"))
    losses = step({name: tf.constant(column) for name, column in columns.items()})
    after = [v.numpy() for v in chain.variables()]
    for variable, value in zip(chain.variables(), before, strict=True):
        variable.assign(value)
    return losses.numpy(), [old - new for old, new in zip(before, after, strict=True)]


def by_hand(chain, weights, columns):
    """The same with one functional Keras model and a tape."""
    jets, images = keras.Input((2, 4)), keras.Input((2, 12, 12, 3))
    momenta = chain.models["momentum"]([jets, images])
    both = keras.Model([jets, images], [momenta, chain.models["higgs"](momenta)])
    with tf.GradientTape() as tape:
        momenta, logits = both([columns["jets"], columns["calo_images"]])
        first = tf.reduce_mean(columns[WEIGHT] * momentum_mse(columns["taus"], momenta))
        second = tf.reduce_mean(columns[WEIGHT] * bce_logits(columns["label"], logits))
        total = weights["momentum"] * first + weights["higgs"] * second
    variables = [v.value for v in chain.variables()]
    found = tape.gradient(total, variables, unconnected_gradients="zero")
    return [float(first), float(second), float(total)], [g.numpy() for g in found]


@pytest.mark.parametrize("v", [0.0, 0.3, 1.0])
def test_gradients_of_the_chain(v):
    weight = np.random.default_rng(1).uniform(0, 2, 400).astype(np.float32)
    chain, columns = small.small_chain(weight=v), small.batch(weight=weight)
    weights = {"momentum": v, "higgs": 1 - v}
    losses, found = gradients(chain, weights, columns)
    expected_losses, expected = by_hand(chain, weights, columns)
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=2e-3, abs=1e-6)
    upstream = len(chain.models["momentum"].trainable_variables)
    moved = [bool(np.any(g != 0)) for g in found]
    assert any(moved[:upstream])  # also by the second loss alone
    assert any(moved[upstream:]) == (v < 1)


def test_a_weight_of_zero_removes_even_what_is_infinite():
    chain, columns = small.small_chain(weight=0.0), small.batch()
    columns["taus"] = np.full_like(columns["taus"], np.nan)
    weights = {"momentum": 0.0, "higgs": 1.0}
    losses, found = gradients(chain, weights, columns)
    assert np.isnan(losses[0])
    assert losses[1] == losses[2]
    assert np.isfinite(losses[2])
    clean = gradients(chain, weights, small.batch())[1]
    assert all(np.array_equal(a, b) for a, b in zip(found, clean, strict=True))
    epoch = compile_epoch(
        make_loss_step(chain, weights), Stream(to_device(columns), 64), losses=3, xla=False
    )
    assert epoch(np.arange(400)).bad_batch == -1


def test_totals():
    assert weighted_total([0.25, 0.75], [2.0, 4.0]) == 3.5
    assert weighted_total([0.0, 1.0], [float("nan"), 4.0]) == 4.0
    assert weighted_total([1.0, 0.0], [2.0, float("inf")]) == 2.0


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("v", [0.0, 1.0])
def test_weights_that_no_loss_sees_do_not_move(v, xla):
    """At v = 1 nothing reaches the second model; with Adam too."""
    chain = small.small_chain(weight=v)
    trained = small.trainee(chain, xla=xla)
    before = small.values(trained)
    for epoch in range(2):
        trained.train(epoch)
    after = small.values(trained)
    moved = {k.partition("/")[0] for k in before if not np.array_equal(before[k], after[k])}
    assert moved == ({"momentum"} if v == 1 else {"momentum", "higgs"})


def test_twice_the_weight_is_the_event_twice():
    rows = np.r_[np.arange(20), 3, 3, 7]
    weight = np.ones(20, np.float32)
    weight[3], weight[7] = 3, 2
    weight *= 20 / weight.sum()
    once, often = small.batch(np.arange(20)), small.batch(rows)
    once[WEIGHT] = weight
    chain, shares = small.small_chain(), {"momentum": 0.5, "higgs": 0.5}
    losses, found = gradients(chain, shares, once)
    expected_losses, expected = gradients(chain, shares, often)
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-7)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "adamw", "rmsprop"])
@pytest.mark.parametrize("name", ["zeros", "noise"])
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_models_without_parameters(name, optimizer, precision):
    chain = Chain(small.tasks(), {"momentum": small.model("momentum", name, precision=precision)})
    settings = Fit(optimizer={"name": optimizer}, clip_norm=1.0)
    made = make_optimizer(settings, chain.variables(), precision)
    step = small.fit_step(chain, {"momentum": 1.0}, made)
    losses = step({name: tf.constant(column) for name, column in small.batch().items()})
    assert np.isfinite(losses.numpy()).all()


def test_gradients_are_clipped_by_their_global_norm():
    chain, columns = small.small_chain(), small.batch()
    shares = {"momentum": 0.5, "higgs": 0.5}
    plain = gradients(chain, shares, columns)[1]
    norm = np.sqrt(sum((g**2).sum() for g in plain))
    clipped = gradients(
        chain, shares, columns, Fit(optimizer=SGD.optimizer, clip_norm=float(norm / 2))
    )[1]
    for one, other in zip(clipped, plain, strict=True):
        assert one == pytest.approx(other / 2, rel=1e-3, abs=1e-7)
    loose = Fit(optimizer=SGD.optimizer, clip_norm=float(norm * 2))
    for one, other in zip(gradients(chain, shares, columns, loose)[1], plain, strict=True):
        assert one == pytest.approx(other, rel=1e-5, abs=1e-8)
