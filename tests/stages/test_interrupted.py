"""Runs that are stopped or killed, and done again."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from process import Command, Limits, fails, msml, until
from tiny import RECIPE, log, metrics, only_run, results, runs, write_recipe

pytestmark = pytest.mark.xdist_group("stages")
SLOW = Limits(epoch_seconds=0.1)


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


def lines(folder: Path) -> int:
    found = list((folder / "runs").rglob("metrics.jsonl")) if (folder / "runs").exists() else []
    return sum(path.read_bytes().count(b"\n") for path in found)


def check_same(folder: Path, finished: Path) -> None:
    """The same results as without interruption, and nothing left over."""
    assert metrics(folder) == metrics(finished)
    assert results(only_run(folder)) == results(only_run(finished))
    leftovers = [path for path in (folder / "runs").rglob("*") if path.name.endswith(".tmp")]
    assert leftovers == []
    assert list((folder / "runs").rglob("checkpoint.h5")) == []
    for record in log(only_run(folder)):  # no line is torn
        assert record["unit"]


@pytest.mark.parametrize(("number", "epochs"), [slow(signal.SIGTERM, 1), (signal.SIGUSR1, 15)])
def test_a_signal_saves_and_leaves_with_85(work, finished, number, epochs):
    command = Command(work, "run", "tiny.yaml", limits=SLOW)
    until(lambda: lines(work) >= epochs)
    command.signal(number)
    command.signal(number)  # batch systems send it more than once
    assert command.wait() == 85
    (message,) = [line for line in command.errors if line.startswith("msml: ")]
    assert number.name in message
    done = lines(work)
    msml(work, "run", "tiny.yaml")
    check_same(work, finished)
    sessions = json.loads((only_run(work) / "manifest.json").read_text())["sessions"]
    assert [session["seconds"] > 0 for session in sessions] == [True, True]
    assert lines(work) == len(log(only_run(finished)))  # no epoch was done twice
    assert done < lines(work)


def test_a_stop_while_starting(work):
    command = Command(work, "run", "tiny.yaml")
    until(lambda: (work / "runs").exists() and list((work / "runs").rglob("lock")) != [])
    command.signal(signal.SIGTERM)
    assert command.wait() == 85


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 85), (signal.SIGUSR1, 85), (signal.SIGINT, 130)]
)
def test_a_stop_before_the_run_is_held(work, number, code):
    (work / "slow.py").write_text(
        "import pathlib, time\npathlib.Path('began').touch()\ntime.sleep(60)\n"
    )
    write_recipe(work, RECIPE + "plugins: [slow.py]\n")
    command = Command(work, "run", "tiny.yaml")
    until((work / "began").exists)
    command.signal(number)
    assert command.wait() == code
    shown = f"msml: {number.name}: nothing was begun; run the same command again"
    assert [line for line in command.errors if line] == ([shown] if code == 85 else [])
    assert not (work / "runs").exists()


def kill_somewhere(work: Path, finished: Path, seed: int, stage: str) -> None:
    """Kill a run at a random moment of a stage, perhaps again, then let it finish."""
    rng = random.Random(seed)
    total = len(log(only_run(finished)))
    first = {"pretrain": 0, "posttrain": total - 8, "evaluate": total}[stage]
    last = {"pretrain": total - 9, "posttrain": total - 1, "evaluate": total}[stage]
    for _ in range(rng.choice([1, 2])):
        command = Command(work, "run", "tiny.yaml", limits=Limits(epoch_seconds=0.02))
        wanted = max(rng.randint(first, last), lines(work))
        until(lambda c=command, w=wanted: lines(work) >= w or not c.process.is_alive())
        time.sleep(rng.uniform(0, 0.4 if stage == "evaluate" else 0.1))
        command.kill()
    msml(work, "run", "tiny.yaml")
    check_same(work, finished)


@pytest.mark.parametrize("stage", [slow("pretrain"), "posttrain", slow("evaluate")])
def test_killed(work, finished, stage):
    kill_somewhere(work, finished, 11, stage)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["pretrain", "posttrain", "evaluate"])
@pytest.mark.parametrize("seed", range(10))
def test_killed_often(work, finished, stage, seed):
    kill_somewhere(work, finished, seed, stage)


@pytest.mark.slow
def test_what_a_kill_left_half_written_goes(work, finished):
    command = Command(work, "pretrain", "tiny.yaml", limits=SLOW)
    until(lambda: lines(work) >= 1)
    command.kill()
    (entry,) = (work / "runs" / ".cache" / "pretrain").iterdir()
    for folder in (entry, only_run(work)):
        (folder / ".weights.h5.123.tmp").write_text("half")
    msml(work, "run", "tiny.yaml")
    check_same(work, finished)


def test_a_second_process_is_refused(work):
    first = Command(work, "pretrain", "tiny.yaml", limits=Limits(epoch_seconds=0.3))
    until(lambda: lines(work) > 0)
    message = fails(3, work, "pretrain", "tiny.yaml")
    assert message == f"{only_run(work).relative_to(work)}: another process is working in it"
    assert first.process.is_alive()
    first.kill()  # and with it goes the lock
    msml(work, "pretrain", "tiny.yaml")


@pytest.mark.slow
def test_a_run_that_waits_for_the_cache_can_be_stopped(work):
    """Another run makes the same candidate; its results are used when it is done."""
    write_recipe(work, RECIPE.replace("name: tiny", "name: other"), "other.yaml")
    first = Command(work, "pretrain", "tiny.yaml", limits=Limits(epoch_seconds=0.4))
    until(lambda: lines(work) > 0)
    waiting = Command(work, "pretrain", "other.yaml")
    until(lambda: list((work / "runs").glob("other/*/manifest.json")) != [])
    waiting.signal(signal.SIGTERM)
    assert waiting.wait() == 85
    assert first.wait() == 0
    assert msml(work, "pretrain", "other.yaml").errors == []  # nothing was left to train


@pytest.mark.parametrize("size", [slow(1000), 9000, slow(16_000)])
def test_a_full_disk(work, finished, size):
    """No file may grow beyond a size: a full disk as a program sees it."""
    message = fails(3, work, "run", "tiny.yaml", limits=Limits(file_bytes=size))
    assert "cannot be written: File too large" in message
    assert len(runs(work)) == 1
    msml(work, "run", "tiny.yaml")
    check_same(work, finished)


@pytest.mark.parametrize(
    ("kilobytes", "streamed"), [slow(24, False), slow(120, False), slow(400, True)]
)
def test_a_full_file_system(work, finished, kilobytes, streamed):
    """A real one, where there is leave to mount it; `streamed` unpacks the images there."""
    disk = work / "runs"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no leave to mount a file system")
    overrides = ("data.memory_gb=1e-6",) if streamed else ()
    try:
        message = fails(3, work, "run", "tiny.yaml", *overrides)
        assert message.endswith("cannot be written: No space left on device")
        subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
        msml(work, "run", "tiny.yaml", *overrides)
        if not streamed:
            check_same(work, finished)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_an_unwritable_folder(work):
    (work / "file").write_text("")
    message = fails(3, work, "run", "tiny.yaml", "--runs", "file/runs")
    assert message.startswith("file/runs/tiny/")
    assert "cannot be written: Not a directory" in message


@pytest.mark.slow
def test_a_broken_checkpoint_is_named_and_not_used(work, finished):
    command = Command(work, "pretrain", "tiny.yaml", limits=SLOW)
    until(lambda: lines(work) >= 1)
    command.signal(signal.SIGTERM)
    assert command.wait() == 85
    (checkpoint,) = (work / "runs").rglob("checkpoint.h5")
    checkpoint.write_bytes(checkpoint.read_bytes()[:500])
    again = msml(work, "run", "tiny.yaml")
    text = f"{checkpoint.relative_to(work)}: damaged, not as it was written; it is made again"
    assert text in again.errors
    check_same(work, finished)


def test_a_loss_that_goes_to_nan(work):
    wild = ("pretrain.optimizer={name: sgd, learning_rate: 1e30}", "pretrain.batch_size=100")
    message = fails(4, work, "pretrain", "tiny.yaml", *wild)
    assert message.startswith("pretrain/higgs/mlp: the loss is not finite in epoch 1, batch 2;")
    assert list((work / "runs").rglob("checkpoint.h5")) != []
    assert json.loads((only_run(work) / "manifest.json").read_text())["seed"] == 0
