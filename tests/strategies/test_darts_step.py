"""One step of DARTS, and epochs of it, on small candidates of the real kinds."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import small
import tensorflow as tf

from msml.chain import WEIGHT
from msml.losses import bce_logits
from msml.recipe.schema_training import Fit
from msml.strategies.darts.alphas import Alphas
from msml.strategies.darts.bilevel import alpha_gradient, difference_gradient, unrolled_gradient
from msml.strategies.darts.step import DartsStep, Objective, make_supernet_loss_step
from msml.strategies.supernet import Given
from msml.studies.htautau.losses import momentum_mse
from msml.training.checkpoint import variable_arrays
from msml.training.epoch import Stream, compile_epoch, epoch_order, to_device
from msml.training.steps import make_optimizer
from msml.training.variables import models_variables, numbered
from msml.weighting.rule import Tasks, make_weighting

RATE = 1e-2
ADAM = Fit({"name": "adam", "learning_rate": 1e-2})
SGD = Fit({"name": "sgd", "learning_rate": 1e-2})
ORDERS = [(None, True), (RATE, True), (RATE, False)]
ALPHA = {"momentum": [0.4, -0.3, 0.1, 0.2], "higgs": [-0.2, 0.3]}


class Recorder:
    """Takes gradients and changes nothing."""

    def scale_loss(self, loss):
        return loss

    def apply(self, gradients, variables):
        self.gradients = [np.asarray(gradient) for gradient in gradients]
        assert len(self.gradients) == len(variables)


def search(net, weights, alphas, rate=None, *, exact=True, at=None, precision="float32"):
    """Supernet, α, step and optimizers; the latter are settings or given."""
    values = dict(zip(net.models, Alphas(net).variables, strict=True))
    for task, value in (at or {}).items():
        values[task].assign(value)
    if isinstance(weights, Fit):
        weights = make_optimizer(weights, net.variables, precision)
    if isinstance(alphas, Fit):
        alphas = make_optimizer(alphas, list(values.values()), "float32")
    objective = Objective(net, {task: spec.weight for task, spec in net.tasks.items()})
    step = DartsStep(
        objective=objective,
        alphas=list(values.values()),
        optimizer=weights,
        alpha_optimizer=alphas,
        rate=rate,
        exact=exact,
        draws=tf.Variable([0, 0]),
        weighting=make_weighting(
            {"name": "fixed"}, Tasks(tuple(objective.task_weights.values()), (False, True), 0)
        ),
    )
    return SimpleNamespace(
        net=net, objective=objective, alphas=values, weights=weights, of_alphas=alphas, step=step
    )


def tensors(rows, **changed):
    columns = small.batch(rows) | changed
    return {name: tf.constant(column[: len(rows)]) for name, column in columns.items()}


def one_step(made, train=None, valid=None):
    """A step on the first batches; what changed."""
    train = train or tensors(small.TRAIN[:64])
    valid = valid or tensors(small.VALID[:38])
    return made.step(train, valid).numpy()


def kept(net):
    return variable_arrays(models_variables(net.models))


def alphas_of(made):
    return np.concatenate([alpha.numpy() for alpha in made.alphas.values()])


def epoch_of(made, train=None, valid=None, xla=False):
    """One compiled epoch over all events, in five steps."""
    streams = [
        Stream(to_device(train or small.batch(small.TRAIN)), 50),
        Stream(to_device(valid or small.batch(small.VALID)), 30),
    ]
    losses = len(made.net.losses) + 1
    epoch = compile_epoch(made.step, *streams, losses=losses, xla=xla)
    return epoch(*(epoch_order(stream.events, 0, "unit", 0) for stream in streams))


@pytest.mark.parametrize(("rate", "exact"), ORDERS)
def test_an_alpha_step_leaves_the_weights_bit_identical(rate, exact):
    made = search(small.supernet(), Recorder(), ADAM, rate, exact=exact)
    before = kept(made.net)
    losses = one_step(made)
    after = kept(made.net)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert all(name.startswith("momentum/noise/") for name in changed)  # its random numbers
    assert np.isfinite(losses).all()
    assert np.all(alphas_of(made) != 0)  # and α did move


def plain_gradients(net, alphas, columns):
    """The weights' gradients by one tape over the Keras models."""
    v, noise = net.tasks["momentum"].weight, kept(net)
    with tf.GradientTape() as tape:
        inputs = [columns["jets"], columns["calo_images"]]
        outputs = [model(inputs, training=True) for model in net.models["momentum"].values()]
        mixed = sum(s * o for s, o in zip(softmax(alphas["momentum"]), outputs, strict=True))
        heads = [model(mixed, training=True) for model in net.models["higgs"].values()]
        final = sum(s * o for s, o in zip(softmax(alphas["higgs"]), heads, strict=True))
        taus = [
            tf.reduce_mean(columns[WEIGHT] * momentum_mse(columns["taus"], o))
            for o in (mixed, *outputs)
        ]
        label = [
            tf.reduce_mean(columns[WEIGHT] * bce_logits(columns["label"], o))
            for o in (final, *heads)
        ]
        whole = v * sum(taus) + (1 - v) * sum(label)
    for name, variable in models_variables(net.models).items():
        variable.assign(noise[name])
    return [np.asarray(g) for g in tape.gradient(whole, [v.value for v in net.variables])]


