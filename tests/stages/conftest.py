import shutil
from pathlib import Path

import pytest
from process import Command, msml
from tiny import write_recipe


@pytest.fixture
def work(tmp_path: Path, event_file: Path) -> Path:
    """A folder with the tiny recipe and its events."""
    shutil.copy(event_file, tmp_path / "events.h5")
    write_recipe(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, event_file: Path) -> Path:
    """A folder in which `msml run tiny.yaml` was done without interruption; only to be read."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copy(event_file, folder / "events.h5")
    write_recipe(folder)
    command: Command = msml(folder, "run", "tiny.yaml")
    (folder / "errors").write_text("\n".join(command.errors))
    (folder / "output").write_text(command.output)
    return folder
