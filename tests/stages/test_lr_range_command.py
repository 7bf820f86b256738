"""`msml lr-range`."""

import json

import pytest
from commands import run
from tiny import only_run

from msml.errors import RecipeError

pytestmark = pytest.mark.xdist_group("lr_range_command")
FOUND = {"steepest", "tenth", "minimum", "diverges"}


def files(folder):
    """All that range tests have left, by name."""
    found = sorted((only_run(folder) / "lr_range").rglob("*.*"))
    return {str(path.relative_to(only_run(folder))): path.read_bytes() for path in found}


def test_of_every_candidate(work, monkeypatch):
    monkeypatch.chdir(work)
    arguments = ("lr-range", "tiny.yaml", "--repeats", "2", "pretrain.schedule.name=one_cycle")
    printed = run(*arguments, "--json")
    results = {each["unit"]: each for each in json.loads(printed.stdout)}
    assert list(results) == [
        "pretrain/momentum/sf",
        "pretrain/momentum/noise",
        "pretrain/higgs/mlp",
    ]
    assert {results["pretrain/momentum/noise"][name] for name in FOUND} == {None}
    sf = results["pretrain/momentum/sf"]
    assert sf["recipe"] == 0.01
    assert (sf["steps"], sf["repeats"]) == (100, 2)
    assert [len(each) for each in sf["losses"]] == [100, 100]
    assert sf["losses"][0][0] != sf["losses"][1][0]
    assert 1e-7 < sf["steepest"] <= sf["minimum"] < 10
    assert sf["tenth"] == sf["minimum"] / 10
    left = files(work)
    assert {name for name in left if name.endswith(".png")} == {
        f"lr_range/{unit}.png" for unit in results
    }
    assert list(work.rglob("*.h5")) == [work / "events.h5"]  # no weights are kept
    assert not (only_run(work) / "unfinished.json").exists()

    before = (only_run(work) / "lr_range/pretrain/higgs/mlp.json").stat().st_mtime_ns
    table = run(*arguments).stdout  # is done already
    assert (only_run(work) / "lr_range/pretrain/higgs/mlp.json").stat().st_mtime_ns == before
    assert "pretrain/higgs/mlp" in table
    assert "Learning rates" in table


def test_of_the_chain_where_nothing_is_trained_before(work, monkeypatch):
    monkeypatch.chdir(work)
    few = ("--from", "1e-4", "--epochs", "30", "--repeats", "1")
    own = ("posttrain.from=initial", "posttrain.modes=[joint]", "weighting.name=uncertainty")
    (found,) = json.loads(run("lr-range", "tiny.yaml", *few, *own, "--json").stdout)
    left = files(work)
    (only_run(work) / "lr_range").rename(work / "first")
    run("lr-range", "tiny.yaml", *few, *own)
    assert files(work) == left  # bit for bit
    assert found["unit"] == "posttrain/sf+mlp"
    assert found["steps"] == 150  # 240 events in batches of 50
    assert found["rates"][0] == pytest.approx(1e-4)
    assert set(left) == {f"lr_range/posttrain/sf+mlp.{kind}" for kind in ("json", "png")}
    assert list(work.rglob("*.h5")) == [work / "events.h5"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--from", "0"], "--from: expected a number above 0, got 0"),
        (
            ["--from", "1", "--to", "0.5"],
            "--to: expected a number above 1, that of --from, got 0.5",
        ),
        (["--epochs", "0"], "--epochs: expected a number from 1 to 1000, got 0"),
        (["--repeats", "0"], "--repeats: expected a number from 1 to 1000, got 0"),
        (["--to", "nan"], "--to: expected a number above 0, got nan"),
    ],
)
def test_bad_options(work, monkeypatch, options, problem):
    monkeypatch.chdir(work)
    with pytest.raises(RecipeError) as caught:
        run("lr-range", "tiny.yaml", *options)
    assert caught.value.problems == [problem]
    assert not (work / "runs").exists()
