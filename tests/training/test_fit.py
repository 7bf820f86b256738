"""The loop: early stopping, resume, divergence."""

import math
from dataclasses import replace

import numpy as np
import pytest
import small
import tensorflow as tf

from msml.chain import Chain
from msml.errors import DataError, DivergedError, StoppedError
from msml.training.checkpoint import load_arrays, save_arrays
from msml.training.epoch import EpochResult
from msml.training.fit import Trainee, Watch, fit_replicas


def scripted(valid, key="unit"):
    """A trainee whose weight is the number of epochs trained, with given losses on valid."""
    weight, state = tf.Variable(0.0), tf.Variable(0.0)
    epochs = []

    def train(epoch):
        epochs.append(epoch)
        weight.assign_add(1.0)
        state.assign_add(2.0)
        return EpochResult(np.array([0.5], np.float32), -1)

    trained = Trainee(
        key, ("total",), {"w": weight}, {"s": state}, train, lambda: np.array([valid(weight)])
    )
    return trained, weight, epochs


def losses_of(*values):
    """Losses after epoch 1, 2, ...; the last one goes on."""
    return lambda weight: values[min(int(weight), len(values)) - 1]


def settings(epochs=100, patience=3):
    return replace(small.FIT, epochs=epochs, patience=patience)


@pytest.mark.parametrize("patience", [1, 3, 10])
def test_ties_are_no_improvement(tmp_path, patience):
    trained, weight, epochs = scripted(losses_of(1.0))
    history = small.run(trained, settings(patience=patience), tmp_path / "c.h5")
    assert history.epochs == len(epochs) == 1 + patience
    assert (history.best_epoch, history.best, history.waited) == (0, 1.0, patience)
    assert float(weight) == 1


def test_the_wait_starts_again_with_each_improvement(tmp_path):
    trained, weight, _ = scripted(losses_of(5, 6, 6, 4, 9, 9, 3.9, 3.9))
    history = small.run(trained, settings(patience=3), tmp_path / "c.h5")
    assert (history.epochs, history.best_epoch, history.best) == (10, 6, 3.9)
    assert float(weight) == 7
    assert [entry["total"] for entry in history.valid] == [5, 6, 6, 4, 9, 9, 3.9, 3.9, 3.9, 3.9]


def test_the_best_weights_come_back_when_epochs_run_out(tmp_path):
    trained, weight, _ = scripted(losses_of(3, 1, 2, 2, 2))
    history = small.run(trained, settings(epochs=4, patience=10), tmp_path / "c.h5")
    assert (history.epochs, history.best_epoch, float(weight)) == (4, 1, 2)
    trained, weight, _ = scripted(losses_of(3, 2, 1))
    small.run(trained, settings(epochs=3), tmp_path / "c.h5")
    assert float(weight) == 3


def test_only_the_last_loss_counts(tmp_path):
    trained, _, _ = scripted(losses_of(1.0))
    valid = iter([(1.0, 5.0), (0.5, 6.0), (0.1, 4.0), (0.0, 7.0)])
    trained = replace(
        trained,
        losses=("a", "total"),
        valid=lambda: np.array(next(valid)),
        train=lambda epoch: EpochResult(np.zeros(2, np.float32), -1),
    )
    assert small.run(trained, settings(epochs=4), tmp_path / "c.h5").best_epoch == 2


def after_two(history):
    return history.epochs > 2


def test_epochs_that_do_not_count_are_never_the_best(tmp_path):
    trained, weight, epochs = scripted(losses_of(0.1, 0.2, 4, 3, 5))
    trained = replace(trained, counts=after_two, notes=lambda: {"weight": float(weight)})
    history = small.run(trained, settings(patience=2), tmp_path / "c.h5")
    assert epochs == [0, 1, 2, 3, 4, 5]
    assert (history.best_epoch, history.best, float(weight)) == (3, 3, 4)
    assert [note["weight"] for note in history.notes] == [1, 2, 3, 4, 5, 6]


