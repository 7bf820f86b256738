import operator

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import (
    WRITERS,
    jagged,
    made,
    recipe,
    table,
    write_csv,
    write_npz,
    write_parquet,
    write_root,
)

from msml.data.importers import csv
from msml.data.importers.branches import Branch
from msml.data.importers.build import padded
from msml.data.importers.cuts import OPERATORS, Cut, passing
from msml.data.importers.table import import_table

COLUMNS = {
    "features": ["pt", "eta"],
    "njet": "njet",
    "label": {"branch": "kind", "map": {"s": 1, "b": 0}},
}


@pytest.mark.parametrize("name", WRITERS)
def test_round_trip(tmp_path, name):
    branches = table()
    WRITERS[name](tmp_path / name, branches)
    found, about = made(tmp_path, files=[name], columns=COLUMNS)
    assert (found["features"] == np.stack([branches["pt"], branches["eta"]], axis=1)).all()
    assert found["features"].dtype == np.float32
    assert (found["njet"] == branches["njet"]).all()
    assert found["njet"].dtype == (np.int8 if "csv" in name else np.int32)
    assert (found["label"] == (branches["kind"] == "s")).all()
    assert found["label"].dtype == np.uint8  # the registered column's
    assert found["source_row"].tolist() == [*range(50)]
    assert not found["source_file"].any()
    assert (found["source_file"].dtype, found["source_row"].dtype) == (np.int64, np.int64)
    assert sorted(found) == ["features", "label", "njet", "source_file", "source_row"]
    assert about.provenance["source"] == "table"
    assert about.provenance["files"] == [name]


@pytest.mark.parametrize("name", ["a.root", "a.parquet"])
def test_jagged_branches_are_padded_and_have_a_mask(tmp_path, name):
    lists = jagged()
    WRITERS[name](tmp_path / name, lists)
    column = {
        "branches": ["jet_pt", "jet_eta"], "size": 4, "components": ["pt", "eta"],
        "units": ["GeV", "1"], "axes": ["jet"], "description": "all jets",
    }  # fmt: skip
    one = {"branch": "jet_pt", "size": 9}
    found, about = made(tmp_path, files=[name], columns={"objects": column, "one": one})
    for row, (pt, eta) in enumerate(zip(lists["jet_pt"], lists["jet_eta"], strict=True)):
        kept = min(4, len(pt))
        assert found["objects_mask"][row].tolist() == [True] * kept + [False] * (4 - kept)
        assert (found["objects"][row, :kept] == np.stack([pt, eta], axis=1)[:kept]).all()
        assert not found["objects"][row, kept:].any()
        assert found["one_mask"][row].sum() == len(pt)
    assert found["objects_mask"].dtype == bool
    assert found["one"].shape == (50, 9)
    too_long = sum(len(pt) > 4 for pt in lists["jet_pt"])
    assert about.provenance["cut_off"] == {"objects": too_long, "one": 0}
    with h5py.File(tmp_path / "out.h5") as file:
        attributes = file["objects"].attrs
        assert attributes["axes"].tolist() == ["event", "jet", "component"]
        assert attributes["components"].tolist() == ["pt", "eta"]
        assert attributes["units"].tolist() == ["GeV", "1"]
        assert attributes["mask"] == "objects_mask"
        assert attributes["description"] == "all jets"


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.integers(1, 6))
def test_padded_is_a_loop_over_events(counts, size):
    values = np.arange(1, sum(counts) + 1)
    expected = np.zeros((len(counts), size), int)
    start = 0
    for row, count in enumerate(counts):
        kept = min(count, size)
        expected[row, :kept] = values[start : start + kept]
        start += count
    assert (padded(values, np.array(counts), size) == expected).all()


