"""`msml export`: one Keras model and one ONNX file of a chain, which give what predict gives."""

import json
import shutil
from contextlib import chdir
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest
from commands import run
from exporting import close, read_back
from predicting import IMPORT, RECIPE, branches, without, write_root

from msml.data.events import read
from msml.errors import DataError, DisagreementError, RecipeError
from msml.stages.export import files as stage

pytestmark = pytest.mark.xdist_group("export")

CHAIN = "mlp+sets+mlp"
PLUGIN = """\
import keras
from msml.registry import models

@keras.saving.register_keras_serializable("own")
class Odd(keras.layers.Layer):
    def call(self, inputs):
        return keras.ops.erfinv(0.5 * keras.ops.tanh(inputs))

@models.register("odd")
def odd(*inputs, output):
    '''A model that has no form in ONNX.'''
    given = [keras.Input(shape) for shape in inputs]
    flat = keras.layers.Concatenate()([keras.layers.Flatten()(each) for each in given])
    return keras.Model(given, keras.layers.Dense(output[0], name="last")(Odd(name="strange")(flat)))
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder with a run of calibrated chains; only to be read."""
    folder = tmp_path_factory.mktemp("export")
    with chdir(folder):
        write_root(Path("train.root"), branches())
        Path("import.yaml").write_text(IMPORT)
        Path("plugin.py").write_text(PLUGIN)
        kind = "    candidates: {mlp: {model: mlp, args: {units: 4, layers: 1}}}\nchain: "
        more = "    candidates: {mlp: {model: mlp, args: {units: 4, layers: 1}}, odd: {model: odd},"
        text = RECIPE.replace(kind, f"{more} noise: {{model: noise}}}}\nchain: ")
        text = text.replace(
            "chain: {energy_of: [sets, mlp]}", "chain: {kind_of: [mlp, odd, noise]}"
        )
        text = text.replace("bootstrap: 2", "bootstrap: 2, calibrate: {method: temperature}")
        text = text.replace(
            "      mlp: {model: mlp, args: {units: 4, layers: 1}}\n  kind", "  kind"
        )
        Path("mine.yaml").write_text(f"{text}plugins: [plugin.py]\n")
        run("import", "table", "import.yaml")
        run("run", "mine.yaml")
        (path,) = Path("runs/mine").iterdir()
        run("export", str(path), "-o", "chain", "--chain", CHAIN)
    return folder


@pytest.fixture
def work(done, tmp_path, monkeypatch):
    """An empty folder; the working directory is that of the run."""
    monkeypatch.chdir(done)
    return tmp_path


def run_of(done):
    (path,) = (done / "runs" / "mine").iterdir()
    return str(path)


def about(done):
    return json.loads((done / "chain" / "chain.json").read_text())


def given(done, events=slice(None)):
    """The chain's inputs, as the event file has them."""
    with h5py.File(done / "events.h5") as file:
        return {name: file[name][events] for name in about(done)["inputs"]}


@pytest.mark.slow
def test_what_predict_writes(done, work):
    run("predict", run_of(done), "events.h5", "-o", str(work / "out.h5"), "--chain", CHAIN)
    expected = read(work / "out.h5")
    found = read_back(done / "chain", given(done), work)
    assert "kind_of.calibrated" in found
    close(found, expected)
    model = stage.load(done / "chain")
    close({name: np.asarray(each) for name, each in model(given(done)).items()}, expected)


@pytest.mark.slow
@pytest.mark.parametrize("events", [1, 7, 1000])
def test_any_number_of_events(done, tmp_path, events):
    rows = np.arange(events) % 120
    columns = {name: values[rows] for name, values in given(done).items()}
    whole = read_back(done / "chain", given(done), tmp_path)
    found = read_back(done / "chain", columns, tmp_path)
    close(found, {name: values[rows] for name, values in whole.items()})


@pytest.mark.slow
def test_what_the_files_say(done):
    described, model = about(done), onnx.load(done / "chain" / "chain.onnx")
    for values, columns in ((model.graph.input, "inputs"), (model.graph.output, "outputs")):
        assert [each.name for each in values] == list(described[columns])
        for each in values:
            dims = each.type.tensor_type.shape.dim
            shape = [dim.dim_param or dim.dim_value for dim in dims]
            assert shape == described[columns][each.name]["shape"]
            assert shape[0] == "events"
    assert set(described["inputs"]) == {"cones", "cones_mask", "met"}
    cones = described["inputs"]["cones"]
    assert (cones["components"], cones["units"]) == (["pt", "eta"], ["GeV", "1"])
    assert described["outputs"]["energy_of"]["units"] == ["GeV"]
    kept = {each.key: json.loads(each.value) for each in model.metadata_props}
    assert kept == {name: value for name, value in described.items() if name != "check"}
    assert described["chain"] == CHAIN
    assert {"keras", "tensorflow", "onnx", "tf2onnx"} < set(described["versions"])
    assert described["check"]["events"] == 24
    assert described["check"]["worst"]["apart"] < 1e-3


