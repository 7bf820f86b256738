"""Whole steps and trainings under a weighting, on the small chain."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import rules
import small
import tensorflow as tf

from msml.chain import WEIGHT, Chain
from msml.errors import DivergedError, StoppedError
from msml.recipe.schema_training import Fit
from msml.training.epoch import Stream, to_device
from msml.training.steps import make_optimizer
from msml.weighting.diagnosis import chain_diagnosis
from msml.weighting.gradients import shared_gram, task_gradients, weighted_gradients
from msml.weighting.rule import make_weighting, tasks_of
from msml.weighting.step import epochs, make_chain_step

SGD = Fit(optimizer={"name": "sgd", "learning_rate": 1.0})
HALF = {"momentum": 0.5, "higgs": 0.5}


def made(chain, name, weights=HALF):
    return make_weighting(rules.ALL[name], tasks_of(chain, weights, 7))


def tensors(columns=None):
    columns = small.batch(small.TRAIN) if columns is None else columns
    return {name: tf.constant(column) for name, column in columns.items()}


def moved(chain, weighting, columns=None, precision="float32", weights=HALF):
    """What one step of SGD at rate 1 subtracts, and the step's losses."""
    before = [v.numpy() for v in chain.variables()]
    optimizer = make_optimizer(SGD, chain.variables(), precision)
    step = make_chain_step(chain, weights, optimizer, weighting)
    losses = step(tensors(columns)).numpy()
    after = [v.numpy() for v in chain.variables()]
    for variable, value in zip(chain.variables(), before, strict=True):
        variable.assign(value)
    return losses, [old - new for old, new in zip(before, after, strict=True)]


def by_task(chain):
    """Gradients of each task's loss by hand, None where there is none."""
    variables = [v.value for v in chain.variables()]
    with tf.GradientTape(persistent=True) as tape:
        batch = tensors()
        values = chain.task_losses(batch, chain.outputs(batch, training=True))
    return values, [tape.gradient(value, variables) for value in values]


def trainee(chain, name, xla=False, settings=small.FIT, precision="float32", weights=HALF):
    """As the stages do it."""
    trained = small.trainee(chain, settings, precision, weights=weights)
    optimizer = make_optimizer(settings, chain.variables(), precision)
    weighting = made(chain, name, weights)
    columns = [*chain.columns(), WEIGHT]
    train = to_device({column: small.batch(small.TRAIN)[column] for column in columns})
    step = make_chain_step(chain, weights, optimizer, weighting)
    state = {f"{i:03d}": v for i, v in enumerate(optimizer.variables)} | weighting.variables
    stream = Stream(train, settings.batch_size)
    train_one = epochs(step, [stream], 0, "unit", losses=3, xla=xla, weighting=weighting)
    return replace(trained, state=state, train=train_one), weighting


def test_fixed_is_the_plain_step_bit_for_bit(tmp_path):
    plain = small.trainee(small.small_chain())
    history = small.run(plain)
    weighted, _ = trainee(small.small_chain(), "fixed")
    assert small.run(weighted) == history
    assert small.same(small.values(weighted), small.values(plain))


