"""`msml predict`: events of any kind in, the same numbers as of evaluation out."""

import shutil
from contextlib import chdir
from pathlib import Path

import h5py
import numpy as np
import pandas
import pytest
import uproot
from commands import run
from predicting import IMPORT, RECIPE, ROWS, branches, without, write_root
from process import Limits, fails

from msml.data.events import describe, read
from msml.errors import DataError, IncompleteError, RecipeError, StoppedError
from msml.progress import Meter

pytestmark = pytest.mark.xdist_group("predict")

TRUTH = ("energy", "kind", "jet_tag")
CHAIN = "mlp+sets+mlp"
SEEN = ["tag", "tag.probabilities", "energy_of", "kind_of", "kind_of.probabilities"]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder with a run whose events are gone; only to be read."""
    folder = tmp_path_factory.mktemp("predict")
    with chdir(folder):
        write_root(Path("train.root"), branches())
        Path("import.yaml").write_text(IMPORT)
        Path("mine.yaml").write_text(RECIPE)
        run("import", "table", "import.yaml")
        run("run", "mine.yaml")
        Path("events.h5").rename("kept.h5")
    return folder


@pytest.fixture
def work(done, tmp_path, monkeypatch):
    """The run's folder, beside an empty working directory."""
    monkeypatch.chdir(tmp_path)
    (path,) = (done / "runs" / "mine").iterdir()
    return path


def predict(work, *arguments, output="out.h5"):
    run("predict", str(work), *map(str, arguments), "-o", output, "--chain", CHAIN)
    return Path(output)


def predictions(path):
    with h5py.File(path) as file:
        return {name: each[:] for name, each in file.items()}


def equal(first, second):
    assert list(first) == list(second)
    for name in first:
        assert np.array_equal(first[name], second[name], equal_nan=True), name


def test_the_numbers_of_evaluation(work, done):
    found = predictions(predict(work, done / "kept.h5"))
    with h5py.File(work / "evaluate" / CHAIN / "joint" / "predictions.h5") as file:
        rows = file["event"][:]
        raw = {task: {n: v[:] for n, v in file[task].items() if n != "replicas"} for task in file
               if isinstance(file[task], h5py.Group)}  # fmt: skip
    assert np.array_equal(found["tag"][rows], raw["tag"]["prediction"][..., 0])
    assert np.array_equal(found["tag.feature"][rows], raw["tag"]["feature"])
    assert np.array_equal(found["tag.real"][rows], raw["tag"]["real"])
    assert np.array_equal(found["energy_of.prediction"][rows], raw["energy_of"]["prediction"])
    assert np.array_equal(found["kind_of"][rows], raw["kind_of"]["prediction"])


def test_what_the_columns_are(work, done):
    path = predict(work, done / "kept.h5", "--keep", "event")
    about, found = describe(path), predictions(path)
    assert set(found) == {*SEEN, "event", "tag.feature", "tag.real", "energy_of.prediction"}
    assert found["energy_of"].shape == (ROWS,)
    assert about.columns["energy_of"].units == ("GeV",)
    assert about.columns["kind_of.probabilities"].components == ("3", "5", "8")
    assert about.provenance["chain"] == CHAIN
    assert found["kind_of.probabilities"].sum(axis=1) == pytest.approx(1)
    assert not found["tag.probabilities"][~found["tag.real"]].any()
    real = found["tag.real"]
    share = 1 / (1 + np.exp(-found["tag"][real]))
    assert found["tag.probabilities"][real] == pytest.approx(share, rel=1e-5)
    # The median, with the transforms undone.
    energy = read(done / "kept.h5", ["energy"])["energy"]
    assert found["energy_of.prediction"].shape == (ROWS, 3)
    assert 0.5 < np.median(found["energy_of"]) / np.median(energy) < 2
    assert np.array_equal(found["event"], read(done / "kept.h5", ["event"])["event"])


