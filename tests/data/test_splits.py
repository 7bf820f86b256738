"""Dividing events: disjoint, complete, the same for every run."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msml.data.events import describe
from msml.data.splits import PARTS, divide, split_rows, summary
from msml.errors import DataError
from msml.recipe.schema import Data, Split

EVENTS = 200


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("splits") / "events.h5"
    rng = np.random.default_rng(1)
    with h5py.File(path, "w") as opened:
        opened["fold"] = rng.integers(0, 5, EVENTS)
        opened["kind"] = rng.choice(3, EVENTS, p=[0.8, 0.15, 0.05])
        opened["run"] = 1234567 + np.arange(EVENTS) % 16
        opened["flag"] = rng.random(EVENTS) < 0.5
        opened["pair"] = rng.random((EVENTS, 2))
    return describe(path)


def column(file, name):
    with h5py.File(file.path) as opened:
        return opened[name][:]


SPLITS = {
    "fractions": Split(),
    "stratified": Split(0.5, 0.25, 0.25, stratify="kind"),
    "column": Split([0, 1, 2], [3], [4], column="fold"),
    "folds": Split(folds=4, fold=3),
    "stratified folds": Split(folds=5, fold=1, stratify="kind"),
}


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
@pytest.mark.parametrize("used", [None, 150])
def test_disjoint_complete_and_the_same_again(file, split, used):
    data = Data(split=split, events=used)
    parts = divide(data, file)
    assert tuple(parts) == PARTS
    rows = np.concatenate(list(parts.values()))
    assert len(np.unique(rows)) == len(rows) == (used or EVENTS)
    again = divide(data, file)
    assert all(np.array_equal(parts[name], again[name]) for name in PARTS)
    found = summary(data, file)
    assert [found[name]["events"] for name in PARTS] == [len(parts[name]) for name in PARTS]
    assert len({found[name]["sha256"] for name in PARTS}) == 3


@settings(deadline=None, max_examples=60)
@given(
    total=st.integers(12, 300),
    fractions=st.tuples(st.floats(0.1, 0.8), st.floats(0.1, 0.8)),
    seed=st.integers(0, 1000),
    classes=st.integers(1, 3),
)
def test_each_class_has_its_fractions(total, fractions, seed, classes):
    first, second = fractions[0] * 0.5, fractions[1] * 0.5
    shares = dict(zip(PARTS, (1 - first - second, first, second), strict=True))
    kind = np.random.default_rng(seed).integers(classes, size=total)
    try:
        parts = split_rows(total, shares, seed, None, kind)
    except DataError:
        return  # too few events for a part
    rows = np.concatenate(list(parts.values()))
    assert sorted(rows.tolist()) == list(range(total))
    for value in range(classes):
        there = (kind == value).sum()
        for name, share in shares.items():
            assert abs((kind[parts[name]] == value).sum() - share * there) < 1 + 1e-6


def test_the_values_of_a_column_divide(file):
    parts, fold = divide(Data(split=SPLITS["column"]), file), column(file, "fold")
    assert set(fold[parts["train"]]) == {0, 1, 2}
    assert set(fold[parts["valid"]]) == {3}
    assert set(fold[parts["test"]]) == {4}


@pytest.mark.parametrize("stratify", [None, "flag"])
def test_fractions_divide_the_events_of_all_other_values(file, stratify):
    split = Split(0.75, 0.25, [4], column="fold", unused=[0], seed=2, stratify=stratify)
    parts, fold = divide(Data(split=split), file), column(file, "fold")
    rest = np.isin(fold, [1, 2, 3]).sum()
    assert set(fold[parts["test"]]) == {4}
    assert set(fold[np.concatenate([parts["train"], parts["valid"]])]) == {1, 2, 3}
    assert len(parts["train"]) == pytest.approx(0.75 * rest, abs=2)
    assert len(parts["train"]) + len(parts["valid"]) == rest
    if stratify:
        flag = column(file, "flag")
        assert flag[parts["train"]].mean() == pytest.approx(flag[parts["valid"]].mean(), abs=0.05)


def test_every_event_is_in_test_and_in_valid_once(file):
    parts = [divide(Data(split=Split(folds=4, fold=fold)), file) for fold in range(4)]
    for name in ("valid", "test"):
        rows = np.concatenate([part[name] for part in parts])
        assert sorted(rows.tolist()) == list(range(EVENTS))
    assert np.array_equal(parts[0]["valid"], parts[1]["test"])
    assert np.array_equal(parts[3]["valid"], parts[0]["test"])


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_training_events_are_nested_and_nothing_else_changes(file, split):
    whole = divide(Data(split=split), file)
    few, more = (divide(Data(split=split, train_events=n), file) for n in (10, 40))
    assert np.array_equal(more["train"][:10], few["train"])
    assert np.array_equal(whole["train"][:40], more["train"])
    for name in ("valid", "test"):
        assert np.array_equal(few[name], whole[name])


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (Data(split=Split([0, 1], [3], [], column="fold")), "no part has the values 2, 4"),
        (
            Data(split=Split([1234568], [1234569], [1234570], column="run")),
            "no part has the values 1234567, 1234571, 1234572, 1234573, 1234574, 1234575, 1234576,"
            " 1234577, 1234578, 1234579, 1234580, 1234581 and 1 more",
        ),
        (Data(split=Split([0], [2], [3], column="flag")), "no part has the value True"),
        (Data(split=Split([0, 1, 2, 3], [4], [9], column="fold")), "the test split of 200 events"),
        (Data(split=Split([0], [1], [2], column="pair")), "expected a number an event, got shape"),
        (Data(train_events=121), "120 events for train, but data.train_events asks for 121"),
        (Data(events=201), "200 events, but data.events asks for 201"),
        (Data(split=Split(folds=300)), "the valid split of 200 events is empty"),
        (Data(split=Split(column="flod")), "no column 'flod'; did you mean 'fold'?"),
    ],
)
def test_splits_that_cannot_be(file, data, problem):
    data = replace(data, split=replace(data.split, fold=250 if data.split.folds else 0))
    with pytest.raises(DataError) as caught:
        divide(data, file)
    assert problem in str(caught.value)