@pytest.mark.parametrize("weights", [HALF, {"momentum": 0.0, "higgs": 1.0}])
def test_fixed_gradients_by_the_general_way(weights):
    """For steps that call `weighted_gradients` themselves."""
    chain, columns = small.small_chain(), small.batch(small.TRAIN)
    if weights["momentum"] == 0:
        columns["taus"] = np.full_like(columns["taus"], np.nan)
    expected = moved(chain, made(chain, "fixed", weights), columns, weights=weights)[1]
    with tf.GradientTape() as tape:
        batch = tensors(columns)
        values = chain.task_losses(batch, chain.outputs(batch, training=True))
    found = weighted_gradients(tape, values, chain.variables(), made(chain, "fixed", weights))
    for one, other in zip(found, expected, strict=True):
        assert one.numpy() == pytest.approx(other, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", rules.ON_GRADIENTS)
def test_unshared_weights_take_their_own_gradient(name):
    chain = small.small_chain()
    values, own = by_task(chain)
    weighting = made(chain, name)
    gram = shared_gram(own)
    expected = weighting.coefficients(tf.stack(values), gram).numpy()
    losses, found = moved(chain, weighting)
    upstream = len(chain.models["momentum"].trainable_variables)
    flat = [np.concatenate([g.numpy().ravel() for g in row[:upstream]]) for row in own]
    assert gram.numpy() == pytest.approx(np.array(flat) @ np.array(flat).T, rel=1e-4)
    assert losses == pytest.approx([*map(float, values), sum(map(float, values)) / 2], rel=1e-5)
    for i, gradient in enumerate(found):
        first, second = own[0][i], own[1][i]
        assert (first is None) == (i >= upstream)
        wanted = second if first is None else expected[0] * first + expected[1] * second
        assert gradient == pytest.approx(wanted.numpy(), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("name", sorted(set(rules.ALL) - set(rules.ON_GRADIENTS) - {"fixed"}))
def test_weights_of_losses_weigh_all_gradients_alike(name):
    chain = small.small_chain()
    values, own = by_task(chain)
    weighting = made(chain, name)
    first, second = weighting.coefficients(tf.stack(values), None).numpy()
    for i, gradient in enumerate(moved(chain, weighting)[1]):
        wanted = second * own[1][i] + (0 if own[0][i] is None else first * own[0][i])
        assert gradient == pytest.approx(wanted.numpy(), rel=1e-3, abs=1e-5)


def test_famo_measures_the_same_batch_after_the_step():
    chain, columns = small.small_chain(), small.batch(small.TRAIN)
    weighting = made(chain, "famo")
    seen = []
    spied = replace(weighting, after=lambda *losses: seen.append([x.numpy() for x in losses]))
    optimizer = make_optimizer(small.FIT, chain.variables(), "float32")
    step = make_chain_step(chain, HALF, optimizer, spied)
    losses = step(tensors(columns)).numpy()
    again = chain.task_losses(tensors(columns), chain.outputs(tensors(columns), training=True))
    ((before, after),) = seen
    assert np.array_equal(before, losses[:2])
    assert after == pytest.approx([float(x) for x in again], rel=1e-5)
    assert not np.array_equal(before, after)


def test_the_weights_v_do_not_move_anything_under_a_rule():
    """They stay what the total is made of, also at 0."""
    only_last = {"momentum": 0.0, "higgs": 1.0}
    results = []
    for weights in (HALF, only_last):
        chain = small.small_chain()
        results.append(moved(chain, made(chain, "cagrad", weights), weights=weights))
    (losses, found), (other_losses, other) = results
    assert all(np.array_equal(a, b) for a, b in zip(found, other, strict=True))
    assert np.array_equal(losses[:2], other_losses[:2])
    assert other_losses[2] == losses[1]


@pytest.mark.parametrize("name", ["seed", "cagrad"])
def test_a_loss_that_is_not_finite_shows_in_the_total_whatever_its_weight(name):
    weights = {"momentum": 0.0, "higgs": 1.0}
    chain, columns = small.small_chain(), small.batch(small.TRAIN)
    columns["taus"] = np.full_like(columns["taus"], np.nan)
    losses, _ = moved(chain, made(chain, name, weights), columns, weights=weights)
    assert np.isfinite(losses[1])
    assert np.isnan(losses[2])


@pytest.mark.parametrize("name", rules.ON_GRADIENTS)
@pytest.mark.parametrize("upstream", ["zeros", "noise"])
def test_nothing_shared(name, upstream):
    """A first model without weights, and a chain of one: only plain gradients."""
    chain = small.small_chain(momentum=upstream)
    _, own = by_task(chain)
    alone = Chain(chain.tasks, {"higgs": chain.models["higgs"]})
    for trained, gradients in ((chain, own[1]), (alone, by_task(alone)[1][0])):
        weights = dict.fromkeys(trained.models, 1.0)
        _, found = moved(trained, made(trained, name, weights), weights=weights)
        if upstream == "zeros":
            for one, other in zip(found, gradients, strict=True):
                assert one == pytest.approx(other.numpy(), rel=1e-4, abs=1e-6)
        assert all(np.isfinite(gradient).all() for gradient in found)


@pytest.mark.parametrize("name", rules.ALL)
def test_no_weights_at_all(name):
    chain = Chain(small.tasks(), {"momentum": small.model("momentum", "zeros")})
    losses, found = moved(chain, made(chain, name, {"momentum": 1.0}), weights={"momentum": 1.0})
    assert np.isfinite(losses).all()
    assert found == []


RULES = ("seed", "dwa", "gradnorm", "imtl-g", "imtl-l", "mgda", "cagrad", "pcgrad", "famo")
COMPILED = [
    # The other rules have less to compile; all coefficients are compiled in their own tests.
    ("gradnorm", True),
    *(("cagrad", False), ("pcgrad", False)),
    *(pytest.param(name, xla, marks=pytest.mark.slow) for name in RULES for xla in (False, True)),
]


@pytest.mark.parametrize(("name", "xla"), COMPILED)
def test_every_rule_trains_in_the_compiled_epoch(name, xla):
    trained, weighting = trainee(small.small_chain(), name, xla)
    before = {key: v.numpy() for key, v in weighting.state.items()}
    history = small.run(trained, small.settings(3))
    assert history.train[-1]["total"] < history.train[0]["total"]
    changed = [key for key, v in weighting.state.items() if not np.array_equal(before[key], v)]
    assert bool(changed) == bool(before)


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        pytest.param("gradnorm", "mixed_float16", marks=pytest.mark.slow),
        ("random", "float32"),
        pytest.param("dwa", "float32", marks=pytest.mark.slow),
        pytest.param("famo", "float32", marks=pytest.mark.slow),
    ],
)
def test_resumed_training_ends_the_same(tmp_path, name, precision):
    short, path = small.settings(4), tmp_path / "parts.h5"

    def fresh(seed=1):
        return trainee(small.small_chain(seed, precision), name, False, short, precision)

    whole, rule = fresh()
    history = small.run(whole, short, tmp_path / "whole.h5")
    parts, _ = fresh()
    epochs = iter([None, "SIGTERM"])
    with pytest.raises(StoppedError, match="epoch 2"):
        small.run(parts, short, path, stop=lambda: next(epochs))
    parts, again = fresh(seed=2)  # all must come from the checkpoint
    assert small.run(parts, short, path) == history
    assert small.same(small.values(parts), small.values(whole))
    for key, variable in rule.state.items():
        assert np.array_equal(variable.numpy(), again.state[key].numpy())


