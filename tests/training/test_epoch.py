import numpy as np
import pytest
import small
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from msml.chain import WEIGHT
from msml.training.epoch import Stream, compile_epoch, epoch_order, shuffled, to_device
from msml.training.steps import make_loss_step

ROWS = 37


def counting(batch_size, xla=False, rows=ROWS):
    """An epoch whose step counts how often it saw each event, and in which order."""
    seen = tf.Variable(tf.zeros(rows, tf.int32))
    sizes = tf.Variable(0)

    def step(batch):
        seen.assign(tf.tensor_scatter_nd_add(seen, batch["id"][:, None], tf.ones_like(batch["id"])))
        sizes.assign_add(1)
        return tf.stack([tf.reduce_mean(tf.cast(batch["id"], tf.float32))])

    columns = to_device({"id": np.arange(rows, dtype=np.int32)})
    return compile_epoch(step, Stream(columns, batch_size), losses=1, xla=xla), seen, sizes


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("batch_size", [1, 10, 36, 37, 100])
def test_every_event_is_used_once(batch_size, xla):
    epoch, seen, batches = counting(batch_size, xla)
    for number in range(3):
        result = epoch(epoch_order(ROWS, 1, "unit", number))
        assert seen.numpy().tolist() == [number + 1] * ROWS
        assert int(batches) == (number + 1) * -(-ROWS // batch_size)
        assert result.losses[0] == pytest.approx((ROWS - 1) / 2, rel=1e-6)
        assert result.bad_batch == -1


def test_batches_follow_the_order():
    batches = []
    columns = to_device({"id": np.arange(10, dtype=np.int32)})

    def step(batch):
        tf.py_function(lambda ids: batches.append(ids.numpy().tolist()), [batch["id"]], [])
        return tf.zeros(1)

    order = np.array([9, 1, 8, 2, 7, 3, 6, 4, 5, 0], np.int32)
    compile_epoch(step, Stream(columns, 4), losses=1, xla=False)(order)
    assert batches == [[9, 1, 8, 2], [7, 3, 6, 4], [5, 0]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 25, 36])
def test_the_first_bad_batch_is_found(bad, row):
    values = np.zeros(ROWS, np.float32)
    values[row:] = bad
    epoch = compile_epoch(
        lambda batch: tf.stack([tf.reduce_sum(batch["x"])]),
        Stream(to_device({"x": values}), 10),
        losses=1,
        xla=False,
    )
    assert epoch(np.arange(ROWS)).bad_batch == row // 10


def test_only_the_minimised_loss_can_be_bad():
    epoch = compile_epoch(
        lambda batch: tf.stack([np.inf * tf.reduce_sum(batch["x"]), tf.constant(1.0)]),
        Stream(to_device({"x": np.ones(5, np.float32)}), 2),
        losses=2,
        xla=False,
    )
    assert epoch(np.arange(5)).bad_batch == -1


def test_the_order_is_a_pure_function_of_seed_key_and_epoch():
    first = epoch_order(100, 1, "pretrain/tau/mlp", 3)
    tf.random.set_seed(5)
    assert epoch_order(100, 1, "pretrain/tau/mlp", 3).tolist() == first.tolist()
    assert sorted(first.tolist()) == list(range(100))
    others = [
        epoch_order(100, 2, "pretrain/tau/mlp", 3),
        epoch_order(100, 1, "pretrain/tau/cnn", 3),
        epoch_order(100, 1, "pretrain/tau/mlp", 4),
        np.arange(100),
    ]
    assert all(other.tolist() != first.tolist() for other in others)


def test_the_order_of_the_first_version_stays():
    """Of the shipped results; another NumPy must not change it unseen."""
    assert epoch_order(8, 0, "a", 0).tolist() == [2, 7, 4, 3, 5, 1, 6, 0]


