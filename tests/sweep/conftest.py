import shutil
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "stages"))  # for `tiny`


@pytest.fixture
def folder(tmp_path: Path, event_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the tiny recipe and its events."""
    from tiny import write_recipe

    shutil.copy(event_file, tmp_path / "events.h5")
    write_recipe(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, event_file: Path) -> Path:
    """A folder in which the sweep of four points was done without disturbance."""
    from sweeping import LONG, POINTS, msml, run_folders
    from tiny import write_recipe

    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copy(event_file, folder / "events.h5")
    write_recipe(folder)
    msml(folder, 0, "sweep", "tiny.yaml", *POINTS, *LONG)
    assert len(run_folders(folder)) == 4
    return folder
