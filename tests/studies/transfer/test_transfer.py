"""The study's recipes on events that are quick to make, and its figures."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from commands import run
from made_objects import write_objects
from pandas import DataFrame

from msml.checks.validate import validate
from msml.recipe import load, shipped
from msml.recipe.expand import expand
from msml.recipe.schema import TrainRecipe
from msml.report.looks import NothingToDraw
from msml.report.points import Points
from msml.report.results import of_recipe
from msml.studies.transfer.evaluation_figures import average, draw, object_names
from msml.studies.transfer.figures.attention import draw as draw_attention
from msml.studies.transfer.figures.attention import source as attended
from msml.studies.transfer.figures.attention import summarise as summarise_attention
from msml.studies.transfer.figures.gains import REDUCTION, summarise, with_reduction
from msml.studies.transfer.figures.gains import draw as draw_transfer
from msml.studies.transfer.figures.over_training import draw as draw_losses
from msml.studies.transfer.figures.over_training import source as epochs_of
from msml.studies.transfer.figures.over_training import summarise as summarise_losses
from msml.sweep.plan import make
from msml.training.checkpoint import load_arrays

pytestmark = pytest.mark.xdist_group("transfer")

TINY = ("posttrain.epochs=2", "posttrain.patience=2", "evaluate.bootstrap=5", "xla=false")
SMALL = tuple(f"tasks.signal.candidates.{name}.args.units=8" for name in ("gnn", "gat"))
OF_TYPES = tuple(text.replace("signal", "types") for text in SMALL)
CHAINS = ("gnn", "gat")
FILE = "data.file=data/transfer/source.h5"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the source is trained, and its events and those of targets are."""
    folder = tmp_path_factory.mktemp("transfer")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_objects(folder / "data/transfer/source.h5", 300, 1)
        write_objects(folder / "data/transfer/heavier_higgs.h5", 300, 2)
        write_objects(folder / "data/transfer/gluinos.h5", 300, 3, (4, 3, 3, 3, 3))
        run("posttrain", "recipes/transfer/source.yaml", *TINY, *SMALL)
    return folder


