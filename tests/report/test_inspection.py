"""`msml inspect` on files of any columns."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from msml.cli import cli
from msml.data.events import EventWriter
from msml.errors import RecipeError
from msml.plotting import style
from msml.report.inspection import summarise
from msml.report.inspection_page import MOST_PANELS, draw_page, page

ROWS = 60


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Path("odd.h5")
    features = np.arange(ROWS * 2.0).reshape(ROWS, 2)
    broken = np.arange(float(ROWS))
    broken[:15], broken[20] = np.nan, np.inf
    objects = np.arange(ROWS * 6.0).reshape(ROWS, 3, 2)
    mask = np.ones((ROWS, 3), bool)
    mask[:, 2] = False
    with h5py.File(made, "w") as file:
        file["features"], file["broken"], file["objects"] = features, broken, objects
        file["mask"], file["label"] = mask, np.arange(ROWS) % 3
        file["many"], file["note"] = np.arange(ROWS), "text"
        file["nothing"] = np.full(ROWS, np.nan)
        file["features"].attrs["components"] = ["pt", "eta"]
        file["features"].attrs["units"] = ["GeV", "1"]
        file["objects"].attrs["mask"] = "mask"
    return made


def run(*arguments):
    return CliRunner().invoke(cli, ["inspect", *arguments])


def test_numbers(path):
    summary = summarise(path)
    assert (summary.events, summary.ignored) == (ROWS, {"note": "a single value"})
    columns = {column.name: column for column in summary.columns}
    pt, eta = columns["features"].parts
    assert (pt.name, pt.unit, pt.minimum, pt.mean, pt.maximum) == ("pt", "GeV", 0, ROWS - 1, 118)
    assert (eta.name, eta.unit, eta.maximum) == ("eta", "1", 119)
    (broken,) = columns["broken"].parts
    assert (broken.missing, broken.infinite, broken.minimum, broken.maximum) == (0.25, 1, 15, 59)
    (objects,) = columns["objects"].parts
    assert (objects.minimum, objects.maximum) == (0, 6 * ROWS - 3)  # the last row is masked
    assert columns["label"].classes == {"0": 20, "1": 20, "2": 20}
    assert columns["mask"].classes == {"False": ROWS, "True": 2 * ROWS}
    assert columns["many"].classes == {}
    (nothing,) = columns["nothing"].parts
    assert (nothing.minimum, nothing.mean, nothing.missing) == (None, None, 1)


def test_the_command_prints_and_draws(path):
    found = run(str(path))
    assert found.exit_code == 0, found.output
    assert "odd.h5: 60 events" in found.output
    assert "pt [GeV]" in found.output
    assert "0: 20, 1: 20, 2: 20" in found.output
    assert "masked by mask" in found.output
    assert "ignored: note: a single value" in found.output
    assert found.output.endswith("plots: odd.png\n")
    assert Path("odd.png").read_bytes().startswith(b"\x89PNG")
    assert run(str(path), "--page", "odd.pdf").exit_code == 0
    assert Path("odd.pdf").read_bytes().startswith(b"%PDF")


def test_json(path):
    found = json.loads(run(str(path), "--json").output)
    assert found["ignored"] == {"note": "a single value"}
    assert [column["name"] for column in found["columns"]][:2] == ["broken", "features"]
    assert not Path("odd.png").exists()


def test_only_pictures_are_overwritten(path):
    before = path.read_bytes()
    Path("events.png").write_bytes(before)
    Path("theirs.png").write_bytes(b"\x89PNG of another program")
    for arguments in (
        [str(path), "--page", str(path)],
        ["events.png"],
        [str(path), "--page", "theirs.png"],
    ):
        error = run(*arguments).exception
        assert isinstance(error, RecipeError)
        assert str(error).endswith("exists and is no picture of msml's; name another file")
    assert path.read_bytes() == Path("events.png").read_bytes() == before
    assert [run(str(path)).exit_code for _ in range(2)] == [0, 0]


def test_one_line_for_each_class_and_a_panel_for_each_component(path):
    with style():
        figure = page(path)
    panels = {ax.get_title(): ax for ax in figure.axes if ax.get_title()}
    assert list(panels) == [
        *("broken", "features pt [GeV]", "features eta", "label", "many", "mask", "nothing"),
        "objects",
    ]
    assert len(panels["features eta"].patches) == 3
    heights, edges, _ = panels["label"].patches[1].get_data()
    assert edges.tolist() == [-0.5, 0.5, 1.5, 2.5]
    assert heights.tolist() == [0, 1, 0]


@pytest.mark.slow
def test_many_columns_and_events(path, monkeypatch):
    monkeypatch.setattr("msml.report.inspection_page.MOST_EVENTS", 20)
    with h5py.File(path, "r+") as file:
        file["wide"] = np.zeros((ROWS, MOST_PANELS))
        del file["label"]
    with style():
        figure = page(path)
    assert len([ax for ax in figure.axes if ax.get_title()]) == MOST_PANELS
    assert figure.get_suptitle() == "odd.h5: 60 events, one of 3 drawn, 60 of 67 histograms"
    draw_page(path, path.with_name("many.png"))


def test_the_taus_have_a_page_of_their_own(path):
    jets = np.ones((4, 2, 4), np.float32)
    with EventWriter(path, 4, {}) as writer:
        writer.append({"jets": jets, "label": np.arange(4) % 2})
        writer.finish()
    with h5py.File(path, "r+") as file:
        file["more/features"], file["group/note"] = jets, "text"
    assert "processes" in json.loads(run(str(path), "--json").output)
    with h5py.File(path, "w") as file:
        file["jets"] = jets  # only the name is the same
    assert "ignored" in json.loads(run(str(path), "--json").output)
