import json
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner

from msml.cli import cli
from msml.errors import DivergedError, StoppedError
from msml.files import locked
from msml.recipe import load
from msml.recipe.schema import TrainRecipe
from msml.runs.attempt import UNFINISHED, attempt
from msml.runs.directory import finite, read_json, run_directory, write_json
from msml.runs.status import find_runs, run_of, status

RECIPE = """\
name: tiny
data: {file: events.h5}
tasks:
  momentum:
    inputs: [jets]
    target: taus
    loss: {name: momentum_mse}
    weight: 0.5
    candidates: {mlp: {model: tau_mlp}, sf: {model: tau_scale_factor}}
  higgs:
    inputs: [momentum]
    target: label
    loss: {name: bce_logits}
    weight: remainder
    candidates: {mass: {model: higgs_mass}}
chain: {momentum: mlp}
posttrain: {modes: [sequential, joint]}
"""


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """A run that has just begun."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    loaded = load("tiny.yaml", TrainRecipe)
    text = loaded.resolved()
    run = run_directory(tmp_path / "runs", "tiny", yaml.safe_load(text), [])
    run.path.mkdir(parents=True)
    run.file("recipe.yaml").write_text(text)
    return run


def log(directory, unit, epoch, best=0.5):
    directory.log({"unit": unit, "epoch": epoch, "best": best, "best_epoch": 1})


def finish(directory):
    for name in ("momentum/mlp", "momentum/sf", "higgs/mass"):
        write_json(
            directory.file("pretrain", f"{name}.json"),
            {"epochs": 7, "best_epoch": 5, "valid_loss": 0.25},
        )
    for stage in ("posttrain", "evaluate"):
        for mode in ("sequential", "joint"):
            write_json(directory.file(stage, "mlp+mass", mode, "metrics.json"), {"mode": mode})


def test_nothing_there(directory):
    assert status(directory.path / "other").state == "not started"
    assert status(directory.path).state == "partial"


def test_done(directory):
    finish(directory)
    log(directory, "posttrain/mlp+mass/sequential/higgs", 9)
    found = status(directory.path)
    assert (found.state, found.current, found.error) == ("done", None, None)
    stages = ("pretrain", "posttrain", "evaluate")
    assert [found.progress(stage) for stage in stages] == [(3, 3), (2, 2), (2, 2)]
    first = found.units[0]
    assert (first.name, first.epochs, first.best_epoch, first.best) == ("momentum/mlp", 7, 5, 0.25)
    assert {u.name: u.epochs for u in found.units if u.stage == "posttrain"} == {
        "mlp+mass/sequential": 9,
        "mlp+mass/joint": None,
    }


def test_running(directory):
    with directory.held(), attempt(directory, ["msml"]):
        log(directory, "pretrain/momentum/mlp", 1)
        log(directory, "pretrain/momentum/mlp", 2, 0.4)
        with directory.file("metrics.jsonl").open("a") as handle:
            handle.write('{"unit": "pretrain/mom')
        found = status(directory.path)
    assert (found.state, found.current) == ("running", "pretrain/momentum/mlp")
    assert (found.units[0].done, found.units[0].epochs, found.units[0].best) == (False, 2, 0.4)
    assert status(directory.path).state == "partial"


def test_killed(directory):
    write_json(directory.file(UNFINISHED), {"command": [], "began": 1.0, "error": None})
    log(directory, "posttrain/mlp+mass/sequential/higgs", 3)
    found = status(directory.path)
    assert (found.state, found.current) == ("interrupted", "posttrain/mlp+mass/sequential/higgs")


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (StoppedError("SIGTERM: saved"), "interrupted", 85),
        (KeyboardInterrupt(), "interrupted", 130),
        (DivergedError("the loss is not finite"), "failed", 4),
        (ValueError("a bug"), "failed", 1),
    ],
)
def test_ended_by_an_error(directory, error, state, code):
    with pytest.raises(type(error)), attempt(directory, ["msml", "run"]):
        raise error
    found = status(directory.path)
    assert (found.state, found.error["exit_code"]) == (state, code)
    assert (found.error["kind"], found.error["message"]) == (type(error).__name__, str(error))
    with attempt(directory, ["msml"]):
        pass
    assert status(directory.path).error is None


def test_a_recipe_that_cannot_be_read_hides_nothing_else(directory):
    directory.file("recipe.yaml").write_text("name: tiny\nunknown: 1\n")
    log(directory, "pretrain/momentum/mlp", 2)
    found = status(directory.path)
    assert (found.units, found.state, found.current) == ((), "partial", "pretrain/momentum/mlp")


def test_runs_are_found(directory):
    assert find_runs(directory.path.parents[1]) == [directory.path]
    assert run_of("tiny.yaml", [], directory.path.parents[1]) == directory.path
    assert run_of("tiny.yaml", ["seed=2"], directory.path.parents[1]) != directory.path


def test_the_command(directory):
    log(directory, "pretrain/momentum/mlp", 2)
    runner = CliRunner()
    shown = runner.invoke(cli, ["status"]).stdout
    assert f"tiny/{directory.path.name}" in shown
    assert "partial" in shown
    shown = runner.invoke(cli, ["status", "tiny.yaml"]).stdout.splitlines()
    assert any(line.split()[:2] == ["pretrain", "momentum/mlp"] for line in shown)
    assert "not started" in runner.invoke(cli, ["status", "tiny.yaml", "seed=2"]).stdout
    assert runner.invoke(cli, ["status", "--runs", "empty"]).stdout == "no runs in empty\n"
    (as_json,) = json.loads(runner.invoke(cli, ["status", "--json"]).stdout)
    assert as_json["current"] == "pretrain/momentum/mlp"


def test_a_failure_is_shown(directory):
    with pytest.raises(DivergedError), attempt(directory, []):
        raise DivergedError("the loss is not finite")
    shown = CliRunner().invoke(cli, ["status", "tiny.yaml"]).stdout
    assert "exit code 4: DivergedError: the loss is not finite" in shown


def test_it_needs_nothing_heavy(directory):
    heavy = ("tensorflow", "keras", "matplotlib")
    code = (
        "import sys\nfrom msml.cli import main\nsys.argv = ['msml', 'status']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_a_look_does_not_take_the_lock(directory):
    with locked(directory.file("lock")):
        assert status(directory.path).state == "running"
    with directory.held():
        pass


def test_json_has_no_infinity(tmp_path):
    content = {"a": float("nan"), "b": [1.5, float("inf")], "c": (2, "x", None, True)}
    assert finite(content) == {"a": None, "b": [1.5, None], "c": [2, "x", None, True]}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json")["a"] is None


def test_the_reference_of_a_validity_is_a_unit(directory):
    text = directory.file("recipe.yaml").read_text()
    assert "validity: null" in text
    directory.file("recipe.yaml").write_text(
        text.replace("validity: null", "validity: {epochs: 3}")
    )
    finish(directory)
    directory.log({"unit": "evaluate/validity", "epoch": 2})
    found = status(directory.path)
    assert (found.state, found.current) == ("partial", "evaluate/validity")
    assert found.progress("evaluate") == (2, 3)
    assert found.units[-1].epochs == 2
    write_json(directory.file("evaluate", "validity.json"), {"epochs": 3})
    assert status(directory.path).state == "done"
    assert status(directory.path).current is None


def searching(tmp_path, monkeypatch, strategy):
    """A run that has just begun and is to search."""
    monkeypatch.chdir(tmp_path)
    chosen = f"strategy: {{name: {strategy}}}"
    (tmp_path / "tiny.yaml").write_text(RECIPE.replace("chain: {momentum: mlp}", chosen))
    text = load("tiny.yaml", TrainRecipe).resolved()
    run = run_directory(tmp_path / "runs", "tiny", yaml.safe_load(text), [])
    run.path.mkdir(parents=True)
    run.file("recipe.yaml").write_text(text)
    return run


def units(found, *stages):
    return {f"{u.stage}/{u.name}": u for u in found.units if u.stage in stages}


def test_a_search(tmp_path, monkeypatch):
    run = searching(tmp_path, monkeypatch, "darts")
    found = status(run.path)
    assert list(units(found, "search", "posttrain", "evaluate")) == [
        "search/darts",
        "posttrain/(to be chosen)/sequential",
        "posttrain/(to be chosen)/joint",
        "evaluate/(to be chosen)/sequential",
        "evaluate/(to be chosen)/joint",
    ]
    run.log({"unit": "search/darts", "epoch": 1, "best": float("inf"), "best_epoch": None})
    run.log({"unit": "search/darts", "epoch": 2, "best": 0.4, "best_epoch": 2})
    found = status(run.path)
    unit = units(found, "search")["search/darts"]
    assert (unit.done, unit.epochs, unit.best_epoch, unit.best) == (False, 2, 2, 0.4)
    assert (found.state, found.current) == ("partial", "search/darts")
    chosen = {"momentum": "sf", "higgs": "mass"}
    content = {"chosen": chosen, "epochs": [{}] * 5, "best_epoch": 3}
    write_json(run.file("search", "selection.json"), content)
    found = status(run.path)
    unit = units(found, "search")["search/darts"]
    assert (unit.done, unit.epochs, unit.best_epoch, unit.best) == (True, 5, 3, 0.4)
    assert found.current is None
    assert found.progress("search") == (1, 1)
    assert "posttrain/sf+mass/joint" in units(found, "posttrain")
    assert not any("to be chosen" in unit.name for unit in found.units)
    assert CliRunner().invoke(cli, ["status"]).exit_code == 0


def test_warm_up_has_no_best_epoch(tmp_path, monkeypatch):
    run = searching(tmp_path, monkeypatch, "darts")
    run.log({"unit": "search/darts", "epoch": 1, "best": float("inf"), "best_epoch": None})
    unit = units(status(run.path), "search")["search/darts"]
    assert (unit.epochs, unit.best_epoch, unit.best) == (1, None, None)
    runner = CliRunner()
    shown = runner.invoke(cli, ["status", "tiny.yaml"]).stdout
    (line,) = (line.split() for line in shown.splitlines() if line.startswith("search"))
    assert line[:2] == ["search", "darts"]
    assert line[-4:-1] == ["1", "-", "-"]


def test_a_grid_search(tmp_path, monkeypatch):
    run = searching(tmp_path, monkeypatch, "grid")
    log(run, "grid/mlp+mass", 4)
    write_json(run.file("grid", "mlp+mass", "metrics.json"), {"epochs": 4})
    log(run, "grid/sf+mass", 2)
    found = status(run.path)
    grid = units(found, "grid")
    assert list(grid) == ["grid/mlp+mass", "grid/sf+mass"]
    assert [(u.done, u.epochs) for u in grid.values()] == [(True, 4), (False, 2)]
    assert found.current == "grid/sf+mass"
    write_json(run.file("grid", "sf+mass", "metrics.json"), {"epochs": 3})
    assert status(run.path).current is None
    chosen = {"momentum": "mlp", "higgs": "mass"}
    content = {"chosen": chosen, "epochs": None, "best_epoch": None}
    write_json(run.file("search", "selection.json"), content)
    found = status(run.path)
    assert units(found, "search")["search/grid"].done
    assert "evaluate/mlp+mass/joint" in units(found, "evaluate")


def test_a_grid_beside_another_strategy(tmp_path, monkeypatch):
    run = searching(tmp_path, monkeypatch, "darts")
    assert not units(status(run.path), "grid")
    log(run, "grid/mlp+mass", 1)
    run.file("grid", "mlp+mass").mkdir(parents=True)
    found = status(run.path)
    assert list(units(found, "grid")) == ["grid/mlp+mass", "grid/sf+mass"]
    assert found.current == "grid/mlp+mass"
