"""Splits, and reading them."""

import re
import tracemalloc
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from synthetic import synthetic_events, write_events

from msml.data.dataset import check_classes, load_split
from msml.data.splits import split_rows
from msml.errors import DataError
from msml.recipe.schema import Data, Split

PARTS = ("train", "valid", "test")
PAPER = {"train": 0.6, "valid": 0.2, "test": 0.2}
DATA = Data(file="events.h5")


@pytest.mark.parametrize(
    ("events", "sizes"),
    [
        (100_000, [60_000, 20_000, 20_000]),
        (10_000, [6000, 2000, 2000]),
        (1000, [600, 200, 200]),
    ],
)
def test_sizes_of_the_paper(events, sizes):
    assert [len(part) for part in split_rows(events, PAPER, 1).values()] == sizes


@pytest.mark.parametrize(
    "fractions", [(0.7, 0.2, 0.1), (0.6, 0.2, 0.2), (1 / 3, 1 / 3, 1 / 3), (0.1, 0.1, 0.8)]
)
@pytest.mark.parametrize("events", [10, 999, 1000, 12_345])
def test_parts_are_disjoint_and_together_all(fractions, events):
    parts = split_rows(events, dict(zip(PARTS, fractions, strict=True)), 3)
    assert list(parts) == list(PARTS)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(events))
    for part, fraction in zip(parts.values(), fractions, strict=True):
        assert abs(len(part) - fraction * events) <= 1


def test_round_fractions_lose_no_event():
    sizes = [
        len(p) for p in split_rows(1000, dict(zip(PARTS, (0.7, 0.2, 0.1), strict=True)), 1).values()
    ]
    assert sizes == [700, 200, 100]


def test_the_permutation_is_numpys_legacy_one():
    order = np.random.RandomState(7).permutation(50)
    parts = split_rows(50, PAPER, 7)
    assert np.concatenate(list(parts.values())).tolist() == order.tolist()
    assert split_rows(50, PAPER, 8)["train"].tolist() != parts["train"].tolist()
    few = split_rows(50, PAPER, 7, used=10)
    assert np.concatenate(list(few.values())).tolist() == order[:10].tolist()


def test_a_part_without_events():
    with pytest.raises(DataError, match="the valid split of 3 events is empty"):
        split_rows(3, {"train": 0.9, "valid": 0.05, "test": 0.05}, 1)


def test_rows_are_those_of_the_file(event_file):
    columns = synthetic_events()
    for name in PARTS:
        split = load_split(DATA, name, ["jets", "label"], event_file)
        assert len(split) == {"train": 240, "valid": 80, "test": 80}[name]
        assert split.event.tolist() == split_rows(400, PAPER, 1)[name].tolist()
        for column in ("jets", "label"):
            assert split.columns[column].dtype == np.float32
            assert np.array_equal(split.columns[column], columns[column][split.event])
        assert split.weight.tolist() == [1.0] * len(split)


def test_transforms_are_applied(event_file):
    data = replace(DATA, transform={"jets": "log_pt"})
    found = load_split(data, "valid", ["jets", "taus"], event_file)
    raw = load_split(DATA, "valid", ["jets", "taus"], event_file)
    assert found.columns["jets"][..., 0] == pytest.approx(
        np.log(0.1 + raw.columns["jets"][..., 0]), rel=1e-6
    )
    assert np.array_equal(found.columns["jets"][..., 1:], raw.columns["jets"][..., 1:])
    assert np.array_equal(found.columns["taus"], raw.columns["taus"])


def test_fewer_events_are_the_first_of_the_permutation(event_file):
    some = replace(DATA, events=50)
    parts = {name: load_split(some, name, ["label"], event_file).event for name in PARTS}
    assert [len(part) for part in parts.values()] == [30, 10, 10]
    order = np.random.RandomState(1).permutation(400)
    assert np.concatenate(list(parts.values())).tolist() == order[:50].tolist()
    with pytest.raises(DataError, match=r"400 events, but data.events asks for 401"):
        load_split(replace(DATA, events=401), "train", ["label"], event_file)


def test_weights_have_a_mean_of_1_in_each_split(event_file):
    raw = synthetic_events()["weight"]
    for name in PARTS:
        split = load_split(replace(DATA, weight="weight"), name, ["label"], event_file)
        assert split.weight.mean(dtype=np.float64) == pytest.approx(1, rel=1e-6)
        ratio = split.weight / raw[split.event]
        assert ratio == pytest.approx(np.full(len(split), ratio[0]), rel=1e-5)
        assert "weight" not in split.columns
        assert split.weight.dtype == np.float32


@pytest.mark.parametrize("value", [-36.0, 0.0])
def test_weights_that_make_no_sense(tmp_path, value):
    columns = synthetic_events(60)
    columns["weight"][:] = 0 if value == 0 else 1
    columns["weight"][split_rows(60, PAPER, 1)["train"][4]] = value
    path = write_events(tmp_path / "events.h5", columns)
    message = "column 'weight': the weights of the train split sum to .*; expected a positive total"
    with pytest.raises(DataError, match=message):
        load_split(replace(DATA, weight="weight"), "train", ["label"], path)


