import contextlib
import sys

import click.testing
import numpy as np
import pytest
import yaml
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

from msml.cli import cli
from msml.data.importers.selection import selection
from msml.errors import DataError, RecipeError


def message(folder, error=DataError, **content):
    """Fail to import; nothing is left behind."""
    with pytest.raises(error) as caught:
        made(folder, **content)
    text = str(caught.value)
    assert "\n" not in text
    assert not [path for path in folder.iterdir() if "out.h5" in path.name]
    return text


def problems(folder, **content):
    with pytest.raises(RecipeError) as caught:
        selection(recipe(folder, **content))
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def test_all_mistakes_of_a_recipe_at_once(tmp_path):
    columns = {
        "a": {"branch": "x", "branches": ["y"], "dtype": "float33"},
        "b": {"brunch": "x", "size": "three"},
        "c": {"branches": ["x"], "size": 0, "map": {"s": "one"}},
        "source_row": "x",
        "c_mask": "x",
        "d.e": "x",
        "f": 3,
    }
    found = problems(
        tmp_path, columns=columns, source={"kind": "rot", "delimiter": ";;"},
        missing=[1, None], cuts=[["x", ">"], ["x", "=>", 1], ["x", "in", 3], ["x", "<", "a"]],
    )  # fmt: skip
    keys = [problem.split(": ")[1] for problem in found]
    assert keys == [
        "columns.b.brunch",
        "columns.b.size",
        "columns.f",
        "source.kind",
        "source.delimiter",
        "source.files",
        "columns.a",
        "columns.a.dtype",
        "columns.c.size",
        "columns.c.map.s",
        "columns.source_row",
        "columns.c_mask",
        "columns.d.e",
        "missing.1",
        "cuts.0",
        "cuts.1",
        "cuts.2",
        "cuts.3",
    ]
    assert "mine.yaml:9: columns.b.brunch: unknown key; did you mean 'branch' or" in found[0]
    assert found[3] == "mine.yaml:22: source.kind: unknown kind 'rot'; did you mean 'root'?"
    assert "'c_mask' is the mask of 'c'" in found[11]
    assert "unknown operator '=>'; did you mean '>'?" in found[15]
    assert "'in' needs a list, got 3" in found[16]
    assert "'<' compares with numbers, got 'a'" in found[17]


def test_mistakes_in_processes(tmp_path):
    processes = {"a": {"files": [], "label": 256}, "b": {"files": ["x.csv"]}}
    found = problems(
        tmp_path, files=["y.csv"], processes=processes, columns={"label": "l", "process": "p"}
    )
    assert [problem.split(": ", 1)[1] for problem in found] == [
        "source.files: has no effect: each of the processes has files of its own",
        "processes.a.files: empty; expected paths or patterns",
        "processes.a.label: 256, expected 0 to 255",
        "processes.b: label missing; expected one of every process or of none",
        "columns.label: this name is taken: the column 'label' holds the labels of the processes",
        "columns.process: this name is taken: the column 'process' counts through the processes",
    ]
    assert "columns: empty" in problems(tmp_path, files=["a.csv"], columns={})[0]


@pytest.mark.parametrize("name", WRITERS)
def test_branches_that_do_not_exist_are_all_named(tmp_path, name):
    WRITERS[name](tmp_path / name, table())
    with pytest.raises(RecipeError) as caught:
        made(tmp_path, files=[name], columns={"x": ["pt", "et"]}, cuts=[["njets", ">", 1]])
    first, second = caught.value.problems
    assert f"columns.x: {tmp_path}/{name} has no branch 'et'; did you mean" in first
    assert "'eta'" in first
    assert "cuts.0: " in second
    assert second.endswith("no branch 'njets'; did you mean 'njet'?")


def test_thousands_of_branches_are_not_all_listed(tmp_path):
    write_npz(tmp_path / "a.npz", {f"branch_number_{i}": np.zeros(1) for i in range(2000)})
    text = message(tmp_path, RecipeError, files=["a.npz"], columns={"x": "pt"})
    assert len(text) < 700
    assert text.endswith(", ...")