@pytest.mark.parametrize("name", ["a.root", "a.parquet", "a.npz"])
def test_arrays_of_fixed_size(tmp_path, name):
    values = np.arange(30, dtype="f4").reshape(10, 3)
    if name == "a.parquet":
        import pyarrow
        from pyarrow import parquet

        array = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(values.ravel()), 3)
        parquet.write_table(pyarrow.table({"p": array}), tmp_path / name)
    else:
        WRITERS[name](tmp_path / name, {"p": values})
    columns = {"p": {"branch": "p", "components": ["x", "y", "z"], "units": "GeV"}, "q": ["p", "p"]}
    found, _ = made(tmp_path, rows=4, files=[name], columns=columns)
    assert (found["p"] == values).all()
    assert (found["q"] == np.stack([values, values], axis=-1)).all()


@pytest.mark.parametrize("name", WRITERS)
def test_bytes_do_not_depend_on_the_blocks(tmp_path, name, monkeypatch):
    WRITERS[name](tmp_path / name, table(97))
    content = {"files": [name], "columns": COLUMNS, "cuts": [["pt", ">", 10]]}
    made(tmp_path, **content)
    expected = (tmp_path / "out.h5").read_bytes()
    monkeypatch.setattr(csv, "_BLOCK_BYTES", 150)
    for rows in (1, 13, 96, 1000):
        made(tmp_path, rows=rows, **content)
        assert (tmp_path / "out.h5").read_bytes() == expected


def test_bytes_do_not_depend_on_the_blocks_of_lists(tmp_path):
    write_root(tmp_path / "a.root", jagged(61), parts=3)
    write_parquet(tmp_path / "a.parquet", jagged(61))
    column = {"branches": ["jet_pt", "jet_eta"], "size": 3}
    arrays = {}
    for name in ("a.root", "a.parquet"):
        seen = set()
        for rows in (None, 1, 7, 60):
            arrays[name], _ = made(tmp_path, rows=rows, files=[name], columns={"x": column})
            seen.add((tmp_path / "out.h5").read_bytes())
        assert len(seen) == 1
    assert (arrays["a.root"]["x"] == arrays["a.parquet"]["x"]).all()


def test_more_events_than_a_block_of_the_writer(tmp_path):
    branches = table(10_000)
    write_npz(tmp_path / "a.npz", branches)
    found, _ = made(tmp_path, rows=3000, files=["a.npz"])
    assert (found["pt"] == branches["pt"]).all()