@pytest.fixture
def here(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def starting(name):
    made = ", ".join((*TINY, *SMALL))
    return f"tasks.signal.candidates.{name}.start.overrides=[{made}]"


@pytest.mark.slow
def test_from_the_source_to_targets_of_other_objects(here):
    """Five objects where the source has six, with the same weights."""
    given = ("seed=1", "data.train_events=100", starting("gnn"), starting("gat"))
    for file, mode in (("heavier_higgs", "tuned"), ("gluinos", "fixed")):
        modes = [f"tasks.signal.candidates.{name}.start.mode={mode}" for name in ("gnn", "gat")]
        change = (f"data.file=data/transfer/{file}.h5", *modes, *TINY, *SMALL, *given)
        run("run", "recipes/transfer/targets.yaml", *change)
    first = next(here.glob("runs/transfer_source/*/posttrain/gat/joint/weights.h5"))
    (fixed,) = here.glob("runs/transfer/*gluinos*/posttrain/gat/joint/weights.h5")
    ours, theirs = load_arrays(fixed)[0], load_arrays(first)[0]
    equal = sum(np.array_equal(values, theirs[name]) for name, values in ours.items())
    # W, a, gamma and beta of three layers, and R of the first: the statistics adapt.
    assert equal == 13
    run_folder = fixed.parents[3]
    (record,) = (
        each
        for each in json.loads((run_folder / "evaluate/metrics.json").read_text())
        if each["chain"] == {"signal": "gat"}
    )
    assert 0 < record["metrics"]["signal"]["accuracy"]["value"] < 1
    assert (run_folder / "evaluate/gat/attention_signal.png").stat().st_size > 10_000
    starts = json.loads((run_folder / "manifest.json").read_text())["starts"]
    assert {Path(where).parts[-2] for where in starts} == {"gnn", "gat"}


@pytest.mark.slow
def test_from_a_run_without_labels(here):
    """Its networks predict the types of objects, some of which are hidden; they are the same."""
    run("run", "recipes/transfer/masked.yaml", *TINY, *OF_TYPES)
    (folder,) = here.glob("runs/transfer_masked/*")
    records = json.loads((folder / "evaluate/metrics.json").read_text())
    assert {record["chain"]["types"] for record in records} == {"gnn", "gat"}
    for record in records:
        assert 0 < record["metrics"]["types"]["accuracy"]["value"] < 1
    with h5py.File(folder / "evaluate/gat/joint/predictions.h5") as file:
        assert file["types/prediction"].shape == (30, 6, 5)
    made, change = ", ".join((*TINY, *OF_TYPES)), []
    for name in ("gnn", "gat"):
        key = f"tasks.signal.candidates.{name}.start"
        change += [f"{key}.from=recipes/transfer/masked.yaml", f"{key}.task=types"]
        change += [f"{key}.overrides=[{made}]", f"{key}.mode=fixed"]
    change += ["data.file=data/transfer/gluinos.h5", "data.train_events=100"]
    run("posttrain", "recipes/transfer/targets.yaml", *change, *TINY, *SMALL)
    (fixed,) = here.glob("runs/transfer/*gluinos*/posttrain/gat/joint/weights.h5")
    first = folder / "posttrain/gat/joint/weights.h5"
    # There the state of what is drawn is among them, so that the numbers of the others differ.
    ours, theirs = (
        [values.tobytes() for values in load_arrays(path)[0].values()] for path in (fixed, first)
    )
    assert sum(values in theirs for values in ours) == 13


RECIPES = [path for path in (shipped() / "transfer").glob("*.yaml") if "expected" not in path.name]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_each_recipe_is_good(path, here):
    small = "data.train_events=100"
    found = load(
        path, TrainRecipe, [FILE, "data.split={train: 0.5, valid: 0.25, test: 0.25}", small]
    )
    validate(found)


def test_the_sweep(here):
    change = ["target=heavier_higgs,gluinos", "data.train_events=50,100"]
    plan = make("recipes/transfer/targets.yaml", change, Path("runs"))
    assert len(plan.points) == 3 * 2 * 4 * 2
    origins = {Path(unit.recipe).stem: unit for unit in plan.units if unit.recipe}
    assert set(origins) == {"source", "masked"}
    assert {unit.stage for unit in origins.values()} == {"posttrain"}
    assert all("recipes/transfer/" in unit.recipe for unit in origins.values())
    source, masked = (origins[name].number for name in ("source", "masked"))
    wanted = {"scratch": (), "fixed": (source,), "tuned": (source,), "masked": (masked,)}
    for start, needs in wanted.items():
        found = [unit for unit in plan.units if unit.values.get("start") == start]
        assert {unit.needs for unit in found} == {needs}


def test_nested_parts_of_train_and_the_same_valid_and_test(here):
    """More training events are the same ones and others; what is measured stays."""
    from msml.data.dataset import load_splits

    found = {}
    for size in (50, 100):
        recipe = load("recipes/transfer/targets.yaml", TrainRecipe, [f"data.train_events={size}"])
        splits = load_splits(
            recipe.values.data,
            ["train", "valid", "test"],
            ["label"],
            Path("data/transfer/heavier_higgs.h5"),
        )
        found[size] = {name: set(split.event.tolist()) for name, split in splits.items()}
    assert found[50]["train"] < found[100]["train"]
    assert (found[50]["valid"], found[50]["test"]) == (found[100]["valid"], found[100]["test"])


def test_full_size_is_the_study_s(here):
    from msml.models.build import build

    path = shipped() / "transfer/full_source.yaml"
    recipe = load(path, TrainRecipe, [FILE])
    candidates = expand(recipe.values)["signal"].candidates
    for name, weights in (("gnn", 333_312), ("gat", 334_848)):
        spec = candidates[name]
        model = build(spec.model, [(6, 4), (6,), (6,)], (2,), spec.args, 1, masks=(0, 0, 1))
        assert sum(int(w.shape.num_elements()) for w in model.trainable_weights) == weights + 514
    assert recipe.values.posttrain.batch_size == 2048


def rows():
    made = []
    for seed in (0, 1):
        for target in ("near", "far"):
            for start, gain in (("scratch", 0.0), ("tuned", 0.1), ("fixed", 0.05)):
                for size in (100, 1000):
                    accuracy = 0.6 + 0.01 * seed + (gain if target == "near" else 0) * 100 / size
                    made.append(
                        {
                            "seed": seed,
                            "target": target,
                            "start": start,
                            "chain": "gat",
                            "data.train_events": size,
                            "signal/accuracy": accuracy,
                            "signal/accuracy error": 0.01,
                        }
                    )
    return DataFrame(made)


def test_error_reduction():
    found = Points(rows(), ["target", "start", "data.train_events"], ["signal/accuracy"])
    table, names = with_reduction(found)
    assert names == ["signal/accuracy", REDUCTION]
    near = table[(table["target"] == "near") & (table["data.train_events"] == 100)]
    tuned = near[near["start"] == "tuned"].sort_values("seed")[REDUCTION].tolist()
    assert tuned == pytest.approx([1 - 0.3 / 0.4, 1 - 0.29 / 0.39])
    assert near[near["start"] == "scratch"][REDUCTION].isna().all()
    summary = summarise(found)
    assert len(summary) == 12
    assert summary["runs"].tolist() == [2] * 12
    figure = draw_transfer(found)
    assert len(figure.axes) == 4
    assert [ax.get_title() for ax in figure.axes] == ["near", "far", "", ""]


def test_how_far_losses_grow_apart():
    """From each run its lowest loss on valid, and the difference after its last epoch."""
    about = {"target": "near", "chain": "gat", "start": "tuned", "data.train_events": 100}
    curves = {0: [(3.0, 3.0), (2.0, 1.5), (1.0, 2.0)], 1: [(3.0, 3.0), (2.0, 2.5), (1.0, 2.4)]}
    found = DataFrame(
        [
            {**about, "seed": seed, "epoch": epoch, "train": train, "valid": valid}
            for seed, losses in curves.items()
            for epoch, (train, valid) in enumerate(losses, start=1)
        ]
    )
    (row,) = summarise_losses(found).to_dict("records")
    assert (row["best epoch"], row["best epoch error"]) == (2.5, 0.5)
    assert row["lowest valid"] == pytest.approx((1.5 + 2.4) / 2)
    assert row["valid - train"] == pytest.approx(1.2)
    assert row["valid - train error"] == pytest.approx(0.2)
    (ax,) = draw_losses(found).axes
    valid, train = (line.get_ydata() for line in ax.get_lines())
    assert valid == pytest.approx([3.0, 2.0, 2.2])
    assert train == pytest.approx([3.0, 2.0, 1.0])


def test_average_of_attention():
    """Pairs of real objects only, weighted events; columns of full events sum to 1."""
    random = np.random.default_rng(1)
    attention = random.dirichlet(np.ones(3), (4, 2, 2, 3)).swapaxes(-1, -2)  # over sources
    types = np.int8([[1, 4, 2], [1, 4, 2], [1, 4, 2], [1, 4, 0]])
    weight = np.array([1.0, 2.0, 1.0, 5.0])
    found = average(attention, types, weight)
    expected = np.zeros((2, 3, 3))
    for layer in range(2):
        for source in range(3):
            for destination in range(3):
                both = (types[:, source] > 0) & (types[:, destination] > 0)
                values = attention[:, layer, :, source, destination].mean(axis=1)
                expected[layer, source, destination] = np.average(
                    values[both], weights=weight[both]
                )
    assert found == pytest.approx(expected)
    full = average(attention[:3], types[:3], weight[:3])
    assert full.sum(axis=1) == pytest.approx(np.ones((2, 3)))
    assert object_names(np.int8([[1, 4, 2, 2], [1, 4, 2, 0]])) == [
        *("lepton", "missing", "b-jet 1", "b-jet 2"),
    ]
    figure = draw(attention, types, weight)
    assert [ax.get_title() for ax in figure.axes[:3]] == ["layer 1", "layer 2", "mean"]


@pytest.mark.slow
def test_kept_attention_is_that_of_the_events(here):
    run("run", "recipes/transfer/source.yaml", *TINY, *SMALL)
    (path,) = here.glob("runs/transfer_source/*/evaluate/gat/joint/predictions.h5")
    with h5py.File(path) as file:
        maps = file["signal/attention"][:]
    assert maps.shape == (30, 3, 4, 6, 6)


@pytest.mark.slow
def test_attention_and_losses_of_a_sweep(here):
    """What each object receives, from predictions that runs have kept; losses from their logs."""
    change = ("seed=0:2", "target=gluinos", "start=scratch", "data.train_events=50", *TINY, *SMALL)
    run("sweep", "recipes/transfer/targets.yaml", *change)
    results = of_recipe("recipes/transfer/targets.yaml", change, Path("runs"))
    found = attended(results)
    assert found["chain"].tolist() == ["gat", "gat"]
    assert found[["missing", "jet 1", "jet 4"]].to_numpy().shape == (2, 3)
    path = Path(results.rows[0]["directory"]) / "evaluate/gat/joint/predictions.h5"
    with h5py.File(path) as file, h5py.File("data/transfer/gluinos.h5") as events:
        maps, types = file["signal/attention"][:], events["event_object_types"][:][file["event"][:]]
    assert maps.shape == (75, 3, 4, 5, 5)
    assert set(types[:, 0]) == {4}
    missing = [maps[types[:, place] > 0][:, :, :, 0, place].mean() for place in range(5)]
    assert found["missing"][0] == pytest.approx(np.mean(missing), abs=1e-6)
    (row,) = summarise_attention(found).to_dict("records")
    values = found["missing"]
    assert row["missing"] == pytest.approx(values.mean())
    assert row["missing error"] == pytest.approx(abs(values[0] - values[1]) / 2)
    figure = draw_attention(found)
    assert [ax.get_title() for ax in figure.axes] == ["gluinos, gat"]
    losses = epochs_of(results)
    assert losses.groupby("chain")["epoch"].apply(list).to_dict() == {n: [1, 2] * 2 for n in CHAINS}
    assert len(draw_losses(losses).axes) == 2
    (here / "data/transfer/gluinos.h5").unlink()
    with pytest.raises(NothingToDraw, match=r"gluinos.h5: no such file"):
        attended(results)
