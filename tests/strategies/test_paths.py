"""A step of one path: the drawn candidates are trained as a chain of their own, others rest."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import single_path as small
import tensorflow as tf
from small import fit_step

from msml.strategies.single_path.switch import choose
from msml.strategies.supernet import Supernet
from msml.training.epoch import Stream, compile_epoch, to_device
from msml.training.steps import make_optimizer
from msml.weighting.rule import make_weighting, tasks_of
from msml.weighting.step import make_chain_step


def numbers_of(paths, names):
    return [paths.names[task].index(name) for task, name in names.items()]


def compiled(paths, xla=False):
    return tf.function(
        lambda batch, numbers: paths.descend(batch, tf.unstack(numbers)),
        jit_compile=xla,
        autograph=False,
    )


def values(variables):
    return [variable.numpy() for variable in variables]


@pytest.mark.parametrize(
    ("weight", "xla"),
    [
        (0.5, False),
        (0.0, False),
        pytest.param(1.0, False, marks=pytest.mark.slow),
        pytest.param(0.5, True, marks=pytest.mark.slow),
    ],
)
def test_a_step_is_that_of_the_chain_alone(weight, xla):
    paths = small.paths(weight)
    names = {"momentum": "mlp", "higgs": "mass"}
    step, numbers = compiled(paths, xla), tf.constant(numbers_of(paths, names))
    chain = small.chain(names, weight)
    optimizer = make_optimizer(small.FIT, chain.variables(), "float32")
    alone = tf.function(
        fit_step(chain, {"momentum": weight, "higgs": 1 - weight}, optimizer),
        jit_compile=xla,
        autograph=False,
    )
    before = small.states(paths)
    for seed in range(3):
        batch = small.batch(seed=seed)
        np.testing.assert_allclose(step(batch, numbers), alone(batch), rtol=1e-6)
    for task, name in names.items():
        found = values(paths.supernet.models[task][name].variables)
        wanted = values(chain.models[task].variables)
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
        assert int(paths.optimizers[task][name].iterations) == 3
        if paths.task_weights[task] or task == "momentum":
            assert small.state(paths, task, name) != before[task, name]
    after = small.states(paths)
    resting = {key for key in before if key not in names.items()}
    assert len(resting) == 3
    assert {key for key in before if after[key] == before[key]} >= resting


def test_each_candidate_counts_its_own_steps():
    paths = small.paths()
    step = compiled(paths)
    for drawn in [(0, 0), (0, 1), (1, 1), (0, 2)]:
        before = small.states(paths)
        step(small.batch(), tf.constant(drawn))
        after = small.states(paths)
        moved = {key for key in before if after[key] != before[key]}
        assert moved == {
            (task, paths.names[task][i]) for task, i in zip(paths.names, drawn, strict=True)
        }
    counts = {
        task: [int(paths.optimizers[task][name].iterations) for name in names]
        for task, names in paths.names.items()
    }
    assert counts == {"momentum": [3, 1], "higgs": [1, 2, 1]}


def stateful(shape, output, name):
    """A model with dropout and batch normalisation."""
    inputs = keras.Input(shape)
    x = keras.layers.BatchNormalization()(keras.layers.Flatten()(inputs))
    x = keras.layers.Dropout(0.5, seed=3)(keras.layers.Dense(6, activation="relu")(x))
    x = keras.layers.Dense(int(np.prod(output)))(x)
    return keras.Model(inputs, keras.layers.Reshape(output)(x), name=name)


def test_dropout_and_batch_normalisation_as_in_the_chain_alone():
    """The forward pass is done twice, with the same draws; the state moves on once."""
    keras.utils.set_random_seed(1)
    models = {
        "momentum": {n: stateful((2, 4), (2, 3), n) for n in "ab"},
        "higgs": {n: stateful((2, 3), (1,), n) for n in "ab"},
    }
    tasks = small.specs(0.5, {t: dict.fromkeys("ab", ("zeros", {})) for t in models})
    tasks["momentum"] = type(tasks["momentum"])(
        **{**tasks["momentum"].__dict__, "inputs": ("jets",)}
    )
    copies = {t: keras.models.clone_model(some["b"]) for t, some in models.items()}
    for task, copy in copies.items():
        for variable, other in zip(copy.variables, models[task]["b"].variables, strict=True):
            variable.assign(other)
    weights = {"momentum": 0.5, "higgs": 0.5}
    paths = small.trained(Supernet(tasks, models, 0.0), weights, small.optimizers(models))
    chain = type(paths.chain)(tasks, copies)
    optimizer = make_optimizer(small.FIT, chain.variables(), "float32")
    alone = tf.function(fit_step(chain, weights, optimizer), autograph=False)
    step, resting = compiled(paths), small.state(paths, "higgs", "a")
    for seed in range(2):
        batch = small.batch(seed=seed)
        np.testing.assert_allclose(step(batch, tf.constant([1, 1])), alone(batch), rtol=1e-5)
    for task, copy in copies.items():
        for a, b in zip(models[task]["b"].variables, copy.variables, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6, err_msg=a.path)
    assert small.state(paths, "higgs", "a") == resting


@pytest.mark.parametrize(
    "precision", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)]
)
def test_mixed_precision(precision):
    paths, exact = small.paths(precision=precision), small.paths()
    batch, numbers = small.batch(), tf.constant([0, 0])
    before = small.states(paths)
    found, wanted = compiled(paths)(batch, numbers), compiled(exact)(batch, numbers)
    np.testing.assert_allclose(found, wanted, rtol=0.05)
    after = small.states(paths)
    assert {key for key in before if after[key] != before[key]} == {
        ("momentum", "mlp"),
        ("higgs", "mass"),
    }
    # Adam's first step is the learning rate wherever the gradient is not 0.
    for a, b in zip(
        paths.supernet.models["higgs"]["mass"].trainable_variables,
        exact.supernet.models["higgs"]["mass"].trainable_variables,
        strict=True,
    ):
        assert np.mean(np.abs(a.numpy() - b.numpy()) < 1e-4) > 0.8


def test_losses_of_a_path_change_nothing():
    paths = small.paths()
    before = small.states(paths)
    chain = small.chain({"momentum": "sf", "higgs": "wide"})
    batch = small.batch()
    wanted = chain.task_losses(batch, chain.outputs(batch, training=False))
    found = paths.losses(batch, numbers_of(paths, {"momentum": "sf", "higgs": "wide"}))
    np.testing.assert_allclose(found, [*wanted, (wanted[0] + wanted[1]) / 2], rtol=1e-6)
    assert small.states(paths) == before


@pytest.mark.parametrize("xla", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_an_epoch_draws_a_path_a_batch(xla):
    candidates = {
        "momentum": {n: ("tau_scale_factor", {}) for n in "abc"},
        "higgs": {n: ("higgs_mlp", {"units": 3, "layers": 1}) for n in "ab"},
    }
    paths = small.paths(candidates=candidates)
    events = Stream(to_device(small.batch(110)), 20)
    streams = [Stream(to_device({"number": np.arange(n, dtype=np.int32)}), 1) for n in (3, 2)]
    epoch = compile_epoch(
        lambda batch, *drawn: paths.descend(batch, [one["number"][0] for one in drawn]),
        events,
        *streams,
        losses=3,
        xla=xla,
    )
    drawn = np.array([2, 2, 0, 2, 2, 0]), np.array([1, 0, 1, 1, 1, 1])  # 110 = 5 x 20 + 10
    result = epoch(np.arange(110), *drawn)
    assert result.bad_batch == -1
    counts = {
        task: [int(paths.optimizers[task][name].iterations) for name in names]
        for task, names in paths.names.items()
    }
    assert counts == {"momentum": [2, 0, 4], "higgs": [1, 5]}


def test_choose_in_a_tree_of_switches():
    for count in (1, 2, 8, 9, 65, 100):
        branches = [lambda i=i: tf.constant(i) for i in range(count)]
        chosen = tf.function(lambda n, b=branches: choose(n, b), autograph=False)
        asked = range(0, count, max(1, count // 9))
        assert [int(chosen(tf.constant(n))) for n in asked] == list(asked)


def test_other_branches_change_nothing():
    changed = [tf.Variable(0) for _ in range(20)]
    branches = [lambda v=v: v.assign_add(1) for v in changed]
    chosen = tf.function(lambda n: choose(n, branches), autograph=False)
    for number in (3, 19, 3):
        chosen(tf.constant(number))
    assert [int(v) for v in changed] == [2 * (i == 3) + (i == 19) for i in range(20)]


def nodes(count):
    """Operations and inputs of a step's graph, those of its functions included."""
    candidates = {
        "momentum": {f"{i:02d}": ("tau_scale_factor", {}) for i in range(count)},
        "higgs": {f"{i:02d}": ("higgs_mlp", {"units": 3, "layers": 1}) for i in range(count)},
    }
    paths = small.paths(candidates=candidates)
    graph = compiled(paths).get_concrete_function(small.batch(10), tf.constant([0, 0])).graph
    definition = graph.as_graph_def()
    functions = sum(
        len(f.node_def) + len(f.signature.input_arg) for f in definition.library.function
    )
    return len(definition.node) + functions


