"""Locks and files that appear at once, where the surroundings are odd."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from msml.errors import DataError
from msml.files import atomic, atomic_folder, is_locked, locked


def test_a_lock_is_held_once(tmp_path):
    path = tmp_path / "a" / "lock"
    assert not is_locked(path)
    with locked(path):
        assert is_locked(path)
        with pytest.raises(DataError, match="taken"), locked(path, "taken"):
            pass
    assert not is_locked(path)


def test_a_lock_that_is_a_link_leaves_the_file_behind_it(tmp_path):
    victim = tmp_path / "events.h5"
    victim.write_text("events")
    (tmp_path / "lock").symlink_to(victim)
    with pytest.raises(DataError, match="lock: cannot be written: "), locked(tmp_path / "lock"):
        pass
    assert victim.read_text() == "events"


def test_a_temporary_file_that_is_a_link_is_not_written_through(tmp_path):
    victim = tmp_path / "events.h5"
    victim.write_text("events")
    (tmp_path / f".new.{os.getpid()}.tmp").symlink_to(victim)
    with atomic(tmp_path / "new") as temporary:
        temporary.write_text("new")
    assert (victim.read_text(), (tmp_path / "new").read_text()) == ("events", "new")
    assert not (tmp_path / "new").is_symlink()


def test_what_a_lock_holds_stays(tmp_path):
    (tmp_path / "lock").write_text("somebody's")
    with locked(tmp_path / "lock"):
        pass
    assert (tmp_path / "lock").read_text() == "somebody's"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_is_said_in_one_line(tmp_path, monkeypatch, number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(DataError, match="the file system has no locks"), locked(tmp_path / "lock"):
        pass
    assert not is_locked(tmp_path / "lock")


def test_a_lock_that_cannot_be_read_is_nobody_s(tmp_path, monkeypatch):
    """A colleague's; this test may be run by root, who can read everything."""

    def forbidden(self, *_):
        raise PermissionError(errno.EACCES, "Permission denied")

    with locked(tmp_path / "lock"):
        pass
    monkeypatch.setattr(Path, "open", forbidden)
    assert not is_locked(tmp_path / "lock")


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "made"
    with pytest.raises(DataError), atomic_folder(path) as folder:
        (folder / "no" / "part").write_text("half")
    assert not list(tmp_path.iterdir())
    with atomic_folder(path) as folder:
        (folder / "part").write_text("whole")
    assert (path / "part").read_text() == "whole"
    wanted = "made: exists; remove it or name another folder"
    with pytest.raises(DataError, match=wanted), atomic_folder(path):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["made"]
