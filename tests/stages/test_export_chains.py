"""Export of every shipped candidate, and of chains of all kinds."""

import json
import shutil
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
from commands import run
from exporting import close, read_back

from msml.data.events import EventWriter, read
from msml.data.schema import Column
from msml.models.build import build
from msml.registry import models
from msml.stages.export import onnx_file
from msml.stages.export.whole import Whole

pytestmark = [pytest.mark.xdist_group("export_chains"), pytest.mark.slow]

SHORT = ("posttrain.epochs=1", "pretrain.epochs=1", "evaluate.bootstrap=2", "xla=false")
OBJECTS = [(5, 3), (5,), (4,)]
JETS, IMAGES, TAUS = (2, 4), (2, 12, 12, 3), (2, 3)
SETS = {"masks": (False, True, False)}
CANDIDATES = {
    **{
        name: ([(5, 3), (4,)], (2,), {})
        for name in ("mlp", "residual_mlp", "dense_mlp", "linear", "higgsml_mlp", "zeros")
    },
    **dict.fromkeys(
        ("deepsets", "set_transformer", "graph_network", "lstm", "gru"), (OBJECTS, (2,), SETS)
    ),
    **dict.fromkeys(("tau_deepsets", "event_deepsets"), (OBJECTS, (1,), SETS)),
    "graph_attention": (OBJECTS, (2,), SETS | {"attention": True}),
    "cnn": ([(9, 9, 2), (4,)], (2,), {}),
    "tau_mlp": ([JETS, IMAGES], TAUS, {}),
    "tau_cnn": ([JETS, IMAGES], TAUS, {}),
    "tau_scale_factor": ([JETS, IMAGES], TAUS, {}),
    "tau_residual": ([JETS, (2, 2)], TAUS, {}),
    **{name: ([TAUS], (1,), {}) for name in ("higgs_mlp", "higgs_lstm", "higgs_mass")},
    "end_to_end": ([JETS, IMAGES], (1,), {}),
}
DRAWS = {"noise"}
"""What draws anew at each call gives no two times the same."""


def test_no_candidate_is_forgotten():
    shipped = {each.name for each in models.entries() if each.source.startswith("msml.")}
    assert shipped == {*CANDIDATES, *DRAWS}


@pytest.mark.parametrize("name", CANDIDATES)
def test_each_candidate(name, tmp_path):
    import keras

    shapes, output, arguments = CANDIDATES[name]
    arguments = dict(arguments)
    masks = arguments.pop("masks", ())
    model = build(name, shapes, output, arguments, 1, masks=masks)
    given = {f"column {n}": keras.Input(shape) for n, shape in enumerate(shapes)}
    inputs = [*given.values()]
    found = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    outputs = found if isinstance(found, dict) else {"output": found}
    chain = keras.Model(given, outputs)
    whole = Whole(chain, *({n: column(n, x) for n, x in part.items()} for part in (given, outputs)))
    onnx_file.write(tmp_path / "chain.onnx", whole, {}, {})
    rng = np.random.default_rng(0)
    columns = {n: rng.normal(size=(7, *x.shape[1:])).astype("f4") for n, x in given.items()}
    for number, mask in enumerate(masks):
        if mask:
            columns[f"column {number}"] = (rng.random((7, *shapes[number])) < 0.6).astype("f4")
            columns[f"column {number}"][:2] = [[0], [1]]
    expected = {n: np.asarray(x) for n, x in chain(columns).items()}
    close(read_back(tmp_path, columns, tmp_path), expected, 2e-6)


def column(name, tensor):
    return Column(name, tensor.dtype, (), tuple(tensor.shape[1:]), (), (), "")


def exported(folder, recipe, *overrides, events, chain=()):
    """Run a recipe, export its chain, and compare it with what predict writes of the events."""
    with chdir(folder):
        run("run", recipe, *SHORT, *overrides)
        (path,) = Path("runs").glob("[!.]*/*/recipe.yaml")
        found = str(path.parent)
        run("export", found, "-o", "chain", *chain)
        run("predict", found, events, "-o", "out.h5", *chain)
        described = json.loads(Path("chain/chain.json").read_text())
        given = read(Path(events), described["inputs"])
        close(read_back(Path("chain"), given, Path()), read(Path("out.h5")), 2e-5)
    return described


def of_taus(folder, event_file, *overrides):
    shutil.copy(event_file, folder / "events.h5")
    given = ("data.file=events.h5", "posttrain.modes=[joint]", *overrides)
    return exported(folder, "recipes/htautau_cnn_lstm.yaml", *given, events="events.h5")