def softmax(alpha):
    powers = np.exp(np.array(alpha, np.float32))
    return list(powers / powers.sum())


@pytest.mark.parametrize(("rate", "exact"), [(None, True), (RATE, True)])
def test_the_weights_follow_plain_automatic_differentiation(rate, exact):
    """Also where α's gradient shares the forward pass; α stays because its rate is 0."""
    weight = np.random.default_rng(1).uniform(0, 2, 400).astype(np.float32)
    train = tensors(small.TRAIN[:64], **{WEIGHT: weight})
    still = Fit({"name": "sgd", "learning_rate": 0.0})
    made = search(small.supernet(weight=0.3), Recorder(), still, rate, exact=exact, at=ALPHA)
    expected = plain_gradients(made.net, ALPHA, train)
    one_step(made, train)
    assert alphas_of(made) == pytest.approx([*ALPHA["momentum"], *ALPHA["higgs"]])
    for found, gradient in zip(made.weights.gradients, expected, strict=True):
        assert found == pytest.approx(gradient, rel=2e-3, abs=1e-6)


def test_weights_descend_at_the_new_alpha():
    """The order of a step: α first, then the weights with that α."""
    made = search(small.supernet(), Recorder(), Fit({"name": "sgd", "learning_rate": 5.0}))
    one_step(made)
    assert np.abs(alphas_of(made)).max() > 0.05
    now = {task: alpha.numpy() for task, alpha in made.alphas.items()}
    # What noise drew in that step is drawn again from its first state.
    noise, first = made.net.models["momentum"]["noise"], small.model("momentum", "noise")
    for variable, value in zip(noise.variables, first.variables, strict=True):
        variable.assign(value)
    expected = plain_gradients(made.net, now, tensors(small.TRAIN[:64]))
    for found, gradient in zip(made.weights.gradients, expected, strict=True):
        assert found == pytest.approx(gradient, rel=2e-3, abs=1e-6)


def test_every_event_goes_to_its_own_side_once():
    """Events are counted as the step sees them."""
    made = search(small.supernet(), SGD, SGD)
    seen = {side: tf.Variable(tf.zeros(400, tf.int32)) for side in ("train", "valid")}
    inner = made.step

    def counting(train, valid):
        for side, batch in (("train", train), ("valid", valid)):
            ids = batch.pop("id")
            ones = tf.ones_like(ids)
            seen[side].assign(tf.tensor_scatter_nd_add(seen[side], ids[:, None], ones))
        return inner(train, valid)

    made.step = counting
    ids = np.arange(400, dtype=np.int32)
    columns = [small.batch(rows) | {"id": ids[rows]} for rows in (small.TRAIN, small.VALID)]
    epoch_of(made, *columns)
    in_train = np.isin(ids, small.TRAIN).astype(int)
    assert seen["train"].numpy().tolist() == in_train.tolist()
    assert seen["valid"].numpy().tolist() == (1 - in_train).tolist()


def other(rows):
    """The same events with garbage for everything that a loss or a model sees."""
    rng = np.random.default_rng(3)
    columns = small.batch(rows)
    return {
        name: tf.constant(rng.uniform(0.1, 2, column.shape).astype(np.float32))
        for name, column in columns.items()
    }


@pytest.mark.parametrize("rate", [None, RATE])
def test_no_validation_event_ever_updates_a_weight(rate):
    """Other valid events, α held: the same weights after some steps, bit for bit."""
    results = []
    for valid in (tensors(small.VALID[:38]), other(small.VALID[:38])):
        made = search(small.supernet(), ADAM, Fit({"name": "sgd", "learning_rate": 0.0}), rate)
        for first in (0, 64, 128):
            one_step(made, tensors(small.TRAIN[first : first + 64]), valid)
        assert np.array_equal(alphas_of(made), np.zeros(6))
        results.append(kept(made.net))
    assert small.same(*results)


