"""Subsets of the test split: measured by themselves, or blind."""

import json
import shutil
from contextlib import chdir, contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
from commands import run
from process import Command, msml, until
from tiny import results

from msml.errors import DataError
from msml.metrics import auc, bootstrap
from msml.metrics.significance import ams
from msml.stages.evaluate import _BOOTSTRAP_SEED
from msml.stages.validity import Judge
from msml.validity.bands import Bands, groups
from msml.validity.task import MomentumTask

pytestmark = pytest.mark.xdist_group("subsets")

TRAIN, PUBLIC, PRIVATE, UNWEIGHTED = range(4)
RECIPE = """\
name: blind
xla: false
data:
  file: events.h5
  weight: weight
  balance: label
  split: {column: region, train: 0.7, valid: 0.3, test: [1, 2, 3]}
tasks:
  signal:
    inputs: [features]
    target: label
    loss: {name: bce_logits}
    weight: 1
    metrics: [auc, ams(cut=0.5), bce]
    candidates: {mlp: {model: mlp, args: {units: 4, layers: 1}}}
chain: {signal: mlp}
pretrain: {batch_size: 100, epochs: 2}
posttrain: {batch_size: 100, epochs: 2, modes: [connected, joint]}
evaluate:
  bootstrap: 20
  cost: false
  subsets:
    public: {column: region, values: [1]}
    private: {column: region, values: [2], blind: true}
    other: {column: region, values: [7, 0.5]}
    unweighted: {column: region, values: [3]}
"""


def events():
    rng = np.random.default_rng(1)
    label = np.arange(600) % 2
    region = np.repeat([TRAIN, PUBLIC, PRIVATE], [300, 100, 200])
    region[-10:] = UNWEIGHTED
    weight = rng.uniform(0.1, 2, 600)
    for each in (TRAIN, PUBLIC, PRIVATE):
        for value, total in ((0, 400.0), (1, 20.0)):  # the same of each set, as of HiggsML
            own = (region == each) & (label == value)
            weight[own] *= total / weight[own].sum()
    weight[region == UNWEIGHTED] = 0
    features = rng.normal(label[:, None], 1.0, (600, 3))
    return {"features": features, "label": label, "region": region, "weight": weight}


@contextmanager
def inside(folder, columns=None, text=RECIPE):
    """Work in a folder, with a recipe and its events where these are given."""
    folder.mkdir(exist_ok=True)
    with chdir(folder):
        if columns is not None:
            Path("blind.yaml").write_text(text)
            with h5py.File("events.h5", "w") as file:
                for name, array in columns.items():
                    file[name] = array
        yield


def only(folder):
    (found,) = folder.glob("runs/blind/*/")
    return found


def records(folder, evaluation="evaluate"):
    return json.loads((only(folder) / evaluation / "metrics.json").read_text())