def test_several_files_in_order_and_patterns_sorted(tmp_path):
    (tmp_path / "sub").mkdir()
    for name, value in (("z.csv", 1), ("sub/b_2.csv", 2), ("sub/b_10.csv", 3)):
        write_csv(tmp_path / name, {"pt": np.full(3, value)})
    found, about = made(tmp_path, files=["z.csv", "sub/b_*.csv"])
    assert found["pt"].tolist() == [1, 1, 1, 3, 3, 3, 2, 2, 2]
    assert found["source_file"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert found["source_row"].tolist() == [0, 1, 2] * 3
    assert about.provenance["files"] == ["z.csv", "sub/b_10.csv", "sub/b_2.csv"]


def test_files_of_different_kinds_and_types(tmp_path):
    write_csv(tmp_path / "a.csv", {"pt": np.array([1, 2])})
    write_npz(tmp_path / "b.npz", {"pt": np.array([0.5], ">f8")})
    found, _ = made(tmp_path, files=["a.csv", "b.npz"])
    assert found["pt"].tolist() == [1, 2, 0.5]
    assert found["pt"].dtype == np.float32


def test_processes(tmp_path):
    branches = table()
    write_root(tmp_path / "t1.root", branches)
    write_root(tmp_path / "t2.root", branches)
    write_root(tmp_path / "w.root", branches)
    processes = {
        "ttbar": {"files": ["t*.root"], "label": 1},
        "wjets": {"files": ["w.root"], "label": 0},
    }
    found, about = made(tmp_path, processes=processes, cuts=[["pt", ">", 30]])
    passed = np.flatnonzero(branches["pt"] > 30)
    each = len(passed)
    assert found["process"].tolist() == [0] * 2 * each + [1] * each
    assert found["label"].tolist() == [1] * 2 * each + [0] * each
    assert found["source_file"].tolist() == [0] * each + [1] * each + [2] * each
    assert found["source_row"].tolist() == passed.tolist() * 3
    assert about.provenance["processes"] == ["ttbar", "wjets"]
    assert about.provenance["summary"] == {
        "ttbar": {"label": 1, "events": 2 * each, "cuts": [["read", 100], ["pt > 30", 2 * each]]},
        "wjets": {"label": 0, "events": each, "cuts": [["read", 50], ["pt > 30", each]]},
    }
    for process in processes.values():
        del process["label"]
    found, _ = made(tmp_path, processes=processes)
    assert "label" not in found
    assert found["process"].tolist() == [0] * 100 + [1] * 50


@pytest.mark.parametrize("name", ["a.root", "a.parquet", "a.csv", "a.npz"])
def test_missing_values(tmp_path, name):
    branches = {
        "pt": np.array([1, -999, 3, -9999, np.nan], "f4"),
        "njet": np.array([1, 2, -999, 4, 5], "i4"),
    }
    WRITERS[name](tmp_path / name, branches)
    columns = {
        "pt": "pt",
        "njet": {"branch": "njet", "dtype": "float32"},
        "raw": {"branch": "njet", "missing": []},
        "both": {"branches": ["pt", "njet"], "missing": [3]},
    }
    found, _ = made(tmp_path, files=[name], columns=columns, missing=[-999, -9999])
    nan = np.nan
    assert np.array_equal(found["pt"], np.float32([1, nan, 3, nan, nan]), equal_nan=True)
    assert np.array_equal(found["njet"], np.float32([1, 2, nan, 4, 5]), equal_nan=True)
    assert found["raw"].tolist() == [1, 2, -999, 4, 5]
    assert np.isnan(found["both"][:, 0]).tolist() == [False, False, True, False, True]


def test_missing_values_of_csv_and_parquet(tmp_path):
    import pyarrow
    from pyarrow import parquet

    (tmp_path / "a.csv").write_text("pt,kind\n1.5,s\n,b\n?,s\n NA ,b\n2,\n")
    columns = {"pt": "pt"}
    found, _ = made(tmp_path, files=["a.csv"], columns=columns, missing=["?", " NA "])
    assert np.isnan(found["pt"]).tolist() == [False, True, True, True, False]
    kinds = {"kind": {"branch": "kind", "map": {"s": 1, "b": 0}, "dtype": "float32"}}
    found, _ = made(tmp_path, files=["a.csv"], columns=kinds)
    assert np.isnan(found["kind"]).tolist() == [False] * 4 + [True]
    lists = pyarrow.array([[1.0, None], None, []], pyarrow.list_(pyarrow.float32()))
    content = {"pt": pyarrow.array([1.0, None, 3.0]), "lists": lists, "none": pyarrow.nulls(3)}
    parquet.write_table(pyarrow.table(content), tmp_path / "a.parquet")
    columns = {"pt": "pt", "lists": {"branch": "lists", "size": 2}, "none": "none"}
    found, _ = made(tmp_path, files=["a.parquet"], columns=columns)
    assert np.isnan(found["pt"]).tolist() == [False, True, False]
    assert np.isnan(found["lists"]).tolist() == [[False, True], [False, False], [False, False]]
    assert found["lists_mask"].tolist() == [[True, True], [False, False], [False, False]]
    assert np.isnan(found["none"]).all()


def test_what_is_cut_away_is_not_looked_at(tmp_path):
    (tmp_path / "a.csv").write_text("pt,kind\n5,s\n1,x\n7,b\n")
    columns = {"kind": {"branch": "kind", "map": {"s": 1, "b": 0}}}
    found, _ = made(tmp_path, files=["a.csv"], columns=columns, cuts=[["pt", ">=", 5]])
    assert found["kind"].tolist() == [1, 0]
    assert found["source_row"].tolist() == [0, 2]


PLAIN = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


@given(
    st.lists(st.integers(-5, 5) | st.just(None), min_size=1, max_size=20),
    st.sampled_from(sorted(OPERATORS)),
    st.lists(st.integers(-6, 6), min_size=1, max_size=4),
    st.sampled_from(["f4", "f8", "i4"]),
)
def test_cuts_are_plain_comparisons(numbers, name, against, dtype):
    gone = np.array([number is None for number in numbers])
    values = np.array([number or 0 for number in numbers], dtype) / (1 if dtype == "i4" else 10)
    values = values.astype(dtype)
    against = [number if dtype == "i4" else number / 10 for number in against]
    exact = np.array(against, dtype).tolist()
    if name in PLAIN:
        expected = [PLAIN[name](value, exact[0]) for value in values.tolist()]
        cut = Cut("x", name, against[0])
    else:
        expected = [(value in exact) == (name == "in") for value in values.tolist()]
        cut = Cut("x", name, against)
    assert passing(cut, Branch(values), gone).tolist() == (np.array(expected) & ~gone).tolist()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10), st.sampled_from(["s", "b"]), st.integers(1, 20))
