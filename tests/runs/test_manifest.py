"""The manifest of a run."""

import json
import os
import subprocess

import pytest

from msml.errors import DataError
from msml.runs.directory import RunDirectory
from msml.runs.manifest import earlier, git_state, recorded


def git(folder, *arguments):
    who = ("-c", "user.name=Me", "-c", "user.email=me@example.org")
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "recipe.yaml").write_text("seed: 1")
    git(tmp_path, "add", ".")
    return tmp_path


def test_the_state_of_a_checkout(checkout):
    assert git_state(checkout) is None  # nothing is committed
    git(checkout, "commit", "-m", "first")
    commit = git(checkout, "rev-parse", "HEAD")
    (checkout / "runs").mkdir()
    (checkout / "runs" / "untracked").write_text("")
    assert git_state(checkout / "runs") == {"commit": commit, "dirty": False}
    (checkout / "recipe.yaml").write_text("seed: 2")
    assert git_state(checkout) == {"commit": commit, "dirty": True}


def test_no_checkout_and_no_git(tmp_path, monkeypatch):
    assert git_state(tmp_path) is None
    assert git_state(tmp_path / "missing") is None
    monkeypatch.setenv("PATH", os.devnull)
    assert git_state(tmp_path) is None


def test_sessions_are_added_and_a_killed_one_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    directory = RunDirectory(tmp_path / "run")
    path = tmp_path / "run" / "manifest.json"
    with recorded(directory, {"seed": 1}, {"command": ["a"]}):
        killed = path.read_text()
    path.write_text(killed)
    with pytest.raises(RuntimeError), recorded(directory, {"seed": 1}, {"command": ["b"]}):
        raise RuntimeError
    manifest = json.loads(path.read_text())
    assert manifest["seed"] == 1
    first, second = manifest["sessions"]
    assert (first["command"], first["seconds"], first["peak_memory_mb"]) == (["a"], None, None)
    assert second["command"] == ["b"]
    assert second["began"] >= first["began"]
    assert second["seconds"] >= 0
    assert second["peak_memory_mb"] > 10
    assert "git" not in second


@pytest.mark.parametrize(
    ("text", "message"), [('{"seed": 1}', "of another version of msml"), ("{", "cannot be read")]
)
def test_manifests_that_say_nothing(tmp_path, text, message):
    assert earlier(RunDirectory(tmp_path)) == {}
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=message):
        earlier(RunDirectory(tmp_path))
