"""`msml report` and `msml check`, from a sweep of two seeds and two pairs."""

import json
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest
from commands import run
from made_results import pairs

sys.path.append(str(Path(__file__).parents[1] / "stages"))  # for `tiny`

from tiny import RECIPE, first_seed_done, write_recipe

from msml.errors import DataError, IncompleteError, RecipeError
from msml.report.page import About, Section, page
from msml.report.results import Results
from msml.report.write import write
from msml.tables import duration

OURS = RECIPE.replace("[connected, sequential, joint]", "[sequential, joint]")
OURS = OURS.replace("{momentum: sf, higgs: mlp}", "{momentum: [sf, noise], higgs: mlp}")
OURS += 'sweep: {over: {seed: "0:2"}}\nreport: {figures: [fig2]}\n'

EXPECTED = """\
statements:
  changes:
    says: re-optimisation changes the AUC
    figure: fig2
    measure: {kind: difference, column: auc, along: mode, against: sequential}
    where: {first: sf}
    expect: {between: LIMITS}
"""


class Links(HTMLParser):
    """Collects what a page refers to."""

    def __init__(self):
        super().__init__()
        self.found, self.tags = [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.found += [value for name, value in attrs if name in ("src", "href")]


def links(path):
    parser = Links()
    parser.feed(path.read_text())
    assert "script" not in parser.tags
    assert "link" not in parser.tags
    assert not re.search(r"url\(|@import", path.read_text())
    return parser.found


def check_page(path):
    """It needs nothing from elsewhere, and what it links to is there."""
    inlined = 0
    for link in links(path):
        if link.startswith("data:image/png;base64,"):
            inlined += 1
        else:
            assert "://" not in link
            assert not link.startswith(("/", "data:"))
            assert (path.parent / unquote(link)).exists(), link
    return inlined


@pytest.fixture(scope="module")
def swept(tmp_path_factory, event_file):
    """A folder in which all units but those of the second seed are done."""
    pytest.importorskip("distributed")
    folder = tmp_path_factory.mktemp("swept")
    with first_seed_done(folder, event_file, OURS):
        yield folder


def test_an_incomplete_sweep_is_shown_and_what_is_missing_is_said(swept):
    result = run("report", "tiny.yaml")
    assert "1 unit has no result; the page names them" in result.output
    assert "written: runs/tiny/report/tiny/index.html" in result.output
    folder = swept / "runs/tiny/report/tiny"
    names = {path.name for path in folder.iterdir()}
    assert {f"fig2{s}" for s in (".png", ".pdf", ".csv", ".md", ".tex")} <= names
    assert {"losses.png", "results.csv"} <= names
    text = (folder / "index.html").read_text()
    assert "1 of 2 begun" in text
    assert "unit 1, run: not started" in text
    assert "Time of all processes" in text
    assert "ROC curve" in text
    assert check_page(folder / "index.html") >= 4
    found = pd.read_csv(folder / "fig2.csv").set_index(["chain", "mode"])
    assert list(found["runs"]) == [1, 1, 1, 1]
    (measured,) = swept.glob("runs/tiny/*/evaluate/sf+mlp/joint/metrics.json")
    expected = json.loads(measured.read_text())["metrics"]["higgs"]["auc"]
    assert found.loc[("sf+mlp", "joint"), "auc"] == pytest.approx(expected["value"])
    assert found.loc[("sf+mlp", "joint"), "auc error"] == pytest.approx(expected["error"])


def test_a_run_has_a_report_of_its_own(swept):
    (directory,) = (path.parent for path in swept.glob("runs/tiny/*/recipe.yaml"))
    run("report", str(directory.relative_to(swept)))
    assert check_page(directory / "report" / "index.html") >= 3
    output = run("report", str(directory), "--output", "mine", "--json").stdout
    assert "mine/fig2.pdf" in json.loads(output)["files"]


@pytest.mark.slow
def test_a_complete_sweep_is_checked(swept):
    Path("expected.yaml").write_text(EXPECTED.replace("LIMITS", "[-1, 1]"))
    result = run("check", "tiny.yaml", "--expected", "expected.yaml")
    assert "undecided" in result.stdout  # of one seed
    assert "1 unit has no result; msml collect names them" in result.stderr
    with pytest.raises(IncompleteError, match="no run has a result to check; do them with: msml"):
        run("check", "tiny.yaml", "--expected", "expected.yaml", "seed=1")
    run("run", "tiny.yaml", "seed=1")
    run("report", "tiny.yaml")
    text = Path("runs/tiny/report/tiny/index.html").read_text()
    assert "2 of 2 begun" in text
    assert "Missing" not in text
    found = pd.read_csv("runs/tiny/report/tiny/fig2.csv")
    assert list(found["runs"]) == [2, 2, 2, 2]

    Path("expected.yaml").write_text(EXPECTED.replace("LIMITS", "[-90, 90]"))
    Path("named.yaml").write_text("extends: tiny.yaml\nreport: {expected: expected.yaml}\n")
    output = run("check", "named.yaml").stdout
    assert "re-optimisation changes the AUC" in output
    assert "holds" in output
    Path("expected.yaml").write_text(EXPECTED.replace("LIMITS", "[80, 90]"))
    with pytest.raises(IncompleteError, match="1 of 1 statements fail: changes"):
        run("check", "tiny.yaml", "--expected", "expected.yaml", "--json")
    assert IncompleteError.exit_code == 5


def test_mistakes_are_one_line(swept):
    write_recipe(swept, OURS.replace("[fig2]", "[fgi2]"), "wrong.yaml")
    with pytest.raises(RecipeError, match="unknown figure 'fgi2'; did you mean"):
        run("report", "wrong.yaml")
    write_recipe(swept, OURS.replace("{figures: [fig2]}", "{also: [no.yaml]}"), "wrong.yaml")
    with pytest.raises(RecipeError, match=r"wrong.yaml:\d+: report.also.0: no such recipe"):
        run("report", "wrong.yaml")
    with pytest.raises(RecipeError, match="folder: expected KEY=VALUE after a recipe"):
        run("report", "tiny.yaml", "folder")
    with pytest.raises(RecipeError, match="runs/no: no such folder; expected run directories"):
        run("report", "runs/no")
    with pytest.raises(DataError, match=r"runs: no run: it has no recipe\.yaml"):
        run("report", "runs")


def test_images_need_no_runs(tmp_path, monkeypatch, event_file):
    monkeypatch.chdir(tmp_path)
    shutil.copy(event_file, tmp_path / "events.h5")
    write_recipe(tmp_path, OURS.replace("[fig2]", "[fig8]"))
    shutil.copy(event_file, tmp_path / "other.h5")
    run("report", "tiny.yaml", "data.file=other.h5")
    folder = tmp_path / "runs/tiny/report/tiny"
    assert check_page(folder / "index.html") == 1
    text = (folder / "index.html").read_text()
    assert "Missing" not in text
    assert "Events: other.h5." in text


def test_a_figure_without_data_is_named(tmp_path):
    results = Results("made", ("fig2", "fig4"), pairs(2), (), 2, ("unit 0, run: failed: x",))
    written = write(results, tmp_path)
    assert written.undrawn == {"fig4": "no DARTS search is done"}
    text = written.page.read_text()
    assert "<li>fig4: no DARTS search is done</li>" in text
    assert check_page(written.page) == 1


def test_what_comes_from_outside_is_quoted(tmp_path):
    about = About("<b>", (), 0, ("<script>x</script>",), {"fig2": "<i>"})
    picture = tmp_path / 'a "&b.png'
    picture.write_bytes(b"picture")
    section = Section("s", "<i>", "<i>", picture, (["<i>"], [["a|<c>"]]), (picture,))
    text = page(about, [section], tmp_path)
    assert "<script>" not in text
    assert "<i>" not in text
    assert "&lt;script&gt;x" in text
    assert "<th>&lt;i&gt;</th>" in text
    assert "<td>a|&lt;c&gt;</td>" in text
    assert 'href="a%20%22%26b.png"' in text


def test_durations():
    assert [duration(s) for s in (5, 119, 150, 7260)] == ["5 s", "119 s", "2 min", "2 h 1 min"]
    assert duration(1e7) == "2,777 h"