def test_a_stop_before_any_epoch_counts(tmp_path):
    """There is no best epoch yet, and its loss is infinite; that survives the file."""
    trained = replace(scripted(losses_of(0.1, 0.2, 4, 3, 5))[0], counts=after_two)
    with pytest.raises(StoppedError):
        small.run(trained, settings(patience=2), tmp_path / "c.h5", stop=lambda: "SIGTERM")
    (history,) = load_arrays(tmp_path / "c.h5")[1]["histories"]
    assert (history["best"], history["best_epoch"], history["waited"]) == (math.inf, -1, 0)
    again = replace(scripted(losses_of(0.1, 0.2, 4, 3, 5))[0], counts=after_two)
    history = small.run(again, settings(patience=2), tmp_path / "c.h5")
    assert (history.epochs, history.best_epoch, history.best) == (6, 3, 3)


@pytest.mark.parametrize("epoch", [1, 2, 4])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_valid_loss_that_is_not_finite(tmp_path, epoch, bad):
    values = [*[3.0, 2.0, 2.5, 1.0][: epoch - 1], bad]
    trained, weight, _ = scripted(losses_of(*values))
    where = f"unit: the loss is not finite on valid after epoch {epoch};.*c.h5"
    for _ in range(2):  # and again, from the state that was kept
        with pytest.raises(DivergedError, match=where) as caught:
            small.run(trained, settings(), tmp_path / "c.h5")
        assert caught.value.exit_code == 4
        arrays, about = load_arrays(tmp_path / "c.h5")
        assert arrays["weights/w"] == float(weight) == epoch - 1
        assert arrays["state/s"] == 2 * (epoch - 1)
        assert len(about["histories"][0]["valid"]) == epoch - 1


def test_a_stop_is_answered_after_the_epoch_with_everything_saved(tmp_path):
    trained, _, epochs = scripted(losses_of(3, 2, 1))
    with pytest.raises(StoppedError, match="SIGTERM: saved in epoch 1 of unit") as caught:
        small.run(trained, settings(), tmp_path / "c.h5", stop=lambda: "SIGTERM")
    assert caught.value.exit_code == 85
    assert len(epochs) == 1
    assert (tmp_path / "c.h5").exists()


CHAINS = {
    "tau_mlp": ("momentum", "tau_mlp"),
    "higgs_lstm": ("higgs", "higgs_lstm"),
    "noise": ("momentum", "noise"),
    "joint": None,
}
ARGUMENTS = {"tau_mlp": small.SMALL_TAU, "higgs_lstm": {"units": 4, "layers": 1}}


def fresh(name, precision, settings, seed=1):
    """The same training, built again."""
    if CHAINS[name] is None:
        chain = small.small_chain(seed, precision)
    else:
        task, kind = CHAINS[name]
        built = small.model(task, kind, seed, precision, **ARGUMENTS.get(kind, {}))
        chain = Chain(small.tasks(), {task: built})
    return small.trainee(chain, settings, precision)


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        pytest.param("tau_mlp", "float32", marks=pytest.mark.slow),
        pytest.param("higgs_lstm", "float32", marks=pytest.mark.slow),
        ("noise", "float32"),
        pytest.param("joint", "mixed_float16", marks=pytest.mark.slow),
    ],
)
def test_resumed_anywhere_ends_the_same(tmp_path, name, precision):
    short = replace(small.FIT, epochs=4, patience=2)
    whole = fresh(name, precision, short)
    history = small.run(whole, short, tmp_path / "whole.h5")
    path = tmp_path / "parts.h5"
    for _ in range(history.epochs):  # stopped after every single epoch, each time built anew
        # Other initial weights: all must come from the checkpoint.
        parts = fresh(name, precision, short, seed=1 if not path.exists() else 2)
        with pytest.raises(StoppedError):
            small.run(parts, short, path, stop=lambda: "SIGTERM")
    parts = fresh(name, precision, short, seed=2)
    again = small.run(parts, short, path)
    assert again == history
    assert small.same(small.values(parts), small.values(whole))
    assert history.epochs > 1


def test_a_checkpoint_of_something_else(tmp_path):
    path = tmp_path / "c.h5"
    trained, _, _ = scripted(losses_of(1.0))
    with pytest.raises(StoppedError):
        small.run(trained, settings(), path, stop=lambda: "stop")
    other, weight, _ = scripted(losses_of(1.0), key="another")
    with pytest.raises(DataError, match=r"c.h5: checkpoint of unit, expected another"):
        small.run(other, settings(), path)
    assert float(weight) == 0