def test_no_training_event_ever_updates_alpha_in_first_order():
    """Other train events, the same weights: the same gradient of α, bit for bit."""
    found = {}
    for rate in (None, RATE):
        for rows in ("train", "other"):
            made = search(small.supernet(), Recorder(), Recorder(), rate, at=ALPHA)
            train = other(small.TRAIN[:64]) if rows == "other" else None
            one_step(made, train)
            found[rate, rows] = np.concatenate(made.of_alphas.gradients)
    assert np.array_equal(found[None, "train"], found[None, "other"])
    assert np.all(found[RATE, "train"] != found[RATE, "other"])  # the virtual step is on train
    assert np.all(found[None, "train"] != 0)


def normalised():
    jets, images = keras.Input((2, 4)), keras.Input((2, 12, 12, 3))
    numbers = keras.layers.BatchNormalization(momentum=0.9)(jets)
    return keras.Model([jets, images], keras.layers.Dense(3)(numbers))


@pytest.mark.parametrize(("rate", "exact"), ORDERS)
def test_state_is_advanced_by_train_events_only_and_once(rate, exact):
    noise = small.model("momentum", "noise")
    net = small.supernet(momentum={"bn": normalised(), "noise": noise})
    train = tensors(small.TRAIN[:64])
    alone = small.model("momentum", "noise")
    alone([train["jets"], train["calo_images"]], training=True)
    made = search(net, SGD, SGD, rate, exact=exact)
    one_step(made, train)
    (layer,) = (x for x in net.models["momentum"]["bn"].layers if "batch_norm" in x.name)
    mean = train["jets"].numpy().mean(axis=(0, 1))
    assert layer.moving_mean.numpy() == pytest.approx(0.1 * mean, rel=1e-4, abs=1e-6)
    for found, expected in zip(
        noise.non_trainable_variables, alone.non_trainable_variables, strict=True
    ):
        assert found.numpy().tolist() == expected.numpy().tolist()


@pytest.mark.parametrize(("rate", "exact"), ORDERS)
@pytest.mark.parametrize("v", [0.0, 1.0])
def test_a_task_of_weight_zero(v, rate, exact):
    made = search(small.supernet(weight=v), ADAM, ADAM, rate, exact=exact)
    before = kept(made.net)
    one_step(made)
    losses = one_step(made)
    after = kept(made.net)
    moved = {k.rpartition("/")[0] for k in before if not np.array_equal(before[k], after[k])}
    momentum, higgs = (alpha.numpy() for alpha in made.alphas.values())
    assert np.isfinite(losses).all()
    assert np.all(momentum != 0)
    if v == 1:
        assert not np.any(higgs)
        assert moved == {"momentum/mlp", "momentum/sf", "momentum/noise"}
    else:
        assert np.all(higgs != 0)
        assert moved == {*moved, "momentum/mlp", "momentum/sf", "higgs/mlp", "higgs/mass"}


def flat(values):
    return np.concatenate([np.asarray(value).ravel() for value in values])


SMALL_CNN = {
    "filters": (4, 4),
    "kernels": (3, 3),
    "pool_after": 1,
    "units": 8,
    "layers": 1,
    "image_units": 4,
    "image_layers": 1,
}


@pytest.mark.parametrize("kind", ["dense", "convolution and lstm"])
def test_exact_and_difference_agree_in_float32(kind, monkeypatch):
    """The mixed derivative of both, by taking away the gradient after the virtual step.

    At a tenth of the usual radius: so few ReLUs have kinks within it.
    """
    monkeypatch.setattr("msml.strategies.darts.bilevel._RADIUS", 1e-3)
    net = small.supernet()
    if kind != "dense":
        cnn = small.model("momentum", "tau_cnn", **SMALL_CNN)
        lstm = small.model("higgs", "higgs_lstm", units=4, layers=1)
        net = small.supernet(
            momentum={"cnn": cnn, "sf": small.model("momentum", "tau_scale_factor")},
            higgs={"lstm": lstm, "mass": small.model("higgs", "higgs_mass", **small.SMALL_HIGGS)},
        )
    made = search(net, Recorder(), Recorder())
    train, valid = tensors(small.TRAIN[:64]), tensors(small.VALID[:38])
    weights = [v.value for v in net.variables]
    alphas = [tf.constant(alpha.numpy()) for alpha in made.alphas.values()]
    of_train, of_valid = (made.objective.loss(Given(batch), 1.0) for batch in (train, valid))
    with tf.GradientTape() as tape:
        tape.watch(weights)
        loss = of_train(weights, alphas)
    gradient = tape.gradient(loss, weights)
    moved = [w - RATE * g for w, g in zip(weights, gradient, strict=True)]
    direct = flat(alpha_gradient(of_valid, moved, alphas))
    exact, difference = (
        (direct - flat(unrolled(of_train, of_valid, weights, alphas, RATE))) / RATE
        for unrolled in (unrolled_gradient, difference_gradient)
    )
    assert np.linalg.norm(exact) > 1e-3
    assert np.linalg.norm(difference - exact) < 0.03 * np.linalg.norm(exact)