def test_shapes_that_do_not_fit(tmp_path):
    write_root(tmp_path / "a.root", table() | jagged() | {"p": np.ones((50, 3), "f4")})
    columns = {
        "a": "jet_pt",
        "b": {"branch": "pt", "size": 3},
        "c": ["pt", "p"],
        "d": "kind",
        "e": {"branches": ["pt", "eta"], "components": ["x"]},
        "f": {"branch": "p", "axes": ["one", "two"]},
        "g": {"branches": ["pt", "eta"], "units": ["GeV", "1", "1"]},
        "jets": ["pt", "eta"],
        "weight": {"branch": "pt", "units": "GeV", "dtype": "float64"},
        "h": {"branch": "pt", "components": ["x"]},
    }
    cuts = [["jet_pt", ">", 1], ["kind", "==", 1], ["pt", "in", ["s"]]]
    with pytest.raises(RecipeError) as caught:
        made(tmp_path, files=["a.root"], columns=columns, cuts=cuts)
    found = [problem.split(": ", 1)[1] for problem in caught.value.problems]
    expected = [
        "columns.a: branch 'jet_pt' is jagged; say with size: N how many objects to keep",
        "columns.b: size has no effect: branch 'pt' is not jagged",
        "columns.c: branches of different shapes cannot be stacked: pt (float32), p (float32 x 3)",
        "columns.d: branch 'kind' holds texts, expected numbers; texts need a `map`, markers"
        " belong in `missing`",
        "columns.e: components: 1 names for 2 values",
        "columns.f: axes: 2 names, expected 1 besides event and component",
        "columns.g: units: 3 of them, expected 1 or one for each component",
        "columns.jets: 'jets' has a meaning of its own in msml (",
        "columns.weight: 'weight' has a meaning of its own in msml (",
        "columns.h: components: 1 names for 1 values",
        "cuts.0: branch 'jet_pt' is jagged float32, expected one value for each event",
        "cuts.1: branch 'kind' holds texts, compared with 1",
        "cuts.2: branch 'pt' holds float32, compared with ['s']",
    ]
    assert len(found) == len(expected)
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(start)
    assert "shape (events, 2), expected (events, 2, 4)" in found[7]
    assert "units ['GeV'], expected ['1']; dtype float64, expected float32" in found[8]


def test_lists_of_different_lengths_cannot_be_stacked(tmp_path):
    lists = jagged()
    lists["jet_eta"][17] = np.float32([1] * (len(lists["jet_pt"][17]) + 1))
    write_parquet(tmp_path / "a.parquet", lists)
    columns = {"x": {"branches": ["jet_pt", "jet_eta"], "size": 3}}
    count = len(lists["jet_pt"][17])
    for rows in (None, 5):
        text = message(tmp_path, rows=rows, files=["a.parquet"], columns=columns)
        assert text.endswith(f"stacked: 'jet_pt' has {count} objects and 'jet_eta' {count + 1}")


@pytest.mark.parametrize(("row", "values"), [("3", 1), ("3,4,5", 3), ('"3,4"', 1)])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_ragged_row_of_a_csv_file(tmp_path, name, row, values):
    import gzip

    text = f"a,b\n1,2\n\n1,2\n{row}\n3,4\n".encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    text = message(tmp_path, files=[name], columns={"a": "a"})
    assert text.endswith(f"{name}: line 5 has {values} values, expected 2 as in the header")


