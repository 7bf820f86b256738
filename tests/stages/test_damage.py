"""Damage on disk: whatever happens to a file of a run, it is named and made again."""

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from process import fails, msml
from tiny import copy_of, log, only_run, results

from msml.cli import cli
from msml.digests import LIST
from msml.errors import DataError
from msml.runs.directory import RunDirectory
from msml.runs.manifest import earlier
from msml.runs.repair import repair, verify

Damage = Callable[[bytes], bytes]


def flipped(content: bytes) -> bytes:
    """Flip a bit, at a place that depends on the content."""
    rng, changed = random.Random(content), bytearray(content)
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


DAMAGES: dict[str, Damage] = {
    "flipped": flipped,
    "emptied": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "garbage": lambda content: random.Random(1).randbytes(len(content)),
    "5": lambda content: b"5",
    "[]": lambda content: b"[]",
    "{}": lambda content: b"{}",
}


def listed(folder: Path) -> list[Path]:
    """All files of runs and of their cache that have a digest."""
    found = []
    for path in sorted(folder.rglob(LIST)):
        names = (line[66:] for line in path.read_text().splitlines())
        found += [path.parent / name for name in names]
    return found


def damage(path: Path, how: Damage) -> None:
    """Damage a file in place, and so all its hard links."""
    path.write_bytes(how(path.read_bytes()))


