"""Candidates of a search that stop by themselves."""

import json
import random
import shutil
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import small
import tensorflow as tf
from process import Command, Limits, msml, until
from tiny import only_run, results

from msml.strategies.darts.known import constant, resident, with_outputs
from msml.strategies.darts.step import DartsStep, Objective, values
from msml.strategies.stopping import Stopping
from msml.strategies.supernet import Given
from msml.training.epoch import EpochResult, Stream, to_device
from msml.training.fit import History, Trainee
from msml.training.measure import fixed_noise
from msml.training.optimizers import named_optimizer
from msml.weighting.rule import make_weighting, tasks_of

pytestmark = pytest.mark.xdist_group("darts")


def alpha(*numbers):
    return keras.Variable(np.array(numbers, np.float32))


def two():
    """Two tasks of one and two candidates with weights."""
    return {
        "momentum": {"sf": small.model("momentum", "tau_scale_factor")},
        "higgs": {
            "mass": small.model("higgs", "higgs_mass", **small.SMALL_HIGGS),
            "mlp": small.model("higgs", "higgs_mlp", **small.SMALL_HIGGS),
        },
    }


def fill(model, value):
    for weight in model.weights:
        weight.assign(np.full(weight.shape, value, np.float32))


def filled(model):
    """The value that all weights of a model have."""
    (value,) = {float(x) for weight in model.weights for x in weight.numpy().ravel()}
    return value


def trained(models, stopping, losses):
    """Train so that in epoch e all weights become e, and the losses are those given."""
    now, seen = [0], []

    def train(epoch):
        for task, name in stopping.candidates:
            if (task, name) not in stopping.stopped:
                fill(models[task][name], epoch + 1)
        now[0] = epoch + 1
        return EpochResult(np.zeros(1, np.float32), -1)

    def weights():
        return [filled(models[task][name]) for task, name in stopping.candidates]

    def valid():
        return np.array([sum(weights()), *losses[now[0]]], np.float32)

    plain = Trainee("k", ("total",), {}, {}, train, valid)
    trainee = stopping.within(plain)
    for known in models.values():
        for model in known.values():
            fill(model, 0)
    notes, done = [], []
    for epoch in range(len(losses) - 1):
        trainee.train(epoch)
        total = trainee.valid()
        assert total.tolist() == [sum(weights())]  # measured with the weights that are kept
        seen.append(weights())
        notes.append(trainee.notes())
        done.append(trainee.counts(History()))
    return trainee, seen, notes, done


def test_each_keeps_its_best_weights_while_the_others_go_on():
    models = two()
    stopping = Stopping(models, 2, 100)
    losses = [
        (1, 9, 9),
        (2, 5, 8),
        (2, 6, 7),
        (9, 5, 6),
        (9, 9, 7),
        (9, 9, 5),
        (9, 9, 5),
        (9, 9, 6),
    ]
    _, seen, notes, done = trained(models, stopping, losses)
    # sf: as it was at first; mass: a loss that is only as good is no better one.
    assert seen == [[1, 1, 1], [0, 2, 2], [0, 1, 3], [0, 1, 4], [0, 1, 5], [0, 1, 6], [0, 1, 5]]
    assert done == [False] * 6 + [True]
    assert [note.get("stopped", {}) for note in notes] == [
        {},
        {"momentum/sf": {"keeps": 0}},
        {"higgs/mass": {"keeps": 1}},
        {},
        {},
        {},
        {"higgs/mlp": {"keeps": 5}},
    ]
    assert [note["learning"] for note in notes] == [3, 2, 1, 1, 1, 1, 0]
    assert stopping.stopped == set(stopping.candidates)


def test_all_stop_in_the_last_epoch():
    models = two()
    stopping = Stopping(models, 50, 3)
    _, seen, _, done = trained(models, stopping, [(9, 9, 9), (8, 8, 8), (7, 8, 9), (8, 7, 9)])
    assert (seen[-1], done) == ([2, 3, 1], [False, False, True])


