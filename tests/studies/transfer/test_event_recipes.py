"""The study's events: their recipes, a few events of each process, and what inspecting shows."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from commands import run

from msml.cli.events import _page_for
from msml.data.events import EventWriter, describe, read
from msml.plotting import style
from msml.recipe import load, shipped
from msml.report.inspection_page import Kinds, compose
from msml.simulation.check import check
from msml.simulation.columns import OBJECTS
from msml.simulation.settings import EventRecipe
from msml.simulation.shard import make_shard
from msml.studies.transfer.event_pages import draw_page, panels, processes

FOLDER = shipped() / "events" / "transfer"
RECIPES = sorted(path for path in FOLDER.glob("*.yaml") if path.stem != "base")
CHANNELS = {
    "source": [1, 4, 2, 2, 3, 3],
    "target1_heavier_higgs": [1, 4, 2, 2, 3, 3],
    "target2_zprime": [1, 4, 2, 2, 3, 3],
    "target3_tth": [1, 4, 2, 2, 2, 2, 3, 3],
    "target4_gluinos": [4, 3, 3, 3, 3],
}
PROCESSES = [
    (path.stem, name) for path in RECIPES for name in load(path, EventRecipe).values.processes
]


def recipe(name: str, *overrides: str) -> EventRecipe:
    return load(f"events/transfer/{name}.yaml", EventRecipe, overrides).values


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_each_recipe_is_good(path: Path) -> None:
    values = load(path, EventRecipe).values
    assert check(values) == []
    assert [process.label for process in values.processes.values()] == [0, 1]


def test_each_file_has_its_own_seed_and_name() -> None:
    """Or the same top pairs would be in the source and in the targets."""
    assert {path.stem for path in RECIPES} == set(CHANNELS)
    values = [load(path, EventRecipe).values for path in RECIPES]
    assert len({each.seed for each in values}) == len({each.output for each in values}) == 5


def test_the_heavier_cascade_differs_in_its_masses_alone() -> None:
    source, target = (recipe(name).processes for name in ("source", "target1_heavier_higgs"))
    assert source["ttbar"] == target["ttbar"]
    first, second = source["heavy_higgs"].pythia, target["heavy_higgs"].pythia
    assert {name for name in first if first[name] != second[name]} == {"35:m0", "37:m0"}
    assert (first["35:m0"], first["37:m0"]) == (425.0, 325.0)
    assert (second["35:m0"], second["37:m0"]) == (500.0, 400.0)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "process"), PROCESSES)
def test_a_few_events_of_each_process(name: str, process: str) -> None:
    values = recipe(name)
    count = 1 if process == "ttbb_shower" else 5
    shard = make_shard(values, process, 0, count, None)
    same = make_shard(values, process, 0, count, None)
    for column, found in shard.columns.items():
        np.testing.assert_array_equal(found, same.columns[column])
    columns = shard.columns
    assert columns["event_object_types"].tolist() == [CHANNELS[name]] * count
    assert columns["event_objects_real"].all()
    pt, eta, phi, _ = np.moveaxis(columns["event_objects"], -1, 0)
    missing = columns["event_object_types"] == 4
    assert (pt[~missing] > 20).all()
    assert (np.abs(eta) < 2.5).all()
    assert (np.abs(phi) <= np.pi).all()
    assert not columns["event_objects"][missing][:, [1, 3]].any()
    if name == "target4_gluinos":
        assert pt[missing].min() >= 100


def test_a_process_gives_the_same_events_again() -> None:
    values = recipe("source", "pythia.PartonLevel:MPI=off")
    shard, same = (make_shard(values, "heavy_higgs", 0, 2, None) for _ in range(2))
    other = make_shard(values, "heavy_higgs", 1, 2, None)
    for column, found in shard.columns.items():
        np.testing.assert_array_equal(found, same.columns[column])
    assert shard.columns["event_object_types"].tolist() == [CHANNELS["source"]] * 2
    assert not np.isin(
        shard.columns["event_objects"][..., 0], other.columns["event_objects"][..., 0]
    ).any()


def objects(events: int = 60) -> dict[str, np.ndarray]:
    """Made-up objects: two kinds of events, of which some lack the second b-jet."""
    random = np.random.default_rng(1)
    process = (np.arange(events) % 2).astype(np.uint8)
    types = np.tile(np.int8([1, 4, 2, 2, 3, 3]), (events, 1))
    types[::3, 3] = 0
    pt = random.uniform(20, 90, (events, 6))
    angles = random.uniform(-2, 2, (events, 6, 2)) * (types != 4)[..., None]
    mass = random.uniform(1, 9, (events, 6)) * (types > 1) * (types != 4)
    vectors = np.concatenate([pt[..., None], angles, mass[..., None]], axis=-1)
    vectors[:, 1, 0] = np.where(process == 1, 80.0, 40.0)
    real = types > 0
    return {
        "event_objects": np.where(real[..., None], vectors, 0).astype(np.float32),
        "event_object_types": types,
        "event_objects_real": real,
        "event_object_counts": np.stack([(types == k).sum(axis=1) for k in (1, 2, 3)], 1).astype(
            "u1"
        ),
        "process": process,
        "label": process,
    }


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    columns = objects()
    about = {"source": "a test", "processes": ["ttbar", "zprime"]}
    with EventWriter(Path("objects.h5"), len(columns["label"]), about) as writer:
        writer.append(columns)
        writer.finish()
    return Path("objects.h5")


def test_the_page_shows_what_each_process_looks_like(file: Path) -> None:
    shown = run("inspect", str(file))
    assert "event_object_types" in shown.output
    assert Path("objects.png").stat().st_size > 10_000
    assert _page_for(file).name == "objects"
    found = json.loads(run("inspect", str(file), "--json").output)
    (column,) = (column for column in found["columns"] if column["name"] == "event_objects")
    assert column["mask"] == "event_objects_real"
    with h5py.File(file) as events:
        names = [name for name in OBJECTS if name in events]
    assert len(names) == len(OBJECTS)


def test_panels_by_type_leave_padding_out(file: Path) -> None:
    columns = read(file)
    process, kinds = processes(describe(file), columns)
    assert kinds.names == ("ttbar", "zprime")
    drawn = {panel.title: panel for panel in panels(columns, process, kinds)}
    assert [*drawn][:3] == [
        "leptons of an event",
        "b-jets of an event",
        "jets without a tag of an event",
    ]
    assert sorted(set(drawn["b-jets of an event"].values.tolist())) == [1, 2]
    assert len(drawn["log10 of b-jet pt [GeV]"].values) == 60 + 40
    assert len(drawn["m of the two leading b-jets [GeV]"].values) == 40
    missing = drawn["log10 of missing pt [GeV]"]
    np.testing.assert_allclose(10 ** missing.values[missing.kind == 0], 40.0, rtol=1e-6)
    np.testing.assert_allclose(10 ** missing.values[missing.kind == 1], 80.0, rtol=1e-6)
    with style():
        assert len(compose("x", list(drawn.values())).legends[0].get_texts()) == 2


def test_masses_of_the_page_are_right(file: Path) -> None:
    columns = {name: column[:1] for name, column in read(file).items()}
    columns["event_objects"][0] = [
        [50, 0, 0, 0],
        [50, 0, np.pi, 0],
        [40, 0, 0, 0],
        [0, 0, 0, 0],
        [40, 0, 1, 0],
        [40, 0, 1 - np.pi, 0],
    ]

    drawn = {p.title: p.values for p in panels(columns, np.zeros(1, int), Kinds())}
    assert drawn["transverse m of lepton and missing [GeV]"] == pytest.approx([100.0])
    assert drawn["m of the two leading jets [GeV]"] == pytest.approx([80.0])
    assert "m of the two leading b-jets [GeV]" not in drawn


def test_of_many_events_some_are_drawn(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr("msml.studies.transfer.event_pages.MOST_EVENTS", 20)
    monkeypatch.setattr("msml.studies.transfer.event_pages.compose", lambda *a: drawn.append(a))
    monkeypatch.setattr("msml.studies.transfer.event_pages.save", lambda *_: None)
    draw_page(file, Path("page.png"))
    ((title, found),) = drawn
    assert title == "objects.h5: 60 events, 20 drawn"
    assert len(found[0].values) == 20