def without_noise():
    """XLA draws other random numbers."""
    momentum = {
        "mlp": small.model("momentum", "tau_mlp", **small.SMALL_TAU),
        "sf": small.model("momentum", "tau_scale_factor"),
    }
    return small.supernet(momentum=momentum)


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "exact"), ORDERS)
def test_xla_and_no_xla_agree(rate, exact):
    results = []
    for xla in (False, True):
        made = search(without_noise(), ADAM, SGD, rate, exact=exact)
        losses = epoch_of(made, xla=xla).losses
        results.append((losses, alphas_of(made), flat(kept(made.net).values())))
    for plain, compiled in zip(*results, strict=True):
        assert compiled == pytest.approx(plain, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize(("rate", "exact"), ORDERS[:2])
def test_mixed_precision(precision, rate, exact):
    made = search(
        small.supernet(precision=precision), ADAM, ADAM, rate, exact=exact, precision=precision
    )
    before = kept(made.net)
    losses = one_step(made)
    assert losses.dtype == np.float32
    assert np.isfinite(losses).all()
    after = kept(made.net)
    assert all(value.dtype == np.float32 for value in after.values() if value.dtype.kind == "f")
    assert all(np.isfinite(value).all() for value in after.values())
    moved = {k.rpartition("/")[0] for k in before if not np.array_equal(before[k], after[k])}
    assert moved >= {"momentum/mlp", "momentum/sf", "higgs/mlp", "higgs/mass"}
    assert np.all(alphas_of(made) != 0)


@pytest.mark.parametrize(("rate", "exact"), ORDERS[:2])
def test_gradients_of_alpha_in_mixed_precision(rate, exact):
    """The scale of float16 cancels, and they are those of float32 but for rounding."""
    found = {}
    for precision, scale in (
        ("float32", None),
        ("mixed_bfloat16", None),
        ("mixed_float16", 1.0),
        ("mixed_float16", 2.0**10),
    ):
        net = small.supernet(precision=precision)
        made = search(net, ADAM, Recorder(), rate, exact=exact, precision=precision)
        if scale is not None:
            scale_of(made).assign(scale)
        one_step(made)
        found[precision, scale] = flat(made.of_alphas.gradients)
    expected = found.pop(("float32", None))
    for gradient in found.values():
        assert np.linalg.norm(gradient - expected) < 0.1 * np.linalg.norm(expected)


def scale_of(made):
    return next(v for v in made.weights.variables if "dynamic_scale" in v.path)


@pytest.mark.parametrize(("rate", "exact"), ORDERS)
def test_an_overflow_skips_both_updates(rate, exact):
    """Momentum of earlier steps must not move them either."""
    made = search(
        small.supernet(precision="mixed_float16"),
        ADAM,
        ADAM,
        rate,
        exact=exact,
        precision="mixed_float16",
    )
    one_step(made)
    before, alphas = kept(made.net), alphas_of(made)
    state = variable_arrays(numbered(made.of_alphas.variables))
    scale_of(made).assign(2.0**60)
    one_step(made)
    after = kept(made.net)
    changed = {k for k in before if not np.array_equal(before[k], after[k])}
    assert all(name.startswith("momentum/noise/") for name in changed)
    assert np.array_equal(alphas_of(made), alphas)
    assert small.same(variable_arrays(numbered(made.of_alphas.variables)), state)
    assert float(scale_of(made).numpy()) == 2.0**59


def test_measuring_changes_nothing_and_gives_the_losses_of_the_models():
    made = search(small.supernet(), ADAM, ADAM, at=ALPHA)
    before = kept(made.net)
    measure = make_supernet_loss_step(made.objective, list(made.alphas.values()))
    losses = measure(tensors(small.VALID)).numpy()
    assert small.same(before, kept(made.net))
    assert len(losses) == 6 + 2 + 1
    assert losses[-1] == pytest.approx(0.5 * losses[-3] + 0.5 * losses[-2], rel=1e-6)