def test_taus_by_convolutions_and_lstm(tmp_path, event_file):
    about = of_taus(tmp_path, event_file, "evaluate.calibrate.method=isotonic")
    assert list(about["inputs"]) == ["jets", "calo_images"]
    assert {"tau_momentum", "tau_momentum.prediction", "higgs_id.calibrated"} < set(
        about["outputs"]
    )
    assert about["outputs"]["tau_momentum"]["units"] == ["GeV", "1", "rad"]


def test_columns_that_no_candidate_uses(tmp_path, event_file):
    chosen = ("chain.tau_momentum=sf", "chain.higgs_id=mass")
    about = of_taus(tmp_path, event_file, *chosen)
    assert list(about["inputs"]) == ["jets"]


@pytest.mark.parametrize("models", ["deepsets", "attention"])
def test_sets_within_sets(tmp_path, models):
    from nested import write_nested

    write_nested(tmp_path / "nested.h5")
    about = exported(
        tmp_path,
        "recipes/hierarchy/search.yaml",
        "strategy=null",
        "posttrain.from=initial",
        "data.file=nested.h5",
        f"chain.tau_id={models}",
        f"chain.higgs_id={models}",
        events="nested.h5",
    )
    assert {"constituents_real", "all_jets_real"} < set(about["inputs"])
    assert {"tau_id.feature", "tau_id.real"} < set(about["outputs"])


@pytest.mark.parametrize("model", ["gnn", "gat"])
def test_graphs(tmp_path, model):
    rng = np.random.default_rng(1)
    real = rng.random((300, 6)) < 0.8
    vectors = rng.exponential(40, (300, 6, 4)) * real[..., None]
    columns = {
        "event_objects": vectors.astype(np.float32),
        "event_object_types": np.where(real, 1 + rng.integers(0, 4, (300, 6)), 0).astype(np.int8),
        "event_objects_real": real,
        "label": (np.arange(300) % 2).astype(np.uint8),
    }
    with EventWriter(tmp_path / "objects.h5", 300, {}) as writer:
        writer.append(columns)
        writer.finish()
    about = exported(
        tmp_path,
        "recipes/transfer/source.yaml",
        "data.file=objects.h5",
        f"chain.signal={model}",
        events="objects.h5",
    )
    assert about["inputs"]["event_object_types"]["dtype"] == "int8"


ENSEMBLE = """\
name: copies
data:
  file: events.h5
  transform:
    tau: [cartesian, standardise]
    lepton: [cartesian, standardise, {name: fill_missing, value: 0}]
  align: {columns: [tau, lepton], to: tau, forward: tau}
tasks:
  higgs:
    inputs: [tau, lepton, other]
    target: label
    loss: {name: bce_logits}
    weight: 1
    candidates: {mlp: {model: mlp, args: {units: 6, layers: 2}}}
posttrain:
  modes: [joint]
  from: initial
  epochs: 1
  batch_size: 32
  augment: {columns: [tau, lepton], rotations: 2}
  ensemble: {members: 3}
evaluate: {bootstrap: 2, calibrate: {method: beta}}
"""


def test_an_ensemble_and_its_copies(tmp_path):
    import h5py

    rng, events = np.random.default_rng(1), 400
    label = rng.integers(0, 2, events).astype(np.int8)
    with h5py.File(tmp_path / "events.h5", "w") as file:
        for name in ("tau", "lepton"):
            pt, phi = rng.exponential(30 + 20 * label), rng.uniform(-3, 3, events)
            values = np.stack([pt, rng.normal(size=events), phi], axis=1)
            if name == "lepton":
                values[::7] = np.nan
            file[name] = values
            file[name].attrs["components"] = ["pt", "eta", "phi"]
            file[name].attrs["axes"], file[name].attrs["units"] = ["component"], ["GeV", "1", "rad"]
        file["other"] = (rng.normal(size=(events, 2)) + label[:, None]).astype(np.float32)
        file["label"] = label
    (tmp_path / "copies.yaml").write_text(ENSEMBLE)
    with chdir(tmp_path):
        run("run", "copies.yaml")
        (path,) = Path("runs/copies").iterdir()
        run("export", str(path), "-o", "chain")
        run("predict", str(path), "events.h5", "-o", "out.h5")
        with h5py.File("events.h5") as file:
            given = {name: file[name][:] for name in ("tau", "lepton", "other")}
        close(read_back(Path("chain"), given, Path()), read(Path("out.h5")))