@pytest.mark.slow
def test_the_graph_grows_linearly():
    sizes = [nodes(count) for count in (2, 4, 8)]
    first, second = sizes[1] - sizes[0], (sizes[2] - sizes[1]) / 2
    assert second < 1.25 * first


RULES = ["dwa", "uncertainty", "imtl", "mgda", "cagrad", "famo"]


@pytest.mark.parametrize("name", RULES)
def test_a_weighted_step_is_that_of_the_chain_alone(name):
    weights = {"momentum": 0.5, "higgs": 0.5}
    names = {"momentum": "mlp", "higgs": "mass"}
    chain = small.chain(names)

    def rule():
        return make_weighting({"name": name}, tasks_of(chain, weights, 1))

    paths = replace(small.paths(), weighting=rule())
    step, numbers = compiled(paths), tf.constant(numbers_of(paths, names))
    optimizer = make_optimizer(small.FIT, chain.variables(), "float32")
    alone = tf.function(make_chain_step(chain, weights, optimizer, rule()), autograph=False)
    for seed in range(3):
        batch = small.batch(seed=seed)
        np.testing.assert_allclose(step(batch, numbers), alone(batch), rtol=1e-4)
    for task, candidate in names.items():
        found = values(paths.supernet.models[task][candidate].variables)
        wanted = values(chain.models[task].variables)
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)