def test_text_in_a_numbers_place(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n1,x\n")
    text = message(tmp_path, RecipeError, files=["a.csv"], columns={"b": ["a", "b"]})
    assert "columns.b: branch 'b' holds the text 'x' in row 1 (from 0), expected" in text
    (tmp_path / "b.csv").write_text("a,b\n1,2\n")
    text = message(tmp_path, files=["b.csv", "a.csv"], columns={"b": "b"})
    assert "a.csv: branch 'b' holds texts, but int8 in " in text
    assert "('x' in row 1 (from 0))" in text


@pytest.mark.parametrize("name", WRITERS)
def test_value_that_is_not_in_the_map(tmp_path, name):
    branches = {"kind": np.array(["s"] * 20 + ["sg"] + ["b"]), "n": np.arange(22)}
    WRITERS[name](tmp_path / name, branches)
    columns = {"k": {"branch": "kind", "map": {"s": 1, "b": 0}}}
    text = message(tmp_path, rows=6, files=[name], columns=columns)
    assert "row 20 (from 0), branch 'kind' for column 'k': value 'sg' is not in map" in text
    columns = {"k": {"branch": "n", "map": dict.fromkeys(range(21), 0) | {"x": 1}}}
    text = message(tmp_path, rows=6, files=[name], columns=columns)
    assert "row 21 (from 0), branch 'n' for column 'k': value 21 is not in map; known: 0," in text


@pytest.mark.parametrize(
    ("values", "column", "text"),
    [
        ([1.0, 1e39], {}, "1e+39 does not fit into float32"),
        ([1.0, -np.inf], {}, "-inf does not fit into float32"),
        ([1.0, 0.5], {"dtype": "int8"}, "0.5 does not fit into int8"),
        ([1, 300], {"dtype": "uint8"}, "300 does not fit into uint8"),
        ([1, -1], {"dtype": "uint64"}, "-1 does not fit into uint64"),
        ([1, 2], {"dtype": "bool"}, "2 does not fit into bool"),
        ([1, -999], {}, "missing value, and int64 has none; give the column dtype: float32"),
        ([[0, 0], [0, -999]], {}, "missing value, and int64 has none"),
    ],
)
def test_values_that_a_column_cannot_hold(tmp_path, values, column, text):
    write_npz(tmp_path / "a.npz", {"x": np.array(values)})
    columns = {"mine": {"branch": "x"} | column}
    found = message(tmp_path, rows=1, files=["a.npz"], columns=columns, missing=[-999])
    assert f"a.npz: row 1 (from 0), branch 'x' for column 'mine': {text}" in found


def test_registered_columns_hold_no_missing_values(tmp_path):
    write_npz(tmp_path / "a.npz", {"x": np.array([1, np.nan])})
    text = message(tmp_path, files=["a.npz"], columns={"weight": "x"})
    assert "'weight'" in text
    assert "NaN" in text


def test_row_of_a_value_in_a_list(tmp_path):
    lists = [np.float32([1]), np.float32([]), np.float32([2, np.inf]), np.float32([3])]
    write_root(tmp_path / "a.root", {"x": lists})
    columns = {"x": {"branch": "x", "size": 2}}
    assert "row 2 (from 0), branch" in message(tmp_path, files=["a.root"], columns=columns)


def test_trees(tmp_path):
    import uproot

    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("signal", {"pt": "f4"}).extend({"pt": np.float32([1])})
        file.mktree("noise", {"pt": "f4"}).extend({"pt": np.float32([2])})
    assert "holds the trees noise, signal; say which one" in message(tmp_path, files=["a.root"])
    text = message(tmp_path, source={"files": ["a.root"], "tree": "signals"})
    assert text.endswith("a.root: no tree 'signals'; did you mean 'signal'?")
    found, _ = made(tmp_path, source={"files": ["a.root"], "tree": "signal"})
    assert found["pt"].tolist() == [1]
    (tmp_path / "out.h5").unlink()
    with uproot.recreate(tmp_path / "b.root"):
        pass
    assert "b.root: holds no tree" in message(tmp_path, files=["b.root"])


def test_files_that_match_nothing(tmp_path):
    text = message(tmp_path, files=["a.csv"])
    assert text == f"{tmp_path}/mine.yaml:6: source.files.0: a.csv: no such file"
    processes = {"h": {"files": ["h_*.root"]}}
    text = message(tmp_path, processes=processes)
    assert text.endswith("processes.h.files.0: h_*.root: no such file")
    (tmp_path / "a.dat").write_text("x")
    text = message(tmp_path, files=["a.dat"])
    assert "set source.kind to one of root, parquet, csv, npz" in text


def test_files_that_differ(tmp_path):
    write_csv(tmp_path / "a.csv", {"pt": np.ones(2), "eta": np.ones(2)})
    write_csv(tmp_path / "b.csv", {"pt": np.ones(2)})
    text = message(tmp_path, files=["a.csv", "b.csv"], columns={"x": ["pt", "eta"]})
    assert text == f"{tmp_path}/b.csv: no branch 'eta', which {tmp_path}/a.csv has"
    write_npz(tmp_path / "c.npz", {"pt": np.ones((2, 3))})
    text = message(tmp_path, files=["a.csv", "c.npz"])
    assert "c.npz: branch 'pt' holds float64 x 3, but int8 in" in text.replace(
        "float64 in", "int8 in"
    )


def test_all_events_cut_away(tmp_path):
    write_npz(tmp_path / "a.npz", {"pt": np.arange(5.0)})
    text = message(tmp_path, files=["a.npz"], cuts=[["pt", ">", 1], ["pt", "<", 1]])
    assert text == "no event passes the cuts (read: 5, pt > 1: 3, pt < 1: 0)"
    write_npz(tmp_path / "b.npz", {"pt": np.zeros(5)})
    processes = {"a": {"files": ["a.npz"]}, "b": {"files": ["b.npz"]}}
    text = message(tmp_path, processes=processes, cuts=[["pt", ">", 1]])
    assert text == "process 'b': no event passes the cuts (read: 5, pt > 1: 0)"


@pytest.mark.parametrize("name", WRITERS)
def test_no_rows_at_all(tmp_path, name):
    empty = {"pt": np.zeros(0, "f4")}
    if name == "a.root":
        import uproot

        with uproot.recreate(tmp_path / name) as file:
            file.mktree("events", {"pt": "f4"})
    else:
        WRITERS[name](tmp_path / name, empty)
    assert message(tmp_path, files=[name]) == "no event passes the cuts (read: 0)"


@pytest.mark.parametrize("name", ["a.root", "a.parquet", "a.csv.gz", "a.npz"])
@pytest.mark.parametrize("part", [0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_truncated_files(tmp_path, name, part):
    branches = {name: values for name, values in table(20_000).items() if name != "kind"}
    WRITERS[name](tmp_path / name, branches)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(part * len(whole))])
    text = message(tmp_path, files=[name])
    assert f"{name}: not a complete" in text


@pytest.mark.parametrize("name", ["a.root", "a.parquet", "a.csv.gz", "a.npz"])
def test_files_that_are_something_else(tmp_path, name):
    (tmp_path / name).write_text("something else\n" * 1000)
    assert f"{name}: not a complete" in message(tmp_path, files=[name])


@pytest.mark.parametrize("name", ["a.root", "a.parquet", "a.csv.gz", "a.npz"])
def test_damaged_in_the_middle(tmp_path, name):
    WRITERS[name](tmp_path / name, {"pt": table(20_000)["pt"]})
    whole = bytearray((tmp_path / name).read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 2000] = bytes(range(250)) * 8
    (tmp_path / name).write_bytes(whole)
    with contextlib.suppress(DataError):  # some have no checksum: an error or numbers, no traceback
        made(tmp_path, files=[name])


def test_odd_files(tmp_path):
    import pyarrow
    from pyarrow import parquet

    np.savez(tmp_path / "a.npz", pt=np.ones(3), eta=np.ones(2))
    text = message(tmp_path, files=["a.npz"], columns={"x": ["pt", "eta"]})
    assert "arrays of unequal length: pt 3, eta 2" in text
    np.savez(tmp_path / "b.npz", pt=np.array([None, 1]), eta=np.float32(3))
    assert "array of type object" in message(tmp_path, files=["b.npz"])
    assert "and shape ()" in message(tmp_path, files=["b.npz"], columns={"x": "eta"})
    (tmp_path / "a.csv").write_text("pt,pt\n1,2\n")
    assert "two columns are called 'pt'" in message(tmp_path, files=["a.csv"])
    times = pyarrow.array([0, 1], pyarrow.timestamp("s"))
    deep = pyarrow.array([[[1.0]], []])
    parquet.write_table(pyarrow.table({"pt": times, "deep": deep}), tmp_path / "a.parquet")
    assert "branch 'pt' holds timestamp[ms], exp" in message(tmp_path, files=["a.parquet"])
    text = message(tmp_path, files=["a.parquet"], columns={"x": "deep"})
    assert "branch 'deep' holds list<" in text


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("a.root", "uproot", "root"),
        ("a.root", "awkward", "root"),
        ("a.parquet", "pyarrow", "parquet"),
        ("a.csv", "pyarrow", "parquet"),
    ],
)
def test_packages_that_are_not_installed(tmp_path, monkeypatch, name, package, extra):
    (tmp_path / name).write_text("pt\n1\n")
    monkeypatch.setitem(sys.modules, package, None)
    assert f"pip install 'msml[{extra}]'" in message(tmp_path, files=[name])


