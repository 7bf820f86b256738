"""Whatever stops `msml generate`, the same command completes the same bytes."""

import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from command import (
    QUICK,
    alive,
    children,
    fails,
    finish,
    generate,
    shards,
    start,
    stop_all,
    until,
    workers_of,
)

from msml.simulation.shard import Shard

pytestmark = pytest.mark.xdist_group("generated")  # the files are made once


@pytest.fixture
def running(tmp_path: Path, quick_file: Path) -> Iterator[tuple[Path, subprocess.Popen]]:
    """A command that has made some of its shards, not all."""
    output = tmp_path / "events.h5"
    process = start(output, *QUICK)
    until(lambda: bool(shards(output)) and len(workers_of(process.pid)) == 2)
    assert not output.exists()
    assert process.poll() is None
    yield output, process
    stop_all(process)


def completes(output: Path, quick_file: Path) -> None:
    """The same command makes the same file and leaves nothing else."""
    assert not output.exists()
    before = {path: path.stat().st_mtime_ns for path in shards(output)}
    assert before
    for path in before:
        assert len(Shard.load(path).columns["jets"]) == 2
    generate(output, *QUICK)
    assert output.read_bytes() == quick_file.read_bytes()
    assert [path.name for path in output.parent.iterdir()] == [output.name]


def test_kill_9_of_the_parent(running: tuple[Path, subprocess.Popen], quick_file: Path) -> None:
    output, process = running
    family = list(children(process.pid))
    assert len(family) >= 2
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not any(map(alive, family)))
    completes(output, quick_file)


@pytest.mark.slow
def test_kill_9_of_a_worker(running: tuple[Path, subprocess.Popen], quick_file: Path) -> None:
    output, process = running
    family = list(children(process.pid))
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    code, _, errors = finish(process)
    assert code == 5
    assert len(errors) == 1
    assert "a worker process died" in errors[0]
    until(lambda: not any(map(alive, family)))
    completes(output, quick_file)


@pytest.mark.parametrize(
    ("number", "group"),
    [
        (signal.SIGTERM, False),
        pytest.param(signal.SIGTERM, True, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, True, marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR1, True, marks=pytest.mark.slow),
    ],
    ids=["SIGTERM to the parent", "SIGTERM to all", "SIGINT to all", "SIGUSR1 to all"],
)
def test_stopping_on_request(
    running: tuple[Path, subprocess.Popen],
    quick_file: Path,
    number: signal.Signals,
    group: bool,
) -> None:
    """A terminal and batch systems send the signal to all processes."""
    output, process = running
    family = list(children(process.pid))
    (os.killpg if group else os.kill)(process.pid, number)
    code, _, errors = finish(process)
    assert (code, errors) == (85, [f"msml: {number.name}: stopped; the same command continues"])
    until(lambda: not any(map(alive, family)))
    completes(output, quick_file)


@pytest.mark.slow
def test_a_second_process_on_the_same_output_is_refused(
    running: tuple[Path, subprocess.Popen], quick_file: Path
) -> None:
    output, process = running
    os.kill(process.pid, signal.SIGSTOP)  # lest it finish meanwhile
    for own in ((), ("seed=2",), ("events=1",)):
        assert fails(3, output, *QUICK, *own) == [f"{output}: another process is making it"]
    os.kill(process.pid, signal.SIGCONT)
    assert finish(process)[0] == 0
    assert output.read_bytes() == quick_file.read_bytes()
    assert [path.name for path in output.parent.iterdir()] == [output.name]


@pytest.mark.slow
def test_what_a_kill_left_while_the_file_was_put_together_goes(
    tmp_path: Path, quick_file: Path
) -> None:
    output = tmp_path / "events.h5"
    stale = tmp_path / ".events.h5.12345.tmp"
    stale.write_text("half a file")
    generate(output, *QUICK)
    assert output.read_bytes() == quick_file.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


def test_an_existing_output(tmp_path: Path, quick_file: Path) -> None:
    output = tmp_path / "events.h5"
    output.write_bytes(quick_file.read_bytes())
    before = output.stat()
    assert generate(output, *QUICK) == []
    for own in (("seed=2",), ("events=9",), ("images.pixels=8",)):
        errors = fails(3, output, *QUICK, *own)
        assert len(errors) == 1
        assert errors[0].startswith(f"{output}: exists, made by another recipe")
    assert (output.stat().st_mtime_ns, output.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    other = tmp_path / "mine.txt"
    other.write_text("precious")
    assert "not a complete HDF5 file" in fails(3, other, *QUICK)[0]
    assert other.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.h5", "mine.txt"]


def limit_files(size: int) -> None:
    """Let no file of this process and its children grow beyond a size, as a full disk would."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [1, 12])
def test_a_write_that_fails(tmp_path: Path, quick_file: Path, kilobytes: int) -> None:
    """With 1 kB the shards cannot be written, with 12 kB the file cannot."""
    output = tmp_path / "events.h5"
    size = 1024 * kilobytes
    assert quick_file.stat().st_size > 12 * 1024
    errors = fails(3, output, *QUICK, preexec_fn=partial(limit_files, size))
    assert len(errors) == 1
    assert errors[0].endswith("cannot be written: File too large")
    assert not output.exists()
    assert not list(tmp_path.rglob("*.tmp"))
    assert bool(shards(output)) is (kilobytes > 1)
    generate(output, *QUICK)
    assert output.read_bytes() == quick_file.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


@pytest.mark.parametrize("kilobytes", [4, pytest.param(64, marks=pytest.mark.slow)])
def test_a_full_disk(tmp_path: Path, quick_file: Path, kilobytes: int) -> None:
    """On a real file system without space, where there is leave to mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no leave to mount a file system")
    try:
        output = disk / "events.h5"
        errors = fails(3, output, *QUICK)
        assert len(errors) == 1
        assert errors[0].endswith("cannot be written: No space left on device")
        assert not output.exists()
        assert not list(disk.rglob("*.tmp"))
        subprocess.run(["mount", "-o", "remount,size=10m", str(disk)], check=True)
        generate(output, *QUICK)
        assert output.read_bytes() == quick_file.read_bytes()
        assert [path.name for path in disk.iterdir()] == [output.name]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_without_leave_to_write(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    errors = fails(3, blocked / "events.h5", *QUICK)
    assert len(errors) == 1
    assert "cannot be written" in errors[0]
