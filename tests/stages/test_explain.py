"""`evaluate.importance` and `evaluate.dependence` in runs."""

import json
import shutil

import h5py
import numpy as np
import pytest
from process import fails, msml
from tiny import only_run

from msml.metrics import auc

pytestmark = pytest.mark.xdist_group("stages")

ASKED = (
    "posttrain.modes=[connected]",
    "evaluate.importance={metric: auc, repeats: 2}",
    "evaluate.dependence={features: [momentum.pt, momentum.eta], points: 4}",
)
KINDS = ("importance", "dependence")


@pytest.fixture(scope="module")
def explained(finished, tmp_path_factory):
    """A folder in which a run of one mode was explained; only to be read."""
    folder = tmp_path_factory.mktemp("explained")
    shutil.copytree(finished / "runs" / ".cache", folder / "runs" / ".cache")
    for name in ("events.h5", "tiny.yaml"):
        shutil.copy(finished / name, folder / name)
    command = msml(folder, "evaluate", "tiny.yaml", *ASKED)
    (folder / "output").write_text(command.output)
    (folder / "errors").write_text("\n".join(command.errors))
    return folder


def place(folder):
    return only_run(folder) / "evaluate" / "sf+mlp" / "connected"


def files(folder):
    """Contents of all that explains, by name."""
    return {
        path.name: path.read_bytes() for kind in KINDS for path in place(folder).glob(f"{kind}.*")
    }


def record(folder, kind):
    return json.loads(files(folder)[f"{kind}.json"])


def kept(folder):
    """What evaluation keeps of the upstream answer, of the class and of its prediction."""
    with h5py.File(place(folder) / "predictions.h5") as file:
        names = ("momentum/prediction", "higgs/target", "higgs/prediction", "weight")
        return [file[name][:].astype(float) for name in names]


def test_without_the_upstream_answer_the_class_is_not_known(explained):
    found = record(explained, "importance")
    assert found["settings"] == {"task": "higgs", "metric": "auc", "repeats": 2}
    rows = {row["component"]: row for row in found["features"]}
    assert list(rows) == [None, "pt", "eta", "phi"]
    assert {row["input"] for row in rows.values()} == {"momentum"}
    _, label, logit, weight = kept(explained)
    area = auc(label, logit, weight)
    assert rows[None]["value"] == pytest.approx(area - 0.5, abs=0.15)
    assert all(row["error"] > 0 for row in rows.values())


def test_dependence_is_on_physical_momenta(explained):
    found = record(explained, "dependence")
    assert (found["answers"], found["units"]) == (["probability"], ["1"])
    pt, eta = found["features"]
    assert [(each["component"], each["unit"]) for each in (pt, eta)] == [
        ("pt", "GeV"),
        ("eta", "1"),
    ]
    assert len(pt["at"]) == len(pt["answers"]) == 4
    seen = np.exp(kept(explained)[0][..., 0]) - 0.1
    expected = np.quantile(seen, np.linspace(0.01, 0.99, 4), method="nearest")
    assert pt["at"] == pytest.approx(expected, rel=1e-4)
    for answer in pt["answers"]:
        assert 0 < answer[0]["low"] < answer[0]["value"] < answer[0]["high"] < 1


def test_it_is_shown(explained):
    lines = (explained / "output").read_text().splitlines()
    start = lines.index("higgs of sf+mlp on test: auc lost without an input")
    assert lines[start + 1].split() == ["input", "component", "connected"]
    rows = [line.split()[:2] for line in lines[start + 3 : start + 7]]
    assert sorted(rows) == [["momentum", each] for each in ("all", "eta", "phi", "pt")]
    assert sorted(files(explained)) == sorted(
        f"{kind}.{ending}" for kind in KINDS for ending in ("json", "pdf", "png")
    )
    errors = (explained / "errors").read_text().splitlines()
    lines = [f"evaluate sf+mlp connected: {kind} of the inputs of higgs" for kind in KINDS]
    assert [line for line in errors if "of the inputs" in line] == lines


@pytest.mark.slow
def test_what_is_done_stays_and_only_what_is_asked_otherwise_is_done_again(explained, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(explained, folder)
    before, chain = files(folder), next(only_run(folder).glob("posttrain/*/*/weights.h5"))
    trained = chain.stat().st_mtime_ns
    place(folder).joinpath("dependence.json").unlink()
    command = msml(folder, "evaluate", "tiny.yaml", *ASKED, "--json")
    assert any("dependence.json: gone; it is made again" in line for line in command.errors)
    assert files(folder) == before  # bit for bit
    assert json.loads(command.output)[-1]["importance"] == record(folder, "importance")
    command = msml(folder, "evaluate", "tiny.yaml", *ASKED, "evaluate.importance.metric=null")
    done = [line for line in command.errors if "of the inputs" in line]
    assert done == ["evaluate sf+mlp connected: importance of the inputs of higgs"]
    assert "higgs of sf+mlp on test: rise of loss without an input" in command.output
    assert record(folder, "importance")["metric"] == "loss"
    assert files(folder)["dependence.json"] == before["dependence.json"]
    # It is the same run, and nothing is trained.
    assert only_run(folder) in chain.parents
    assert chain.stat().st_mtime_ns == trained


def test_mistakes_are_found_before_anything_is_done(finished):
    found = fails(2, finished, "run", "tiny.yaml", "evaluate.importance.task=higs")
    assert "evaluate.importance.task: unknown task 'higs'; did you mean 'higgs'?" in found