def test_cuts_on_a_file(tmp_path_factory, least, kind, rows):
    folder = tmp_path_factory.getbasetemp() / "cuts"
    folder.mkdir(exist_ok=True)
    branches = table(40)
    write_npz(folder / "a.npz", branches)
    cuts = [["njet", "not in", [0]], ["pt", ">", least], ["kind", "==", kind]]
    found, about = made(folder, rows=rows, files=["a.npz"], cuts=cuts)
    first, second = branches["njet"] != 0, branches["pt"] > least
    passed = first & second & (branches["kind"] == kind)
    assert found["source_row"].tolist() == np.flatnonzero(passed).tolist()
    assert (found["pt"] == branches["pt"][passed]).all()
    assert [left for _, left in about.provenance["summary"]["all"]["cuts"]] == [
        40, first.sum(), (first & second).sum(), passed.sum(),
    ]  # fmt: skip


def test_types(tmp_path):
    branches = {
        "d": np.array([1 / 3, 2]),
        "big": np.array([2**62 + 1, 5]),
        "ok": np.array([True, False]),
        "one": np.array([1.0, 0.0]),
        "e": np.array([1, 2], ">i2"),
        "f": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    }
    np.savez(tmp_path / "a.npz", **branches)
    columns = {name: name for name in branches} | {
        "double": {"branch": "d", "dtype": "float64"},
        "whole": {"branch": "one", "dtype": "int8"},
        "flag": {"branch": "one", "dtype": "bool"},
        "mapped": {"branch": "ok", "map": {"true": 0.5, "false": -1}},
        "numbers": {"branch": "e", "map": {1: 300, 2: 0}},
    }
    found, _ = made(tmp_path, rows=1, files=["a.npz"], columns=columns)
    assert (found["d"] == np.float32([1 / 3, 2])).all()
    assert (found["double"] == branches["d"]).all()
    assert found["big"].tolist() == [2**62 + 1, 5]
    assert found["ok"].dtype == found["flag"].dtype == bool
    assert found["flag"].tolist() == found["ok"].tolist() == [True, False]
    assert (found["whole"].tolist(), found["whole"].dtype) == ([1, 0], np.int8)
    assert (found["e"].tolist(), found["e"].dtype) == ([1, 2], np.int16)
    assert (found["f"] == branches["f"]).all()
    assert found["mapped"].tolist() == [0.5, -1]
    assert (found["numbers"].tolist(), found["numbers"].dtype) == ([300, 0], np.int16)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["1", "127"], "int8"),
        (["1", "-129"], "int16"),
        (["99999", " 3"], "int32"),
        (["9999999999", "-1"], "int64"),
        (["99999999999999999999", "1"], "float32"),
        (["1", "2.5"], "float32"),
        (["", "NA"], "float32"),
    ],
)
def test_csv_takes_the_narrowest_type_of_all_rows(tmp_path, values, dtype, monkeypatch):
    monkeypatch.setattr(csv, "_BLOCK_BYTES", 60)
    rows = ["0"] * 40 + values if values[0] else values
    (tmp_path / "a.csv").write_text("\n".join(["x,y", *(f"{value},1" for value in rows)]) + "\n")
    found, _ = made(tmp_path, files=["a.csv"], columns={"x": "x"})
    assert found["x"].dtype == dtype
    assert np.allclose(
        found["x"], [float(v) if v not in ("", "NA") else np.nan for v in rows], equal_nan=True
    )


