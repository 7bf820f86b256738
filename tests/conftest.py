"""What all tests share: a small event file."""

from pathlib import Path

import pytest
from synthetic import write_events


@pytest.fixture(scope="session")
def event_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_events(tmp_path_factory.mktemp("events") / "events.h5")