def test_without_patience_nothing_changes():
    stopping = Stopping(two(), None, 100)
    plain = Trainee("k", ("total",), {}, {}, lambda epoch: None, lambda: None)
    assert stopping.within(plain) is plain
    assert (stopping.stopped, stopping.variables) == (frozenset(), {})


@pytest.mark.parametrize("rate", [None, 0.5])
@pytest.mark.parametrize("exact", [True, False])
def test_a_step_leaves_what_has_stopped(rate, exact):
    """The others go where they would if it were of the data, and α as well."""
    net = small.supernet()
    stopped = replace(net, stopped={("momentum", "mlp"), ("higgs", "mass")})
    assert len(stopped.variables) < len(net.variables)
    before = [v.numpy() for model in net.candidates for v in model.weights]
    alphas = [alpha(0.1, -0.2, 0.3, 0), alpha(0.2, 0.1)]
    optimizer = named_optimizer({"name": "sgd", "learning_rate": 0.1})
    optimizer.build(net.variables)  # of all
    of_alphas = named_optimizer({"name": "sgd", "learning_rate": 0.1})
    of_alphas.build(alphas)
    shares = {"momentum": 0.5, "higgs": 0.5}
    weighting = make_weighting({"name": "fixed"}, tasks_of(net.inputs, shares, 0))
    train, valid = small.batch(np.arange(100)), small.batch(np.arange(300, 400))
    objective = Objective(stopped, shares)
    step = DartsStep(
        objective, alphas, optimizer, of_alphas, rate, exact, tf.Variable([0, 0]), weighting
    )
    given = [
        {name: tf.constant(column) for name, column in each.items()} for each in (train, valid)
    ]
    step(*given)
    after = [v.numpy() for model in net.candidates for v in model.weights]
    same = [np.array_equal(one, other) for one, other in zip(before, after, strict=True)]
    names = [
        (task, name)
        for task, known in net.models.items()
        for name, model in known.items()
        for _ in model.weights
    ]
    assert {n for n, kept in zip(names, same, strict=True) if kept} == set(stopped.stopped)
    assert {n for n, kept in zip(names, same, strict=True) if not kept} == {
        ("momentum", "sf"),
        ("higgs", "mlp"),
    }
    assert not np.allclose(alphas[0].numpy(), [0.1, -0.2, 0.3, 0.0])


def test_alpha_goes_on_where_none_learns():
    net = small.supernet()
    every = {(task, name) for task, known in net.models.items() for name in known}
    net = replace(net, stopped=every)
    alphas = [alpha(0, 0, 0, 0), alpha(0, 0)]
    of_alphas = named_optimizer({"name": "sgd", "learning_rate": 1.0})
    of_alphas.build(alphas)
    optimizer = named_optimizer({"name": "adam", "learning_rate": 1.0})
    optimizer.build(small.supernet().variables)
    shares = {"momentum": 0.5, "higgs": 0.5}
    weighting = make_weighting({"name": "fixed"}, tasks_of(net.inputs, shares, 0))
    objective = Objective(net, shares)
    batch = {name: tf.constant(column) for name, column in small.batch().items()}
    step = DartsStep(
        objective, alphas, optimizer, of_alphas, 0.5, True, tf.Variable([0, 0]), weighting
    )
    losses = tf.function(lambda *batches: step(*batches), autograph=False)(batch, batch)
    assert np.isfinite(losses).all()
    assert all(np.abs(each.numpy()).max() > 0 for each in alphas)


PATHS = ("tasks.momentum.candidates.noise=null", "strategy={batch_size: 60, epochs: 8}")
OWN = "strategy.candidate_patience=1"
SEARCHES = {
    "darts": ("strategy.epochs=8", "strategy.stable_epochs=1", OWN),
    "spos": ("strategy=null", *PATHS, "strategy.name=spos", OWN),
    "asng": ("strategy=null", *PATHS, "strategy.name=asng", OWN),
}


def selection(folder: Path) -> dict:
    return json.loads((only_run(folder) / "search" / "selection.json").read_text())


