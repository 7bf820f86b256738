"""Sweeps carried out by real Dask workers, in processes as users start them."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sweeping import (
    LONG,
    PATIENCE,
    POINTS,
    check_same,
    epochs,
    msml,
    psutil,
    run_folders,
    start,
    unit_processes,
    until,
)
from tiny import RECIPE, write_recipe

pytestmark = pytest.mark.xdist_group("sweeps")

ONE_MODE = RECIPE.replace("[connected, sequential, joint]", "[joint]")


@pytest.mark.slow
def test_a_unit_that_fails_does_not_hinder_the_others(folder):
    over = "{how: {fine: {}, wild: {posttrain.optimizer: {name: sgd, learning_rate: 1e30}}}}"
    write_recipe(folder, ONE_MODE + f"sweep: {{over: {over}, workers: 2}}\n")
    _, errors = msml(folder, 5, "sweep", "tiny.yaml")
    assert ": done in " in errors
    assert "failed, exit code 4: posttrain/sf+mlp/joint: the loss is not finite" in errors
    assert errors.splitlines()[-1].startswith("msml: 1 of 3 units were not done;")

    output, errors = msml(folder, 5, "collect", "tiny.yaml")
    assert "fine" in output
    assert "unit 2, run: failed" in errors
    assert "the loss is not finite" in errors
    (table,) = folder.glob("runs/tiny/sweep-*/results.csv")
    (row,) = csv.DictReader(table.open())
    assert (row["how"], row["chain"], row["mode"]) == ("fine", "sf+mlp", "joint")
    assert 0 < float(row["higgs/auc"]) < 1
    assert float(row["higgs/auc error"]) > 0
    parquet = pytest.importorskip("pyarrow.parquet").read_table(table.with_suffix(".parquet"))
    assert parquet.column("higgs/auc").to_pylist() == [float(row["higgs/auc"])]
    assert json.loads(table.with_suffix(".json").read_text())[0]["mode"] == "joint"

    (fine,) = (run for run in run_folders(folder).values() if (run / "evaluate").exists())
    assert json.loads((fine / "manifest.json").read_text())["environment"]["threads"] == 1
    began = (fine / "manifest.json").stat().st_mtime_ns
    output, _ = msml(folder, 0, "sweep", "tiny.yaml", "how=fine", "--json")
    assert json.loads(output) == []
    assert (fine / "manifest.json").stat().st_mtime_ns == began

    plans = folder.glob("runs/tiny/sweep-*/plan.json")
    (plan,) = (path for path in plans if len(json.loads(path.read_text())["units"]) == 3)
    _, errors = msml(folder, 4, "run-unit", str(plan), "2")
    assert "unit 2, run: exit code 4;" in errors


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_workers_killed_at_random(folder, undisturbed, seed):
    rng = random.Random(seed)
    moments = sorted(rng.randrange(epochs(undisturbed)) for _ in range(5))
    sweep = start(folder, "sweep", "tiny.yaml", *POINTS, *LONG)
    killed = 0
    for moment in moments:
        until(lambda m=moment: epochs(folder) >= m or sweep.poll() is not None)
        if units := unit_processes(sweep):
            rng.choice(units).parent().kill()
            killed += 1
    _, errors = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 0, errors
    assert killed >= 2
    check_same(folder, undisturbed)
    output, _ = msml(folder, 0, "collect", "tiny.yaml", *POINTS, *LONG, "--json")
    assert len(json.loads(output)["rows"]) == 8


@pytest.mark.slow
def test_unit_processes_killed(folder, undisturbed):
    """As by the kernel when memory is short: the unit is started again, and resumes."""
    sweep = start(folder, "sweep", "tiny.yaml", *POINTS, *LONG)
    until(lambda: epochs(folder) > 20)
    unit_processes(sweep)[0].kill()
    _, errors = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 0, errors
    check_same(folder, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_continues(folder, undisturbed, number):
    sweep = start(folder, "sweep", "tiny.yaml", *POINTS, *LONG)
    until(lambda: epochs(folder) > 500)
    units = unit_processes(sweep)
    assert units
    sweep.send_signal(number)
    _, errors = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 85, errors
    assert f"msml: {number.name}: units saved; the same command continues" in errors
    assert not any(unit.is_running() for unit in units)
    done = epochs(folder)
    output, _ = msml(folder, 0, "sweep", "tiny.yaml", *POINTS, *LONG, "--json")
    assert json.loads(output)
    assert epochs(folder) > done
    check_same(folder, undisturbed)


@pytest.mark.slow
def test_nothing_is_left_when_the_sweep_itself_is_killed(folder, undisturbed):
    sweep = start(folder, "sweep", "tiny.yaml", *POINTS, *LONG)
    until(lambda: epochs(folder) > 20)
    family = psutil.Process(sweep.pid).children(recursive=True)
    sweep.kill()
    until(lambda: not any(p.is_running() and p.status() != "zombie" for p in family))
    sweep.communicate()
    msml(folder, 0, "sweep", "tiny.yaml", *POINTS, *LONG)
    check_same(folder, undisturbed)


@pytest.mark.slow
def test_two_sweeps_at_once_share_the_work(folder, undisturbed):
    """Each waits for the units that the other is at, then finds them done."""
    first, second = (start(folder, "sweep", "tiny.yaml", *POINTS, *LONG) for _ in range(2))
    for sweep in (first, second):
        _, errors = sweep.communicate(timeout=PATIENCE)
        assert sweep.returncode == 0, errors
    check_same(folder, undisturbed)


@pytest.mark.slow
def test_units_one_by_one(folder, undisturbed):
    """As a batch system does them: by number, each in a process that no other sees."""
    msml(folder, 0, "plan", "tiny.yaml", *POINTS, *LONG)
    (plan,) = folder.glob("runs/tiny/sweep-*/plan.json")
    number = len(json.loads(plan.read_text())["units"])
    _, errors = msml(folder, 5, "run-unit", str(plan), str(number - 1))
    assert "which is not done: msml run-unit" in errors
    stopped = start(folder, "run-unit", str(plan), "0")
    until(lambda: epochs(folder) > 0)
    stopped.send_signal(signal.SIGTERM)
    stopped.communicate(timeout=PATIENCE)
    assert stopped.returncode == 85
    for unit in range(number):
        msml(folder, 0, "run-unit", str(plan), str(unit))
    check_same(folder, undisturbed)


@pytest.mark.slow
def test_a_scheduler_that_runs_already(folder, undisturbed):
    commands = ("dask", "scheduler"), ("dask", "worker")
    bin_ = Path(sys.executable).parent
    file = folder / "scheduler.json"
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = []
    try:
        for (command, what), more in zip(
            commands, (("--port", "0", "--no-dashboard"), ("--nthreads", "2")), strict=True
        ):
            argv = [bin_ / command, what, "--scheduler-file", file, *more]
            processes.append(subprocess.Popen(argv, env={**os.environ}, **quiet))
            until(lambda: file.exists() and file.read_text())
        address = json.loads(file.read_text())["address"]
        msml(folder, 0, "sweep", "tiny.yaml", *POINTS, *LONG, f"sweep.cluster={address}")
    finally:
        for process in processes:
            process.terminate()
            process.wait()
    check_same(folder, undisturbed)
    _, errors = msml(folder, 3, "sweep", "tiny.yaml", "seed=9", f"sweep.cluster={address}")
    assert "no Dask scheduler answers" in errors