def run(*arguments):
    result = click.testing.CliRunner().invoke(cli, ["import", *map(str, arguments)])
    return result, result.exception


def test_the_command(tmp_path):
    write_csv(tmp_path / "a.csv", {"pt": np.arange(5)})
    content = {"output": "missing.h5", "source": {"files": ["a.csv"]}, "columns": {"pt": "pt"}}
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump(content))
    for number, form in enumerate((["table", mine], [mine])):
        output = tmp_path / f"{number}.h5"
        result, _ = run(*form, f"output={output}", 'cuts=[["pt", ">", 1]]')
        assert result.exit_code == 0
        assert f"{output}: 3 events; look at them" in result.stdout
        assert "5/5" in result.stderr
    _, error = run("table", mine, f"output={output}")
    assert str(error) == f"{output}: exists; remove it or choose another output=..."
    _, error = run("tabel", mine)
    assert str(error) == "unknown importer 'tabel'; did you mean 'table'?"
    _, error = run(tmp_path / "none.yaml")
    assert "no such recipe" in str(error)
    result, _ = run("table")
    assert "msml import table RECIPE" in result.output
    listed = click.testing.CliRunner().invoke(cli, ["ls", "importers"]).output
    assert [line.split()[0] for line in listed.splitlines()] == ["higgsml", "htautau", "table"]
    result, _ = run("--help")
    assert "msml import table mine.yaml" in result.output