def test_csv_with_tabs_quotes_and_windows_lines(tmp_path):
    text = '\ufeffa\tb\r\n1\t"x\ty"\r\n\r\n2\tz\r\n'
    (tmp_path / "a.tsv").write_bytes(text.encode())
    columns = {"a": "a", "b": {"branch": "b", "map": {"x\ty": 1, "z": 2}}}
    found, _ = made(tmp_path, files=["a.tsv"], columns=columns)
    assert (found["a"].tolist(), found["b"].tolist()) == ([1, 2], [1, 2])
    (tmp_path / "b.txt").write_text("a;b\n1;2\n")
    source = {"delimiter": ";", "files": ["b.txt"]}
    found, _ = made(tmp_path, source=source, columns={"c": ["a", "b"]})
    assert found["c"].tolist() == [[1, 2]]


def test_root_ntuples_and_the_only_tree(tmp_path):
    import awkward
    import uproot

    with uproot.recreate(tmp_path / "a.root") as file:
        made_of = file.mkrntuple("nt", {"pt": np.dtype("f4"), "jets": "var * float64"})
        made_of.extend({"pt": np.float32([1, 2]), "jets": awkward.Array([[3.0], []])})
    columns = {"pt": "pt", "x": {"branch": "jets", "size": 1}}
    found, _ = made(tmp_path, rows=1, files=["a.root"], columns=columns)
    assert found["pt"].tolist() == [1, 2]
    assert found["x"].tolist() == [[3], [0]]


def test_source_beside_the_recipe_or_in_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    write_csv(tmp_path / "work" / "a_1.csv", {"pt": np.array([1])})
    assert made(tmp_path, files=["a_*.csv"])[0]["pt"].tolist() == [1]
    write_csv(tmp_path / "a_2.csv", {"pt": np.array([2])})
    found, about = made(tmp_path, files=["a_*.csv"])
    assert found["pt"].tolist() == [2]
    assert about.provenance["files"] == ["a_2.csv"]
    given = recipe(tmp_path, ["source.files=[a_*.csv]"], files=["b.csv"], output="new.h5")
    import_table(given)
    with h5py.File("new.h5") as file:
        assert file["pt"][()].tolist() == [1]


def test_little_of_an_archive_is_in_memory(tmp_path):
    import tracemalloc

    np.savez(tmp_path / "a.npz", a=np.ones(400_000), b=np.ones((400_000, 4)))
    given = recipe(tmp_path, files=["a.npz"], columns={"a": "a", "b": "b"})
    tracemalloc.start()
    import_table(given, 5000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e6  # of 16e6


def test_weights_and_trees_that_are_not_imported_are_named(tmp_path):
    import uproot

    with uproot.recreate(tmp_path / "a.root") as file:
        pt = np.float32([1, 2])
        file["events"] = {"pt": pt, "genWeight": pt, "weight_up": pt, "eta": pt}
        file["Systematics"] = {"pt": pt}
    source = {"files": ["a.root"], "tree": "events"}
    about = made(tmp_path, source=source, columns={"pt": "pt", "w": "genWeight"})[1]
    assert about.provenance["left_out"] == ["tree Systematics", "weight_up"]
    write_csv(tmp_path / "a.csv", {"pt": np.array([1]), "Event.Weight": np.array([2])})
    about = made(tmp_path, files=["a.csv"], columns={"pt": "pt"})[1]
    assert about.provenance["left_out"] == ["Event.Weight"]
    columns = {"pt": "pt", "w": "Event.Weight"}
    about = made(tmp_path, files=["a.csv"], columns=columns)[1]
    assert "left_out" not in about.provenance