def test_weights_of_both_signs(tmp_path):
    columns = synthetic_events(60)
    columns["weight"][::5] *= -0.5
    path = write_events(tmp_path / "events.h5", columns)
    split = load_split(replace(DATA, weight="weight"), "train", ["label"], path)
    assert split.weight.mean(dtype=np.float64) == pytest.approx(1, rel=1e-6)
    assert split.yields.tolist() == columns["weight"][split.event].astype(float).tolist()
    assert (np.sign(split.weight) == np.sign(split.yields)).all()
    check_classes(split, "label", path)
    columns["weight"] = np.where(columns["label"] == 1, -0.1, 1).astype(np.float32)
    path = write_events(tmp_path / "other.h5", columns)
    split = load_split(replace(DATA, weight="weight"), "train", ["label"], path)
    message = "the weights of class 1 in the train split sum to -.*; expected a positive total"
    with pytest.raises(DataError, match=message):
        check_classes(split, "label", path)
    with pytest.raises(DataError, match=message):
        load_split(replace(DATA, weight="weight", balance="label"), "train", ["label"], path)


def test_classes_of_the_same_total_weight(tmp_path):
    columns = synthetic_events(60)
    columns["label"] = (np.arange(60) % 10 < 2).astype(np.uint8)
    path = write_events(tmp_path / "events.h5", columns)
    for weight in (None, "weight"):
        data = replace(DATA, weight=weight, balance="label")
        split = load_split(data, "train", ["label"], path)
        totals = [split.weight[split.columns["label"] == n].sum() for n in (0, 1)]
        assert totals == pytest.approx([len(split) / 2] * 2)
        signal = split.columns["label"] == 1
        ratios = split.weight[signal] / split.yields[signal]
        assert ratios == pytest.approx(np.full(signal.sum(), ratios[0]))


def test_a_label_of_one_class(tmp_path):
    columns = synthetic_events(100)
    columns["label"][split_rows(100, PAPER, 1)["valid"]] = 1
    path = write_events(tmp_path / "events.h5", columns)
    for name in PARTS:
        split = load_split(DATA, name, ["label", "taus"], path)
        if name != "valid":
            check_classes(split, "label", path)
    message = "'label': all 20 events of the valid split are of class 1; expected at least two"
    with pytest.raises(DataError, match=message):
        check_classes(load_split(DATA, "valid", ["label"], path), "label", path)


def replaced(name, array):
    def change(file):
        del file[name]
        file[name] = array

    return change


def first_pt(value):
    def change(file):
        file["taus"][17, 1, 0] = value

    return change


DAMAGE = {
    "nan": first_pt(np.nan),
    "infinite": first_pt(np.inf),
    "negative": first_pt(-3),
    "column": lambda file: file.__delitem__("taus"),
    "shape": replaced("taus", np.zeros((400, 6), np.float32)),
    "type": replaced("taus", np.full((400, 2, 3), b"a")),
    "short": lambda file: file["taus"].resize(399, axis=0),
    "version": lambda file: file.attrs.__setitem__("format_version", 99),
}


def broken(path: Path, how: str) -> None:
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
    elif how == "text":
        path.write_text("no HDF5")
    else:
        with h5py.File(path, "r+") as file:
            DAMAGE[how](file)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "no such file"),
        ("truncated", "not a complete HDF5 file"),
        ("text", "not a complete HDF5 file"),
        ("nan", "column 'taus': NaN or infinity in event 17"),
        ("infinite", "column 'taus': NaN or infinity in event 17"),
        ("negative", "column 'taus': 'log_pt' of -3 in event 17 is NaN or infinite"),
        ("column", "no column 'taus'"),
        ("shape", "column 'taus'"),
        ("type", "column 'taus'"),
        ("short", "columns of unequal length"),
        ("version", "format version 99, this msml reads version 1"),
    ],
)
def test_bad_files(tmp_path, how, message):
    path = write_events(tmp_path / "events.h5")
    broken(path, how)
    data = replace(DATA, transform={"taus": "log_pt"})
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        [load_split(data, name, ["jets", "taus"], path) for name in PARTS]
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_split_never_holds_the_others_in_memory(tmp_path):
    """Reading a tenth of a column must not take the column."""
    columns = {"calo_images": np.zeros((20_000, 2, 10, 10, 3), np.float32)}
    path = write_events(tmp_path / "events.h5", columns)
    whole = columns.pop("calo_images").nbytes
    data = replace(DATA, split=Split(0.8, 0.1, 0.1, 1))
    tracemalloc.start()
    try:
        split = load_split(data, "test", ["calo_images"], path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < whole * 0.6
    assert split.columns["calo_images"].nbytes == whole // 10