@pytest.mark.parametrize(
    "about", [{}, {"key": "unit"}, {"key": "unit", "histories": [{"train": [], "unknown": 3}]}]
)
def test_a_checkpoint_without_a_history(tmp_path, about):
    path = tmp_path / "c.h5"
    trained, weight, _ = scripted(losses_of(1.0))
    one = np.float32(1)
    save_arrays(path, {"weights/w": one, "state/s": one, "best/w": one}, about)
    with pytest.raises(DataError, match=r"c.h5: not a complete checkpoint"):
        small.run(trained, settings(), path)
    assert float(weight) == 0


@pytest.mark.parametrize("group", ["weights/w", "state/s", "best/w"])
def test_a_checkpoint_with_something_missing(tmp_path, group):
    path = tmp_path / "c.h5"
    trained, weight, epochs = scripted(losses_of(1.0))
    with pytest.raises(StoppedError):
        small.run(trained, settings(), path, stop=lambda: "stop")
    arrays, about = load_arrays(path)
    arrays.pop(group)
    save_arrays(path, arrays, about)
    weight.assign(0.0)
    epochs.clear()
    with pytest.raises(DataError, match=r"c.h5: '[ws]': expected shape \(\), found missing"):
        small.run(trained, settings(), path)
    assert epochs == []


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_training_that_diverges_keeps_the_last_good_state(tmp_path, precision):
    wild = replace(small.FIT, optimizer={"name": "sgd", "learning_rate": 1e30}, epochs=5)
    trained = fresh("joint", precision, wild)
    before = small.values(trained)
    with pytest.raises(DivergedError, match=r"not finite in epoch 1, batch 2;") as caught:
        small.run(trained, wild, tmp_path / "c.h5")
    assert "\n" not in str(caught.value)
    assert small.same(small.values(trained), before)
    arrays, _ = load_arrays(tmp_path / "c.h5")
    assert all(np.isfinite(array).all() for array in arrays.values())


def stacked(valid):
    """Two replicas whose weights are the epochs trained; losses on valid of each from those."""
    weight, state = tf.Variable([0.0, 10.0]), tf.Variable([0.0, 0.0])

    def train(epoch):
        weight.assign_add([1.0, 1.0])
        state.assign_add([2.0, 2.0])
        return EpochResult(np.array([[0.5], [0.7]], np.float32), -1)

    def measure():
        epoch = int(weight[0])
        return np.array([[losses[min(epoch, len(losses)) - 1]] for losses in valid])

    return Trainee("unit", ("total",), {"w": weight}, {"s": state}, train, measure), weight


VALID = ([3, 2, 4, 4, 4, 4, 4, 1], [9, 8, 7, 6, 5, 4, 6, 6, 6, 6])


def test_each_replica_stops_by_itself(tmp_path):
    trained, weight = stacked(VALID)
    histories = fit_replicas(trained, settings(patience=3), tmp_path / "c.h5", [Watch(), Watch()])
    assert [(h.epochs, h.best_epoch, h.best) for h in histories] == [(5, 1, 2), (9, 5, 4)]
    assert weight.numpy().tolist() == [2, 16]  # the 1 of epoch 8 came too late


@pytest.mark.parametrize("when", [1, 3, 6])
def test_replicas_go_on_where_they_were(tmp_path, when):
    trained, _ = stacked(VALID)
    seen = []
    stop = Watch(epoch=seen.append, stop=lambda: "asked" if len(seen) == when else None)
    with pytest.raises(StoppedError, match=f"saved in epoch {when} of unit"):
        fit_replicas(trained, settings(patience=3), tmp_path / "c.h5", [Watch(), stop])
    again, weight = stacked(VALID)
    with pytest.raises(DataError, match="checkpoint of 2 replicas, expected 1"):
        fit_replicas(again, settings(patience=3), tmp_path / "c.h5", [Watch()])
    again, weight = stacked(VALID)
    histories = fit_replicas(again, settings(patience=3), tmp_path / "c.h5", [Watch(), Watch()])
    assert [(h.epochs, h.best_epoch, h.best) for h in histories] == [(5, 1, 2), (9, 5, 4)]
    assert weight.numpy().tolist() == [2, 16]


def test_a_replica_that_diverges_is_noticed(tmp_path):
    trained, weight = stacked(([3, 2], [9, math.inf]))
    with pytest.raises(DivergedError, match="not finite on valid after epoch 2"):
        fit_replicas(trained, settings(), tmp_path / "c.h5", [Watch(), Watch()])
    assert weight.numpy().tolist() == [1, 11]