@pytest.mark.slow
def test_checked_elsewhere(done, work):
    new, there = work / "new.root", work / "there"
    write_root(new, without(branches(50, 2), "energy", "kind", "jet_tag"))
    shutil.copytree(done / "chain", there)
    for events, number in ((new, 50), ("events.h5", 120)):
        said = run("export", "--check", str(there), str(events)).output
        assert f"agree on {number} events to " in said
    with pytest.raises(DataError, match=r"no\.h5: no such file"):
        run("export", "--check", str(there), "no.h5")
    path = there / "chain.onnx"
    model = onnx.load(path)
    weights = next(each for each in model.graph.initializer if len(each.raw_data) > 30)
    weights.raw_data = bytes(np.frombuffer(weights.raw_data, np.float32) * np.float32(1.01))
    onnx.save(model, path)
    wanted = r"there: Keras and ONNX Runtime do not agree to 1e-06: event \d+: '.*'.* is .* and "
    with pytest.raises(DisagreementError, match=wanted) as caught:
        run("export", "--check", str(there), str(new))
    assert caught.value.exit_code == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["chain.onnx", "chain.keras", "chain.json"])
@pytest.mark.parametrize("damage", ["cut", "garbage", "gone"])
def test_damaged_files(done, work, name, damage):
    shutil.copytree(done / "chain", work / "there")
    path = work / "there" / name
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"garbage" * 100)
    with pytest.raises(DataError, match=rf"there/{name}: ") as caught:
        run("export", "--check", str(work / "there"), "events.h5")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.slow
def test_files_that_do_not_agree_are_not_kept(done, work):
    wanted = r"chain: Keras and ONNX Runtime do not agree to 1e-12: event \d+: '.*'.* is .* and "
    given = ("-o", str(work / "chain"), "--chain", CHAIN, "--tolerance", "1e-12")
    with pytest.raises(DisagreementError, match=wanted) as caught:
        run("export", run_of(done), *given)
    assert caught.value.exit_code == 1
    assert not list(work.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("candidate", "problem"),
    [
        ("odd", "layer 'strange' of the candidate 'odd' of the task 'kind_of' has no form in ONNX"),
        ("noise", "layer 'noise' of the candidate 'noise' of the task 'kind_of' has no form in"),
    ],
)
def test_what_has_no_form_in_onnx(done, work, candidate, problem):
    with pytest.raises(RecipeError, match=problem):
        run("export", run_of(done), "-o", str(work / "no"), "--chain", f"mlp+sets+{candidate}")
    assert not list(work.iterdir())


@pytest.mark.slow
def test_events_that_are_gone(done, work):
    Path("events.h5").rename(work / "events.h5")
    try:
        with pytest.raises(DataError, match=r"events\.h5: no such file"):
            run("export", run_of(done), "-o", str(work / "chain"), "--chain", CHAIN)
    finally:
        (work / "events.h5").rename("events.h5")
    assert not list(work.iterdir())


@pytest.mark.parametrize(
    ("arguments", "error", "problem"),
    [
        (["run"], RecipeError, "expected RUN -o FOLDER, or --check FOLDER EVENTS"),
        (["run", "more", "-o", "new"], RecipeError, "expected RUN -o FOLDER, or --check FOLDER EV"),
        (["--check", "there"], RecipeError, "--check: expected FOLDER EVENTS..., and neither -o"),
        (["run", "-o", "there"], DataError, "there: exists; remove it or name another folder"),
        (["run", "-o", "new"], RecipeError, r"run: no run, there is no recipe\.yaml in it"),
        (
            ["--check", "there", "new.h5"],
            DataError,
            r"there/chain\.json: no such file; expected a folder that msml export has made",
        ),
    ],
)
def test_what_makes_no_sense(tmp_path, monkeypatch, arguments, error, problem):
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    with pytest.raises(error, match=problem):
        run("export", *arguments)
    assert [path.name for path in Path().iterdir()] == ["there"]


def test_without_the_packages(monkeypatch):
    monkeypatch.setattr("msml.stages.export.onnx_file._PACKAGES", ("onnx", "not_there"))
    wanted = r"exporting needs the package not_there: pip install 'msml\[export\]'"
    with pytest.raises(RecipeError, match=wanted):
        run("export", "run", "-o", "new")