@pytest.mark.parametrize("parts", [1, 7])
def test_a_tree_in_and_its_friend_out(work, done, parts):
    whole = predictions(predict(work, done / "kept.h5"))
    write_root(Path("new.root"), without(branches(), *TRUTH), parts)
    predict(work, "new.root", "--keep", "run,event", output="friend.root")
    with uproot.open("friend.root") as file:
        assert file.keys(cycle=False) == ["predictions"]
        found = file["predictions"].arrays(library="np")
    assert np.array_equal(found.pop("event"), branches()["event"])
    assert found.pop("run").dtype == np.int32
    equal(found, {name: whole[name] for name in found})
    assert len(found) == len(whole)


@pytest.mark.parametrize("rows", [1, 50])
def test_blocks_and_their_ends_change_nothing(work, done, rows, monkeypatch):
    write_root(Path("new.root"), branches(), 3)
    whole = predictions(predict(work, done / "kept.h5"))
    monkeypatch.setattr("msml.data.importers.root.BLOCK_BYTES", 40 * rows)
    monkeypatch.setattr("msml.stages.prediction.predict._WRITTEN_EVENTS", rows)
    again = predictions(predict(work, "new.root", output="again.h5"))
    equal(whole, again)
    few = {name: values[5 : 5 + rows] for name, values in branches().items()}
    write_root(Path("few.root"), few)
    part = predictions(predict(work, "few.root", output="few.h5"))
    equal(part, {name: values[5 : 5 + rows] for name, values in whole.items()})


def test_tables_of_every_kind(work, done):
    """Jets of a fixed number: a CSV file has no lists."""
    whole = predictions(predict(work, done / "kept.h5"))
    write_root(Path("a.root"), {n: v[:60] for n, v in branches().items()})
    write_root(Path("b.root"), {n: v[60:] for n, v in branches().items()})
    for kind in ("csv", "parquet"):
        path = predict(work, "a.root", "b.root", "--keep", "event", output=f"out.{kind}")
        table = (
            pandas.read_csv(path, float_precision="round_trip")
            if kind == "csv"
            else pandas.read_parquet(path)
        )
        assert np.array_equal(table["event"], branches()["event"])
        assert np.array_equal(table["energy_of"], whole["energy_of"])
        shares = table[[f"kind_of.probabilities_{k}" for k in (3, 5, 8)]] if kind == "csv" else (
            np.stack(table["kind_of.probabilities"]))  # fmt: skip
        assert np.array_equal(np.asarray(shares, "f4"), whole["kind_of.probabilities"])


@pytest.mark.parametrize("suffix", ["h5", "root", "parquet", "csv"])
def test_no_events(work, done, suffix):
    events = write_root(Path("none.root"), branches(0))
    if suffix == "csv":
        events = Path("none.h5")
        with h5py.File(done / "kept.h5") as whole, h5py.File(events, "w") as none:
            for name, column in whole.items():
                none[name] = column[:0]
                none[name].attrs.update(column.attrs)
            none["run"] = np.empty(0)
    path = predict(work, events, "--keep", "run", output=f"out.{suffix}")
    if suffix == "h5":
        shapes = {name: values.shape for name, values in predictions(path).items()}
        assert (shapes["run"], shapes["kind_of"]) == ((0,), (0, 3))
    elif suffix == "root":
        with uproot.open(path) as file:
            assert file["predictions"].num_entries == 0
    else:
        table = pandas.read_csv(path) if suffix == "csv" else pandas.read_parquet(path)
        assert len(table) == 0
        assert "energy_of" in table


def test_branches_of_other_names(work, done):
    content = without(branches(), *TRUTH)
    content["met"] = np.where(content["met"] == -999, np.nan, content["met"]).astype("f4")
    whole = predictions(predict(work, done / "kept.h5"))
    text = IMPORT.replace("jet_pt", "j_pt").replace("event: event", "event: number")
    Path("other.yaml").write_text(text.replace("met: {branch: met", "met: {branch: m"))
    renamed = {"jet_pt": "j_pt", "met": "m", "event": "number"}
    content = {renamed.get(name, name): values for name, values in content.items()}
    import awkward

    with uproot.recreate("new.root") as file:
        file["events"] = {
            n: awkward.Array(v) if isinstance(v, list) else v for n, v in content.items()
        }
    arguments = ("new.root", "--columns", "other.yaml", "--keep", "event")
    found = predictions(predict(work, *arguments, output="other.h5"))
    assert np.array_equal(found.pop("event"), branches()["event"])
    equal(found, whole)