def stops(found):
    """Epoch in which each candidate stopped, with what is noted of it."""
    noted = [(n, each.get("stopped", {})) for n, each in enumerate(found["epochs"], 1)]
    return {key: (n, about) for n, each in noted for key, about in each.items()}


@pytest.mark.parametrize(
    "name", [n if n == "darts" else pytest.param(n, marks=pytest.mark.slow) for n in SEARCHES]
)
def test_a_search_ends_when_all_have_stopped(with_cache, name):
    shown = msml(with_cache, "search", "tiny.yaml", *SEARCHES[name])
    found = selection(with_cache)
    known, count = stops(found), len(found["epochs"])
    last = max(epoch for epoch, _ in known.values())
    assert len(known) == (4 if name == "darts" else 3)
    assert found["best_epoch"] >= last
    if name != "asng":  # whose distribution goes on
        assert count == last
    for epoch, about in known.values():
        assert epoch == min(about["keeps"] + 1, 8) or (epoch, about["keeps"]) == (8, 8)
    if name == "darts":
        check_darts(found, known, shown.output)


def check_darts(found, known, output):
    learning, passes = 4, 0.0
    for each in found["epochs"]:
        passes += learning * (2 + 1 / 3)
        learning -= len(each.get("stopped", {}))
    assert found["gradient_passes"] == pytest.approx(passes)
    for key, (epoch, about) in known.items():
        task, name = key.split("/")
        scores = found["alpha"][task][name]
        assert (scores["stopped"], scores["keeps"]) == (epoch, about["keeps"])
        gap = about["own"] - found["epochs"][epoch - 1]["train"][key]
        assert scores["gap"] == gap
        (line,) = [row for row in output.splitlines() if row.split()[:2] == [task, name]]
        assert line.split()[5:7] == [str(about["keeps"]), str(epoch)]


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("darts", 1),
        *(pytest.param("darts", seed, marks=pytest.mark.slow) for seed in range(2, 6)),
        *(pytest.param("spos", seed, marks=pytest.mark.slow) for seed in range(3)),
        *(pytest.param("asng", seed, marks=pytest.mark.slow) for seed in range(3)),
    ],
)
def test_killed_while_candidates_stop(with_cache, tmp_path, name, seed):
    """What each keeps, and which have stopped, goes on; bit for bit."""
    other = shutil.copytree(with_cache, tmp_path / "other")
    asked = ("search", "tiny.yaml", *SEARCHES[name])
    msml(with_cache, *asked)
    rng = random.Random(seed)
    command, wanted = Command(other, *asked, limits=Limits(epoch_seconds=0.2)), rng.randint(1, 3)

    def done():
        files = other.glob("runs/tiny/*/metrics.jsonl")
        return sum(file.read_text().count(f'"search/{name}"') for file in files) >= wanted

    until(lambda: done() or not command.process.is_alive())
    time.sleep(rng.uniform(0, 0.3))
    command.kill()
    msml(other, *asked)
    assert selection(other) == selection(with_cache)
    assert results(only_run(other)) == results(only_run(with_cache))


def test_outputs_that_stay_are_computed_once():
    """Of candidates that see events only and draw nothing; the losses are the same."""
    net = small.supernet()
    every = {(task, name) for task, known in net.models.items() for name in known}
    known = constant(net, every)
    assert known == {("momentum", "mlp"), ("momentum", "sf"), ("momentum", "zeros")}
    stream = Stream(to_device(small.batch()), 100)
    assert resident(stream)
    found = with_outputs(replace(net, known=known), stream)
    added = found.columns.keys() - stream.columns.keys()
    assert added == {f"momentum/{name}.output" for name in ("mlp", "sf", "zeros")}
    assert with_outputs(replace(net, known=known), found).columns == found.columns
    alphas, losses = [tf.constant([0.1, -0.2, 0.3, 0.0]), tf.constant([0.2, 0.1])], []
    for supernet in (net, replace(net, stopped=every, known=known)):
        given = Given(found.columns, training=False)
        with fixed_noise(net.candidates):
            losses.append(supernet.all_losses(values(supernet.variables), alphas, given)[0])
    np.testing.assert_allclose(*losses, rtol=1e-5)