@pytest.mark.parametrize("xla", [False, True])
def test_losses_are_those_of_numpy(xla):
    rng = np.random.default_rng(1)
    weight = rng.uniform(0, 2, 400).astype(np.float32)
    chain = small.small_chain(weight=0.3)
    columns = small.batch(weight=weight)
    epoch = compile_epoch(
        make_loss_step(chain, {"momentum": 0.3, "higgs": 0.7}),
        Stream(to_device(columns), 64),
        losses=3,
        xla=xla,
    )
    found = epoch(epoch_order(400, 1, "unit", 0)).losses
    momenta = np.asarray(chain.models["momentum"]([columns["jets"], columns["calo_images"]]))
    logit = np.asarray(chain.models["higgs"](momenta))[:, 0].astype(np.float64)

    def cartesian(vectors):
        pt = np.exp(vectors[..., 0].astype(np.float64)) - 0.1
        eta, phi = vectors[..., 1], vectors[..., 2]
        return np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], -1)

    squares = ((cartesian(momenta) - cartesian(columns["taus"])) / 100) ** 2
    first = np.mean(weight * squares.mean(axis=(1, 2)))
    second = np.mean(weight * (np.logaddexp(0, logit) - logit * columns["label"]))
    assert found == pytest.approx([first, second, 0.3 * first + 0.7 * second], rel=1e-5)


@pytest.mark.slow
def test_xla_and_no_xla_agree():
    results = []
    for xla in (False, True):
        trained = small.trainee(small.small_chain(), xla=xla)
        result = trained.train(0)
        results.append([*result.losses, *trained.valid()])
    assert results[0] == pytest.approx(results[1], rel=1e-5)


def test_train_and_valid_never_mix():
    """Garbage in valid changes no weight, and what train holds does not enter a valid loss."""
    chain = small.small_chain()
    trained = small.trainee(chain)
    before = trained.valid()
    assert trained.valid().tolist() == before.tolist()  # and moves nothing
    trained.train(0)
    weights = small.values(trained)

    other = small.small_chain()
    columns = small.batch(small.VALID, seed=9)
    step = make_loss_step(other, {"momentum": 0.5, "higgs": 0.5})
    measure = compile_epoch(step, Stream(to_device(columns), 100), losses=3, xla=False)
    again = small.trainee(other)
    garbage = measure(np.arange(150)).losses
    assert garbage.tolist() != before.tolist()
    again.train(0)
    assert small.same(weights, small.values(again))
    assert WEIGHT in columns


def pairs(first, second, sizes, xla=False):
    """An epoch over two streams; what each step saw of both."""
    seen = []

    def step(one, other):
        tf.py_function(
            lambda a, b: seen.append((a.numpy().tolist(), b.numpy().tolist())),
            [one["id"], other["id"]],
            [],
        )
        return tf.zeros(1)

    streams = [
        Stream(to_device({"id": np.arange(n, dtype=np.int32)}), size)
        for n, size in zip((first, second), sizes, strict=True)
    ]
    epoch = compile_epoch(step, *streams, losses=1, xla=xla)
    epoch(np.arange(first, dtype=np.int32), np.arange(second, dtype=np.int32))
    return seen


def test_two_streams_go_side_by_side():
    assert pairs(6, 3, (4, 2)) == [([0, 1, 2, 3], [0, 1]), ([4, 5], [2])]
    assert pairs(4, 2, (2, 1)) == [([0, 1], [0]), ([2, 3], [1])]
    assert pairs(4, 5, (2, 2)) == [([0, 1], [0, 1]), ([2, 3], [2, 3, 4])]


@given(train=st.integers(1, 60), valid=st.integers(1, 60), batch_size=st.integers(1, 70))
@settings(max_examples=15, deadline=None)
def test_every_event_of_both_streams_is_used_once(train, valid, batch_size):
    size = max(1, batch_size * valid // train)
    if -(-train // batch_size) > valid:
        return
    seen = pairs(train, valid, (batch_size, size))
    assert [i for one, _ in seen for i in one] == list(range(train))
    assert [i for _, other in seen for i in other] == list(range(valid))
    assert all(one and other for one, other in seen)


def test_streams_have_orders_of_their_own():
    orders = []
    run = shuffled(lambda *them: orders.append([o.tolist() for o in them]), [8, 8], 0, "a")
    run(0)
    run(1)
    assert orders[0][0] == epoch_order(8, 0, "a", 0).tolist()
    assert orders[0][0] != orders[0][1]
    assert orders[0] != orders[1]