def states(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run that was evaluated blind, then unblinded; and what these showed."""
    folder = tmp_path_factory.mktemp("blind")
    with inside(folder, events()):
        blind = run("run", "blind.yaml").output
        before = states(folder)
        unblinded = run("evaluate", "blind.yaml", "evaluate.unblind=true").output
    return folder, blind, unblinded, before


def test_tables_have_a_row_for_each_subset(done):
    _, blind, unblinded, _ = done
    assert "private: blind; evaluate.unblind=true shows it\n" in blind
    assert "other: no events with region = 7 or 0.5 that are not blind\n" in blind
    assert "unweighted: the weights of events with region = 3 have no positive total\n" in blind
    assert "other: no events with region = 7 or 0.5\n" in unblinded
    assert "private: " not in unblinded
    for shown, names in ((blind, ["public"]), (unblinded, ["public", "private"])):
        lines = shown.splitlines()
        first = next(i for i, line in enumerate(lines) if line.startswith("chain"))
        assert lines[first].split() == ["chain", "mode", "events", "auc", "ams(cut=0.5)", "bce"]
        rows = [line.split() for line in lines[first + 2 :]]
        assert rows[0][:3] == ["mlp", "connected", "all"]
        assert [row[0] for row in rows[1 : 1 + len(names)]] == names
        difference = rows[2 * (1 + len(names))]
        assert difference[:4] == ["joint", "-", "connected", "all"]
        assert rows[2 * (1 + len(names)) + 1][0] == "public"


def test_a_subset_is_measured_as_the_whole_is(done):
    folder, *_ = done
    record = records(folder, "unblinded")[-1]
    found, about = record["metrics"]["signal"], record["subsets"]
    assert about["public"] == {"events": 100}
    assert about["private"] == {"events": 190}
    columns = events()
    with h5py.File(only(folder) / "unblinded/mlp/joint/predictions.h5") as file:
        rows, logit = file["event"][()], file["signal/prediction"][:, 0]
        drawn = file["signal/replicas/auc on private"][()]
    for name, region in (("public", PUBLIC), ("private", PRIVATE)):
        kept = columns["region"][rows] == region
        label, weight = columns["label"][rows][kept], columns["weight"][rows][kept]
        own = bootstrap(auc, (label, logit[kept]), weight, 20, _BOOTSTRAP_SEED)._asdict()
        assert found[f"auc on {name}"] == pytest.approx(own, rel=1e-5)
        assert [weight[label == value].sum() for value in (0, 1)] == pytest.approx([400, 20])
        expected = ams(label, logit[kept], weight, cut=0.5)
        assert found[f"ams(cut=0.5) on {name}"]["value"] == pytest.approx(expected)
    assert found["auc on private"]["error"] == pytest.approx(drawn.std(ddof=1))
    minus = record["minus"]["connected"]["signal"]["auc on private"]["value"]
    before = records(folder, "unblinded")[0]["metrics"]["signal"]["auc on private"]["value"]
    assert minus == pytest.approx(found["auc on private"]["value"] - before)


@pytest.mark.slow
def test_a_subset_is_measured_as_where_test_is_nothing_else(done, tmp_path):
    folder, *_ = done
    text = RECIPE.partition("evaluate:")[0] + "evaluate: {bootstrap: 20, cost: false}\n"
    text = text.replace("[1, 2, 3]", "[2], unused: [1, 3]").replace("[connected, joint]", "[joint]")
    with inside(tmp_path, events(), text):
        run("run", "blind.yaml")
    alone = records(tmp_path)[-1]["metrics"]["signal"]
    both = records(folder, "unblinded")[-1]["metrics"]["signal"]
    for name, each in alone.items():
        assert both[f"{name} on private"] == pytest.approx(each, rel=1e-5), name


def test_unblinding_trains_nothing_and_keeps_the_blind_result(done):
    folder, blind, _, before = done
    after = states(folder)
    changed = {path.name for path in before if after[path] != before[path]}
    assert changed <= {"manifest.json", "msml.sha256"}
    new = {path.relative_to(only(folder)).parts[0] for path in after.keys() - before.keys()}
    assert new == {"unblinded"}
    with inside(folder):
        again = run("evaluate", "blind.yaml").output
    assert again == blind[blind.index("signal on test") :]
    last = states(folder)
    assert {path.name for path in last if last[path] != after.get(path)} <= changed


def test_killed_while_unblinding(done, tmp_path):
    """The same command goes on, and gives the same, bit for bit."""
    folder, *_ = done
    whole, other = (shutil.copytree(folder, tmp_path / name) for name in ("whole", "other"))
    asked = ("evaluate", "blind.yaml", "evaluate.unblind=true")
    for each in (whole, other):
        shutil.rmtree(only(each) / "unblinded")
    # In a process of its own as well, as a user's is. Beside what the process of the tests gives,
    # digits of the killed one differed in two long runs of all tests; why is not known.
    msml(whole, *asked)
    expected = results(only(whole))
    command = Command(other, *asked)
    until(lambda: any(only(other).glob("unblinded/mlp/*/metrics.json")))
    command.kill()
    assert not (only(other) / "unblinded/metrics.json").exists()
    msml(other, *asked)
    assert results(only(other)) == expected
    assert not list(other.rglob("*.tmp"))


def test_nothing_of_blind_events_is_in_what_a_blind_run_leaves(done, tmp_path):
    folder, blind, *_ = done
    columns = events()
    hidden = columns["region"] == PRIVATE
    rng = np.random.default_rng(2)
    columns["features"][hidden] = rng.normal(0, 1e4, (hidden.sum(), 3))
    columns["label"][hidden] = 1 - columns["label"][hidden]
    columns["weight"][hidden] = rng.uniform(-1e3, 1e5, hidden.sum())
    with inside(tmp_path, columns):
        assert run("run", "blind.yaml").output.splitlines()[:-1] == blind.splitlines()[:-1]
    expected = {
        name: content
        for name, content in results(only(folder)).items()
        if not name.startswith("unblinded")
    }
    assert results(only(tmp_path)) == expected
    pictures = sorted(only(tmp_path).rglob("evaluate/**/*.png"))
    assert pictures
    for path in pictures:
        other = only(folder) / path.relative_to(only(tmp_path))
        assert path.read_bytes() == other.read_bytes()
    with h5py.File(only(tmp_path) / "evaluate/mlp/joint/predictions.h5") as file:
        assert not np.isin(file["event"][()], np.flatnonzero(hidden)).any()


def test_where_all_of_test_is_blind_only_training_is_done(tmp_path):
    whole = "evaluate.subsets.private.values=[1,2,3]"
    with inside(tmp_path, events()):
        for command in ("run", "evaluate"):
            with pytest.raises(DataError, match=r"^events\.h5: all events of the test split are "):
                run(command, "blind.yaml", whole)
        assert not [*Path().rglob("*.h5")][1:]
        run("posttrain", "blind.yaml", whole, "posttrain.modes=[joint]")
        assert [*Path("runs/blind").rglob("weights.h5")]


def test_the_momenta_of_a_subset_are_judged_by_its_own_bands():
    rng = np.random.default_rng(1)
    bands = Bands(rng.normal(0, 1, (50, 2, 3)), rng.uniform(0.5, 1, (50, 2, 3)))
    judge = Judge.__new__(Judge)
    known = {"task": MomentumTask("m", "taus", "jets"), "groups": groups(2, "taus")}
    judge.__dict__ |= {**known, "bands": bands, "_settings": type("S", (), {"sigma": 2.0})}
    kept, output = np.arange(50) < 20, rng.normal(0, 1, (50, 2, 3))
    whole, part = judge.metrics("m")["validity"], judge.metrics("m", kept)["validity"]
    assert part(None, output[kept]) == whole.per_event(None, output)[kept].mean()
