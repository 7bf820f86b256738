"""Sweeps in processes as users start them, and what they leave."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import log, results

psutil = pytest.importorskip("psutil")  # comes with distributed

LONG = (
    "posttrain.modes=[sequential, joint]",
    *("pretrain.epochs=150", "pretrain.patience=150"),
    *("posttrain.epochs=150", "posttrain.patience=150"),
)
POINTS = ("seed=0:2", "tasks.momentum.weight=0.2,0.8")
PATIENCE = 600.0


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "msml", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def msml(folder: Path, code: int, *arguments: str) -> tuple[str, str]:
    """Run a command, which must end with this exit code."""
    process = start(folder, *arguments)
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    return output, errors


def until(condition: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.05)


def run_folders(folder: Path) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in folder.glob("runs/*/*/recipe.yaml")}


def epochs(folder: Path) -> int:
    return sum(
        len(log(run)) for run in run_folders(folder).values() if (run / "metrics.jsonl").exists()
    )


def unit_processes(sweep: "subprocess.Popen[str]") -> list["psutil.Process"]:
    """The `msml` processes that a sweep's workers have started."""
    found = []
    for process in psutil.Process(sweep.pid).children(recursive=True):
        try:
            if process.cmdline()[1:3] == ["-m", "msml"]:
                found.append(process)
        except psutil.Error:
            continue
    return found


def check_same(folder: Path, undisturbed: Path) -> None:
    """Complete, identical to the last bit, and nothing done twice."""
    expected, found = run_folders(undisturbed), run_folders(folder)
    assert set(found) == set(expected)
    for name, run in found.items():
        assert results(run) == results(expected[name])
        assert len(log(run)) == len(log(expected[name]))
        assert not (run / "unfinished.json").exists()
