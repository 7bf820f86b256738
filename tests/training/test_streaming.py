"""Events that do not fit into memory: the same batches, read from disk."""

import numpy as np
import pytest

from msml.data.dataset import load_split
from msml.data.events import EventWriter
from msml.recipe.schema import Data
from msml.training import epoch as engine
from msml.training.environment import tensorflow
from msml.training.epoch import Stream, compile_epoch, epoch_order, to_device

EVENTS = 230


@pytest.fixture
def file(tmp_path):
    random = np.random.default_rng(1)
    path = tmp_path / "events.h5"
    with EventWriter(path, EVENTS, {}) as writer:
        writer.append(
            {
                "jets": random.uniform(1, 50, (EVENTS, 2, 4)),
                "label": np.arange(EVENTS) % 2,
            }
        )
        writer.finish()
    return path


def test_large_columns_become_memory_maps_with_the_same_content(file, tmp_path):
    columns = ["jets", "label"]
    inside = load_split(Data(str(file)), "train", columns, file)
    outside = load_split(Data(str(file), memory_gb=1e-6), "train", columns, file, tmp_path / "u")
    assert isinstance(outside.columns["jets"], np.memmap)
    assert not isinstance(outside.columns["label"], np.memmap)
    for name in columns:
        assert np.array_equal(inside.columns[name], outside.columns[name])
    written = (tmp_path / "u" / "train" / "jets.npy").stat().st_mtime_ns
    load_split(Data(str(file), memory_gb=1e-6), "train", columns, file, tmp_path / "u")
    assert (tmp_path / "u" / "train" / "jets.npy").stat().st_mtime_ns == written


def test_half_of_an_unpacked_column_goes(file, tmp_path):
    """A kill may leave gigabytes in the shared cache."""
    (tmp_path / "u" / "train").mkdir(parents=True)
    leftover = tmp_path / "u" / "train" / ".jets.npy.123.tmp"
    leftover.write_text("half")
    load_split(Data(str(file), memory_gb=1e-6), "train", ["jets"], file, tmp_path / "u")
    assert not leftover.exists()
    assert (tmp_path / "u" / "train" / "jets.npy").exists()


@pytest.mark.parametrize("batches", [1, 3, 100])
@pytest.mark.parametrize("xla", [False, True])
def test_streamed_epochs_do_the_same_steps(tmp_path, monkeypatch, batches, xla):
    tf = tensorflow()
    values = np.random.default_rng(2).normal(size=(EVENTS, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", values)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    monkeypatch.setattr(engine, "_STRETCH_BYTES", batches * 20 * 12)

    def trained(columns):
        weight = tf.Variable(tf.zeros(3))

        def step(batch):
            loss = tf.reduce_mean((batch["x"] - weight) ** 2)
            weight.assign_add(0.01 * tf.reduce_mean(batch["x"] - weight, axis=0))
            return tf.stack([loss])

        run = compile_epoch(step, Stream(columns, 20), losses=1, xla=xla)
        losses = [run(epoch_order(EVENTS, 0, "x", e)).losses for e in range(3)]
        return weight.numpy(), np.array(losses)

    weight, losses = trained(to_device({"x": values}))
    streamed_weight, streamed_losses = trained(to_device({"x": mapped}))
    assert np.abs(weight).max() > 0.01
    np.testing.assert_allclose(streamed_weight, weight, rtol=1e-6)
    np.testing.assert_allclose(streamed_losses, losses, rtol=1e-6)


def test_the_first_bad_batch_is_found_in_a_later_stretch(tmp_path, monkeypatch):
    tf = tensorflow()
    values = np.zeros((EVENTS, 1), np.float32)
    values[150] = np.nan
    np.save(tmp_path / "x.npy", values)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    monkeypatch.setattr(engine, "_STRETCH_BYTES", 3 * 20 * 4)
    run = compile_epoch(
        lambda batch: tf.stack([tf.reduce_mean(batch["x"])]),
        Stream({"x": mapped}, 20),
        losses=1,
        xla=False,
    )
    assert run(np.arange(EVENTS, dtype=np.int32)).bad_batch == 150 // 20