def test_the_kind_is_found_by_the_source(tmp_path):
    _, error = run("events/import_npy.yaml", f"source.prefix={tmp_path}/", "output=x.h5")
    assert f"no such file: {tmp_path}/Htautau_jet.npy" in str(error)
    _, error = run("htautau", "events/import_npy.yaml", f"source.prefix={tmp_path}/", "output=x.h5")
    assert f"no such file: {tmp_path}/Htautau_jet.npy" in str(error)


def test_the_shipped_recipe_works(tmp_path):
    from msml.data.importers.recipe import TableRecipe
    from msml.data.importers.table import import_table
    from msml.recipe import load

    branches = table() | jagged()
    branches = {
        "met": branches["pt"], "ht": branches["pt"], "njet": branches["njet"],
        "Weight": branches["pt"], "jet_pt": branches["jet_pt"], "jet_eta": branches["jet_eta"],
        "jet_phi": branches["jet_eta"], "Label": branches["kind"], "m_vis": branches["eta"],
    }  # fmt: skip
    write_root(tmp_path / "a.root", branches)
    overrides = [f"output={tmp_path}/out.h5", f"source.files=[{tmp_path}/a.root]"]
    about = import_table(load("events/import_table.yaml", TableRecipe, overrides))
    passed = (branches["met"] > 20) & (branches["njet"] >= 2)
    assert about.events == passed.sum()
