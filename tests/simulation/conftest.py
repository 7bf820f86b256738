import os
from collections.abc import Iterator
from pathlib import Path

import command
import pytest


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An own folder for pile-up pools."""
    folder = tmp_path_factory.mktemp("cache")
    previous = os.environ.get("MSML_CACHE")
    os.environ["MSML_CACHE"] = str(folder)
    yield folder
    if previous is None:
        del os.environ["MSML_CACHE"]
    else:
        os.environ["MSML_CACHE"] = previous


SMALL = ("pileup.pool=500", "pileup.mean=20", "events=60", "shard_size=20")


@pytest.fixture(scope="session")
def small_file(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A small event file with pile-up, made by the command with two workers."""
    path = tmp_path_factory.mktemp("small") / "new folder" / "small.h5"
    assert command.generate(path, *SMALL) == []
    return path


@pytest.fixture(scope="session")
def quick_file(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """An event file without pile-up, made by one worker without interruption."""
    path = tmp_path_factory.mktemp("quick") / "quick.h5"
    assert command.generate(path, *command.QUICK, workers=1) == []
    return path