def changed(done, name, change):
    """Copy the events with another column of a name."""
    shutil.copy(done / "kept.h5", "new.h5")
    with h5py.File("new.h5", "r+") as file:
        change(file, name)
    return "new.h5"


def _remove(file, name):
    del file[name]


def _units(file, name):
    file[name].attrs["units"] = ["MeV", "1"]


def _components(file, name):
    file[name].attrs["components"] = ["eta", "pt"]


def _numbers(file, name):
    values = file[name][:]
    del file[name]
    file[name] = np.nan_to_num(values).astype("i8")
    file[name].attrs["units"] = "GeV"


def _narrow(file, name):
    values, about = file[name][:, :2], dict(file[name].attrs)
    del file[name], file["cones_mask"]
    file[name] = values
    file[name].attrs.update(about)
    file["cones_mask"] = np.ones((ROWS, 2), bool)


@pytest.mark.parametrize(
    ("change", "name", "problem"),
    [
        (_remove, "met", r"new.h5: no column 'met', expected \(events\) of float32 in GeV"),
        (_units, "cones", r"column 'cones': units MeV, 1, expected GeV, 1, as in"),
        (_components, "cones", r"column 'cones': components eta, pt, expected pt, eta, as in"),
        (_numbers, "met", r"column 'met': type int64, expected float32, as in"),
        (_narrow, "cones", r"column 'cones': shape \(events, 2, 2\), expected \(events, 3, 2\)"),
    ],
)
def test_columns_of_another_kind(work, done, change, name, problem):
    with pytest.raises(DataError, match=problem):
        predict(work, changed(done, name, change))
    assert not Path("out.h5").exists()


OF_CHAIN = ("-o", "out.h5", "--chain", CHAIN)


@pytest.mark.parametrize(
    ("arguments", "error", "problem"),
    [
        (["new.root", *OF_CHAIN, "-o", "a.txt"], RecipeError, r"a\.txt: no format has this suffix"),
        (["new.root"], RecipeError, "expected either -o FILE or --in-place"),
        (["new.root", *OF_CHAIN, "-o", "new.root"], DataError, r"new\.root: exists; remove it or"),
        (["no.csv", *OF_CHAIN], DataError, r"no\.csv: no such file"),
        (["new.root", "no.h5", *OF_CHAIN], RecipeError, "expected all of them in HDF5, or all in"),
        (["new.root", *OF_CHAIN[:2]], RecipeError, "say which one with --chain: mlp.sets.mlp, mlp"),
        (["new.root", *OF_CHAIN, "--chain", "mlp+mpl+mlp"], RecipeError, "'energy_of': unknown c"),
        (
            ["new.root", *OF_CHAIN, "--chain", "mlp"],
            RecipeError,
            "'mlp': expected one candidate of",
        ),
        (["new.root", *OF_CHAIN, "--mode", "connected"], RecipeError, "not trained in mode connec"),
        (["new.root", *OF_CHAIN, "--keep", "evnt"], DataError, "no branch 'evnt'.*mean 'event'"),
        (["new.root", *OF_CHAIN, "--keep", "jet_pt"], DataError, "'jet_pt' holds jagged float32"),
        (["bad.root", *OF_CHAIN], DataError, "no branch 'jet_eta' for column 'cones'; did you"),
        (["new.root", *OF_CHAIN, "--tree", "evens"], DataError, "no tree 'evens'; did you mean"),
    ],
)
def test_what_makes_no_sense(work, arguments, error, problem):
    write_root(Path("new.root"), branches(5))
    write_root(Path("bad.root"), without(branches(5), "jet_eta"))
    before = sorted(Path().iterdir())
    with pytest.raises(error, match=problem):
        run("predict", str(work), *arguments)
    assert sorted(Path().iterdir()) == before