def status(folder: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["status", "--runs", str(folder / "runs"), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit | Exception)
    return result.exit_code, str(result.exception) + result.output


def test_every_file_that_a_run_leaves_is_in_a_list(finished):
    """But the lists, the log, whose lines have checksums, and locks, which are empty."""
    found = {path for path in (finished / "runs").rglob("*") if path.is_file()}
    known = {
        path for path in found if path.name in (LIST, "lock", "metrics.jsonl", "metrics.crc32")
    }
    assert found - known == set(listed(finished))
    assert {".h5", ".json", ".yaml", ".png"} <= {path.suffix for path in listed(finished)}


def test_a_list_is_one_of_sha256sum(finished):
    command = ["sha256sum", "--check", "--strict", "--quiet", LIST]
    for path in finished.rglob(LIST):
        assert subprocess.run(command, cwd=path.parent, capture_output=True).stdout == b""


def test_nothing_is_damaged_in_a_finished_run(finished):
    files, wrong = verify(finished / "runs")
    assert (files, wrong) == (len(listed(finished)), [])
    code, shown = status(finished, "--verify")
    assert code == 0
    assert f"{files} files are as they were written" in shown


@pytest.mark.parametrize("how", DAMAGES)
def test_damage_of_every_file_is_named(finished, tmp_path, how):
    folder = copy_of(finished, tmp_path)
    for path in listed(folder):
        content = path.read_bytes()
        damage(path, DAMAGES[how])
        _, wrong = verify(folder / "runs")
        assert wrong == [f"{path}: damaged, not as it was written"]
        path.write_bytes(content)
    assert verify(folder / "runs")[1] == []


def test_damage_of_every_line_of_the_log_is_named(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    path = only_run(folder) / "metrics.jsonl"
    lines = path.read_bytes().splitlines()
    for number in range(len(lines)):
        damaged = [*lines[:number], flipped(lines[number]), *lines[number + 1 :]]
        path.write_bytes(b"\n".join(damaged) + b"\n")
        (wrong,) = verify(folder / "runs")[1]
        assert wrong.startswith(f"{path}: damaged lines, which count no more: {number + 1}")


@pytest.mark.parametrize("how", ["{}", pytest.param("flipped", marks=pytest.mark.slow)])
def test_nothing_that_reads_a_damaged_run_ends_in_a_traceback(finished, tmp_path, how):
    """Nor takes it for done: each file, read by the commands that open no run."""
    folder = copy_of(finished, tmp_path)
    run = only_run(folder)
    for path in [path for path in listed(run) if path.suffix in (".json", ".yaml")]:
        content = path.read_bytes()
        damage(path, DAMAGES[how])
        for command in (["status"], ["report", str(run), "--json"]):
            options = ["--runs", str(folder / "runs")] if command[0] == "status" else []
            result = CliRunner().invoke(cli, [*command, *options])
            if result.exception is not None:
                assert result.exit_code == 3 or "damaged" in str(result.exception), path
            if command[0] == "status":
                assert "damaged" in result.output, path
        path.write_bytes(content)


def test_verify_names_a_damaged_file_and_fails(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    path = only_run(folder) / "posttrain" / "sf+mlp" / "joint" / "weights.h5"
    damage(path, flipped)
    code, shown = status(folder, "--verify")
    assert code != 0
    assert f"{path}: damaged, not as it was written" in shown


@pytest.mark.slow
@pytest.mark.parametrize("how", ["flipped", "cut"])
def test_all_that_is_damaged_is_made_again(finished, tmp_path, how):
    """Every file at once, in the run and in the cache, but the manifest."""
    folder = copy_of(finished, tmp_path)
    run, expected = only_run(folder), results(only_run(finished))
    damaged = [path for path in listed(folder) if path.name != "manifest.json"]
    for path in damaged:
        damage(path, DAMAGES[how])
    again = msml(folder, "run", "tiny.yaml")
    assert results(run) == expected
    for path in damaged:
        if run in path.parents:
            text = f"{path.relative_to(folder)}: damaged, not as it was written; it is made again"
            assert text in again.errors
    assert verify(folder / "runs")[1] == []
    assert set(listed(folder)) == set(map(folder.joinpath, relative(finished)))
    assert len(log(run)) == len(log(only_run(finished)))  # no epoch is there twice


def relative(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in listed(folder)]


def test_a_damaged_cache_is_not_used(finished, tmp_path):
    """Another run, of the same pre-training, makes it again."""
    folder = copy_of(finished, tmp_path)
    (weights,) = [p for p in folder.glob("runs/.cache/pretrain/*/weights.h5") if "mlp" in about(p)]
    damage(weights, flipped)
    other = msml(folder, "pretrain", "tiny.yaml", "name=other")
    assert sum("valid loss" in line for line in other.errors) == 1
    assert verify(folder / "runs" / ".cache")[1] == []
    first, second = (results(p) for p in sorted(folder.glob("runs/[to]*/*")))
    assert {k: v for k, v in second.items() if "pretrain" in k} == first


def about(weights: Path) -> str:
    return str(json.loads((weights.parent / "metrics.json").read_text())["candidate"])


@pytest.mark.parametrize("how", [name for name in DAMAGES if name != "flipped"])
def test_a_manifest_that_cannot_be_read_is_refused(finished, tmp_path, how):
    """The run's events and plugins are known from nowhere else."""
    folder = copy_of(finished, tmp_path)
    damage(only_run(folder) / "manifest.json", DAMAGES[how])
    with pytest.raises(DataError, match=r"manifest\.json: damaged, .*, and what it says is known"):
        list(repair(only_run(folder)))


def test_a_manifest_with_a_flipped_bit_is_named_and_compared(finished, tmp_path):
    """Each bit: what cannot be read is refused, what is read has all that is needed of it."""
    folder = copy_of(finished, tmp_path)
    path = only_run(folder) / "manifest.json"
    content, kept = path.read_bytes(), 0
    for bit in random.Random(1).sample(range(8 * len(content)), 300):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            (line,) = repair(path.parent)
        except DataError:
            continue
        assert line == f"{path}: damaged, not as it was written; it can still be read, and is kept"
        assert earlier(RunDirectory(path.parent))["sessions"]
        kept += 1
        shutil.copy(only_run(finished) / LIST, path.parent)
    assert 50 < kept < 250
    path.write_bytes(content.replace(b'"sha256": "', b'"sha256": "0'))
    assert "other events than those" in fails(3, folder, "run", "tiny.yaml")


def test_a_run_without_its_list_is_refused(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    (only_run(folder) / LIST).unlink()
    assert f"has results, but no digests of them, {LIST}" in fails(3, folder, "run", "tiny.yaml")


def test_a_list_that_is_a_link_is_not_followed(finished, tmp_path):
    folder = copy_of(finished, tmp_path)
    path, victim = only_run(folder) / LIST, tmp_path / "mine.txt"
    shutil.copy(path, victim)
    path.unlink()
    path.symlink_to(victim)
    before = victim.read_bytes()
    msml(folder, "run", "tiny.yaml")
    assert not path.is_symlink()
    assert victim.read_bytes() == before


@pytest.mark.slow
def test_what_is_no_file_any_more_is_damaged(finished, tmp_path):
    """A pipe, a folder, a link to nothing or to itself; and nothing at all. None is waited for."""
    folder = copy_of(finished, tmp_path)
    run = only_run(folder)
    names = [path for path in listed(run) if path.name != "manifest.json"][:20:4]
    pipe, folder_, nothing, itself, gone = names
    for path in names:
        path.unlink()
    os.mkfifo(pipe)
    folder_.mkdir()
    nothing.symlink_to("/nonexistent")
    itself.symlink_to(itself.name)
    found = verify(run)[1]
    assert sorted(found) == sorted(
        [*(f"{path}: damaged, not as it was written" for path in names[:-1]), f"{gone}: gone"]
    )
    folder_.rmdir()
    msml(folder, "run", "tiny.yaml")
    assert results(run) == results(only_run(finished))
    assert verify(run)[1] == []