@pytest.mark.parametrize("name", ["cagrad", "gradnorm", "seed", "famo"])
def test_loss_scaling_of_float16(name):
    """The same step as without scaling, and a state that survives an overflow."""
    chain = small.small_chain(precision="mixed_float16")
    weighting = made(chain, name)
    if weighting.after_epoch:
        weighting.after_epoch(np.ones(2, np.float32))
    scaled = moved(chain, weighting, precision="mixed_float16")[1]
    plain = moved(chain, made(chain, name), precision="float32")[1]
    for one, other in zip(scaled, plain, strict=True):
        assert one == pytest.approx(other, rel=0.05, abs=2e-3)
    optimizer = make_optimizer(small.FIT, chain.variables(), "mixed_float16")
    optimizer.dynamic_scale.assign(2.0**40)
    before = [v.numpy() for v in chain.variables()]
    make_chain_step(chain, HALF, optimizer, weighting)(tensors())
    assert float(optimizer.dynamic_scale) == 2.0**39  # the step was left out
    after = [v.numpy() for v in chain.variables()]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(np.isfinite(v.numpy()).all() for v in weighting.state.values())


def test_training_that_diverges_restores_the_state_of_the_rule(tmp_path):
    wild = replace(small.FIT, optimizer={"name": "sgd", "learning_rate": 1e30})
    trained, weighting = trainee(small.small_chain(), "dwa", settings=wild)
    before = {key: v.numpy() for key, v in weighting.state.items()}
    with pytest.raises(DivergedError, match="not finite in epoch 1"):
        small.run(trained, wild, tmp_path / "c.h5")
    assert all(np.array_equal(before[key], v.numpy()) for key, v in weighting.state.items())


