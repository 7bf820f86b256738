"""Lists of digests: complete whenever a process is killed, wrong only where a file is."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msml import digests
from msml.errors import DataError
from msml.files import atomic
from msml.runs.repair import shorten


def write(path: Path, text: str) -> Path:
    with atomic(path) as temporary:
        temporary.write_text(text)
    return path


def test_what_is_written_is_in_the_list_above(tmp_path):
    digests.start(tmp_path)
    path = write(tmp_path / "a" / "b.txt", "1")
    assert digests.is_intact(path)
    assert (tmp_path / digests.LIST).read_text() == f"{digests.digest(path)}  a/b.txt\n"
    path.write_text("2")
    assert not digests.is_intact(path)
    assert digests.damaged(tmp_path) == [path]


def test_without_a_list_nothing_is_known(tmp_path):
    path = write(tmp_path / "a.txt", "1")
    path.write_text("2")
    assert digests.is_intact(path)
    assert not digests.has_list(tmp_path)


def test_what_is_not_in_the_list_is_not_intact(tmp_path):
    digests.start(tmp_path)
    (tmp_path / "a.txt").write_text("1")
    assert not digests.is_intact(tmp_path / "a.txt")
    assert digests.damaged(tmp_path) == []


def test_a_kill_between_line_and_file_leaves_the_old_one_intact(tmp_path, monkeypatch):
    digests.start(tmp_path)
    path = write(tmp_path / "a.txt", "old")
    monkeypatch.setattr(Path, "replace", lambda *_: os._exit(0))
    if not (child := os.fork()):
        write(path, "new")
    os.waitpid(child, 0)
    assert path.read_text() == "old"
    assert len((tmp_path / digests.LIST).read_text().splitlines()) == 2
    assert digests.damaged(tmp_path) == []
    monkeypatch.undo()
    shorten(tmp_path)
    assert digests.is_intact(path)
    assert digests.count(tmp_path) == len((tmp_path / digests.LIST).read_text().splitlines()) == 1


def test_half_a_line_hides_no_other(tmp_path):
    """A full disk, or a machine that went down, leaves one."""
    digests.start(tmp_path)
    first = write(tmp_path / "a.txt", "1")
    with (tmp_path / digests.LIST).open("a") as file:
        file.write(digests.digest(first)[:40])
    second = write(tmp_path / "b.txt", "2")
    assert digests.is_intact(first)
    assert digests.is_intact(second)


def test_a_list_that_cannot_be_written_ends_the_write(tmp_path):
    digests.start(tmp_path)
    (tmp_path / digests.LIST).unlink()
    (tmp_path / "victim").write_text("")
    (tmp_path / digests.LIST).symlink_to("victim")
    with pytest.raises(DataError, match=r"a\.txt: cannot be written"):
        write(tmp_path / "a.txt", "1")
    assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "victim").read_text() == ""


@given(st.binary(min_size=1, max_size=300), st.data())
def test_every_flipped_bit_is_noticed(tmp_path_factory, content, data):
    folder = tmp_path_factory.mktemp("flipped")
    digests.start(folder)
    with atomic(folder / "a") as temporary:
        temporary.write_bytes(content)
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    (folder / "a").write_bytes(changed)
    assert digests.damaged(folder) == [folder / "a"]
