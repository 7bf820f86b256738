"""What a search leaves is made again where it is damaged, and gives the same."""

import shutil
from pathlib import Path

import pytest
from process import msml
from tiny import only_run, results

from msml.digests import LIST
from msml.runs.repair import damaged, verify


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def check_mended(finished: Path, folder: Path, name: str) -> None:
    """Damage a file of a copy of a finished run, and run again."""
    shutil.copytree(finished, folder)
    run = only_run(folder)
    flip(run / name)
    assert damaged(run) == [run / name]
    again = msml(folder, "run", "tiny.yaml")
    assert f"{name}: damaged, not as it was written; it is made again" in "\n".join(again.errors)
    assert results(run) == results(only_run(finished))
    assert files(run) == files(only_run(finished))
    assert verify(folder / "runs")[1] == []


def files(run: Path) -> set[Path]:
    return {path.relative_to(run) for path in run.rglob("*") if path.is_file()}


def listed(finished: Path) -> list[str]:
    lines = (only_run(finished) / LIST).read_text().splitlines()
    return [name for line in lines if (name := line[66:]) != "manifest.json"]


@pytest.mark.slow
def test_the_weights_of_a_combination(gridded, tmp_path):
    """A grid search goes on from them: it is done again, but not the other combinations."""
    name = next(name for name in listed(gridded) if name.startswith("grid/") and ".h5" in name)
    check_mended(gridded, tmp_path / "copy", name)


@pytest.mark.slow
def test_the_supernet_of_a_search(searched, tmp_path):
    check_mended(searched, tmp_path / "copy", "search/supernet.h5")


@pytest.mark.slow
@pytest.mark.parametrize("fixture", ["gridded", "searched"])
def test_every_file(fixture, tmp_path, request):
    finished = request.getfixturevalue(fixture)
    for number, name in enumerate(listed(finished)):
        check_mended(finished, tmp_path / str(number), name)
        shutil.rmtree(tmp_path / str(number))