@pytest.mark.parametrize("name", ["fixed", "cagrad", "seed", "random"])
def test_diagnosis(name):
    chain = small.small_chain()
    values, own = by_task(chain)
    gram = shared_gram(own).numpy()
    weighting = made(chain, name)
    found = chain_diagnosis(chain, weighting)(tensors())
    expected = weighting.coefficients(tf.stack(values), tf.constant(gram)).numpy()
    assert list(found["coefficients"].values()) == pytest.approx(expected.tolist(), rel=1e-4)
    assert list(found["losses"].values()) == pytest.approx([float(v) for v in values], rel=1e-5)
    pair = "momentum,higgs"
    cosine = gram[0, 1] / np.sqrt(gram[0, 0] * gram[1, 1])
    assert found["cosine"] == {pair: pytest.approx(cosine, rel=1e-4)}
    assert found["norm_ratio"] == {pair: pytest.approx(np.sqrt(gram[0, 0] / gram[1, 1]), rel=1e-4)}


def test_a_diagnosis_changes_nothing():
    chain = small.small_chain(momentum="noise")
    weighting = made(chain, "random")
    kept = [v for model in chain.models.values() for v in model.variables]
    kept += weighting.state.values()
    before = [v.numpy() for v in kept]
    look = chain_diagnosis(chain, weighting)
    first = look(tensors())
    assert look(tensors()) == first
    assert first["cosine"] == first["norm_ratio"] == {"momentum,higgs": None}  # nothing is shared
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, kept, strict=True))


def test_three_losses_with_partly_shared_weights():
    """A weight that two of three losses see is shared; slices count as gradients."""
    table = keras.Variable(np.ones((3, 2)), dtype="float32")
    two, one = keras.Variable([1.0, 2.0]), keras.Variable([3.0])
    unused = keras.Variable([5.0])
    variables = [table, two, one, unused]
    with tf.GradientTape(persistent=True) as tape:
        row = tf.gather(table.value, [0])[0]
        losses = [
            tf.reduce_sum(row),
            tf.reduce_sum(row * two.value),
            tf.reduce_sum(2 * row - two.value) + tf.reduce_sum(one.value**2),
        ]
    own = task_gradients(tape, losses, variables)
    assert [[g is None for g in gradients] for gradients in own] == [
        [False, True, True, True],
        [False, False, True, True],
        [False, False, False, True],
    ]
    assert shared_gram(own).numpy() == pytest.approx(
        np.array([[2, 3, 4], [3, 5 + 2, 6 - 2], [4, 6 - 2, 8 + 2]])
    )
    weighting = replace(
        rules.rule("mgda", 3), coefficients=lambda *_: tf.constant([1.0, 10.0, 100.0])
    )
    found = weighted_gradients(tape, losses, variables, weighting, tf.constant(4.0))
    assert found[0].numpy() == pytest.approx(4 * np.array([[211, 221], [0, 0], [0, 0]]))
    assert found[1].numpy() == pytest.approx(4 * np.array([10 - 100, 10 - 100]))
    assert found[2].numpy() == pytest.approx([4 * 6])
    assert found[3].numpy() == 0
