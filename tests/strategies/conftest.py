import shutil
from pathlib import Path

import pytest
from process import Command, msml
from searches import DARTS, GRID, fresh


@pytest.fixture
def darts_work(tmp_path: Path, event_file: Path) -> Path:
    """A folder with a DARTS recipe and its events."""
    return fresh(tmp_path / "darts", event_file, DARTS)


@pytest.fixture
def grid_work(tmp_path: Path, event_file: Path) -> Path:
    """A folder with a grid recipe and its events."""
    return fresh(tmp_path / "grid", event_file, GRID)


def run_in(folder: Path) -> Path:
    command: Command = msml(folder, "run", "tiny.yaml")
    (folder / "errors").write_text("\n".join(command.errors))
    (folder / "output").write_text(command.output)
    return folder


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory, event_file: Path) -> Path:
    """A folder in which `msml run` was done with DARTS; only to be read."""
    return run_in(fresh(tmp_path_factory.mktemp("searched"), event_file, DARTS))


@pytest.fixture(scope="session")
def gridded(tmp_path_factory: pytest.TempPathFactory, event_file: Path) -> Path:
    """A folder in which `msml run` was done with a grid search; only to be read."""
    return run_in(fresh(tmp_path_factory.mktemp("gridded"), event_file, GRID))


@pytest.fixture
def with_cache(searched: Path, darts_work: Path) -> Path:
    """A folder as `darts_work` in which all candidates are pre-trained."""
    shutil.copytree(searched / "runs" / ".cache", darts_work / "runs" / ".cache")
    return darts_work
