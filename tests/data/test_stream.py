"""Events read block by block: from event files, and from tables by the names of their branches."""

from itertools import pairwise

import h5py
import numpy as np
import pytest
from made_tables import WRITERS, jagged, table, write_parquet, write_root

from msml.data.importers.rows import of_settings, table_stream
from msml.data.schema import Column
from msml.data.stream import batches, hdf5_stream
from msml.errors import DataError


def column(name, *sizes, components=(), units=(), dtype="float32", mask=""):
    return Column(name, dtype, (), sizes, components, units, "", mask)


def whole(stream):
    """All events of a stream, and the lengths of its blocks."""
    blocks = list(stream.blocks())
    joined = {n: np.concatenate([block[n] for block in blocks]) for n in stream.columns}
    return joined, [len(next(iter(block.values()))) for block in blocks]


@pytest.mark.parametrize("lengths", [[], [0], [7], [3, 0, 4, 1], [25, 1], [10, 10], [1] * 23])
def test_batches_of_blocks_of_any_length(lengths):
    ends = np.cumsum([0, *lengths])
    blocks = [{"x": np.arange(a, b)} for a, b in pairwise(ends)]
    found = [batch["x"] for batch in batches(blocks, 10)]
    total = sum(lengths)
    assert [len(each) for each in found] == [10] * (total // 10) + [total % 10] * (total % 10 > 0)
    assert np.array_equal(np.concatenate([[], *found]), np.arange(total))


def test_event_files_in_order(tmp_path):
    x = np.random.default_rng(1).normal(size=(40_000, 3)).astype("f4")
    paths = [tmp_path / "b.h5", tmp_path / "a.h5"]
    for path, rows in zip(paths, (slice(33_000), slice(33_000, None)), strict=True):
        with h5py.File(path, "w") as file:
            file["x"], file["run"] = x[rows], np.arange(len(x))[rows]
    stream = hdf5_stream(paths, {"x": column("x", 3)}, ["run"])
    found, lengths = whole(stream)
    assert np.array_equal(found["x"], x)
    assert np.array_equal(found["run"], np.arange(40_000))
    assert (stream.events, max(lengths)) == (40_000, 2**14)
    with pytest.raises(DataError, match=r"b\.h5 and 1 more: no column 'ran'; did you mean 'run'"):
        hdf5_stream(paths, {"x": column("x", 3)}, ["ran"])


@pytest.mark.parametrize("name", [name for name in WRITERS if "npz" not in name])
@pytest.mark.parametrize("joint", "._")
def test_branches_named_by_components(tmp_path, name, joint):
    made = {f"lepton{joint}{part}": table()[part] for part in ("pt", "eta")}
    path = WRITERS[name](tmp_path / name, {**made, "njet": table()["njet"]})
    wanted = {
        "lepton": column("lepton", 2, components=("eta", "pt"), units=("1", "GeV")),
        "njet": column("njet", dtype="float32"),  # as in the training, whatever is in here
    }
    found, _ = whole(table_stream([path], wanted, ["njet"], None, None))
    assert found["njet"].dtype == np.float32
    assert np.array_equal(found["lepton"], np.stack([table()["eta"], table()["pt"]], axis=-1))


@pytest.mark.parametrize("write", [write_root, write_parquet])
def test_lists_become_columns_with_the_mask_of_the_training(tmp_path, write):
    path = write(tmp_path / f"a.{write.__name__.removeprefix('write_')}", jagged())
    pair = {"jet_pt": column("jet_pt", 4, mask="real"), "real": column("real", 4, dtype="bool")}
    found, _ = whole(table_stream([path], pair, [], None, None))
    for values, padded, real in zip(
        jagged()["jet_pt"], found["jet_pt"], found["real"], strict=True
    ):
        assert np.array_equal(padded[real], values[:4])
        assert real.tolist() == [True] * min(len(values), 4) + [False] * (4 - real.sum())
        assert not padded[~real].any()


def test_lists_of_one_mask_that_differ(tmp_path):
    lists = jagged()
    lists["jet_eta"] = lists["jet_eta"][::-1]
    path = write_root(tmp_path / "a.root", lists)
    pair = {name: column(name, 4, mask="real") for name in lists}
    stream = table_stream([path], pair | {"real": column("real", 4, dtype="bool")}, [], None, None)
    with pytest.raises(DataError, match="other numbers of objects than those of another column"):
        whole(stream)


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (column("mass"), r"a\.root: no branch 'mass', for column 'mass'.*: --columns"),
        (column("x", 2, components=("a", "b")), r"no branch 'x', nor x\.a, x\.b, for column 'x'"),
        (column("pt", 2), r"column 'pt': shape \(events\), expected \(events, 2\), as in the ev"),
        (column("pt", dtype="int32"), r"row 0 \(from 0\), branch 'pt' for column 'pt'.* int32"),
        (column("kind"), "column 'kind': branch 'kind' holds texts, expected numbers"),
    ],
)
def test_tables_that_are_not_like_the_training(tmp_path, wanted, problem):
    path = write_root(tmp_path / "a.root", table())
    with pytest.raises(DataError, match=problem):
        whole(table_stream([path], {wanted.name: wanted}, [], None, None))


def test_no_cut_is_made_of_what_the_import_cut(tmp_path):
    settings = {
        "columns": {"momentum": "pt", "label": {"branch": "kind", "map": {"s": 1, "b": 0}}},
        "missing": [],
        "source": {"tree": None, "delimiter": None},
        "cuts": [["pt", ">", 20]],
    }
    path = write_root(tmp_path / "a.root", table(), parts=3)
    wanted = {"momentum": column("momentum")}
    found, _ = whole(table_stream([path], wanted, ["label"], of_settings(settings), None))
    assert np.array_equal(found["momentum"], table()["pt"])
    assert np.array_equal(found["label"], table()["kind"] == "s")