def test_what_is_no_run():
    with pytest.raises(RecipeError, match=r"no run, there is no recipe\.yaml in it; expected the"):
        run("predict", ".", "new.h5", "-o", "out.h5")


@pytest.mark.parametrize("missing", ["posttrain", "columns.json", "weights"])
def test_a_run_that_is_not_whole(work, done, missing):
    shutil.copytree(work, "run")
    if missing == "posttrain":
        shutil.rmtree(f"run/posttrain/{CHAIN}")
        wanted = (IncompleteError, f"{CHAIN} was not trained in mode joint; there is mlp.mlp.mlp")
    elif missing == "weights":
        path = Path(f"run/posttrain/{CHAIN}/joint/weights.h5")
        path.write_bytes(path.read_bytes()[:-1])
        wanted = (DataError, "weights.h5: damaged, not as it was written")
    else:
        Path("run", missing).unlink()
        wanted = (DataError, r"run/columns.json: .*")
    with pytest.raises(wanted[0], match=wanted[1].replace("+", r"\+")):
        predict("run", done / "kept.h5")


@pytest.mark.parametrize("suffix", ["h5", "root", "parquet", "csv"])
def test_stopped_it_leaves_nothing(work, done, suffix, monkeypatch):
    def stop(*_):
        raise StoppedError("stopped")

    monkeypatch.setattr(Meter, "advance", stop)
    with pytest.raises(StoppedError):
        predict(work, done / "kept.h5", output=f"out.{suffix}")
    assert not list(Path().iterdir())


def test_branches_in_place(work, done):
    whole = predictions(predict(work, done / "kept.h5"))
    write_root(Path("new.root"), branches())
    arguments = ("predict", str(work), "new.root", "--in-place", "--chain", CHAIN)
    run(*arguments)
    with uproot.open("new.root") as file:
        found = file["events"].arrays(library="np")
    assert np.array_equal(found["event"], branches()["event"])
    assert [list(each) for each in found["jet_pt"]] == [list(e) for e in branches()["jet_pt"]]
    assert np.array_equal(found["energy_of"], whole["energy_of"])
    assert np.array_equal(found["kind_of_5"], whole["kind_of"][:, 1])
    with pytest.raises(DataError, match=r"has a branch 'tag\.feature_0_0' already"):
        run(*arguments)
    before = write_root(Path("new.root"), branches(), 2).read_bytes()
    with pytest.raises(DataError, match=r"no plain one of a single basket; write a friend tree"):
        run(*arguments)
    assert Path("new.root").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["h5", "root", "parquet", "csv"])
def test_a_full_disk(work, done, tmp_path, suffix):
    limits = Limits(file_bytes=1000)
    arguments = ("predict", work, done / "kept.h5", "-o", f"out.{suffix}", "--chain", CHAIN)
    assert "cannot be written" in fails(3, tmp_path, *arguments, limits=limits)
    assert not list(tmp_path.glob("*out.*"))


def test_columns_whose_names_mean_something(work, done):
    shutil.copy(done / "kept.h5", "new.h5")
    with h5py.File("new.h5", "r+") as file:
        del file.attrs["format"]  # as anybody writes it
        file["label"] = np.arange(ROWS) % 2
        file["jets"] = np.ones((ROWS, 5))
        file["process"] = np.arange(ROWS) - 1
    path = predict(work, "new.h5", "--keep", "label")
    assert read(path, ["label"])["label"].sum() == ROWS // 2
    with pytest.raises(RecipeError, match=r"'jets' has a meaning of its own in event files \(rec"):
        predict(work, "new.h5", "--keep", "jets", output="other.h5")
    with pytest.raises(DataError, match=r"other\.h5: column 'process': -1 is no uint8"):
        predict(work, "new.h5", "--keep", "process", output="other.h5")
    assert not list(Path().glob("*other*"))
