"""What all tests share: a small event file, and the figures of the kill campaign."""

import json
from collections import Counter
from pathlib import Path

import pytest
from synthetic import write_events


@pytest.fixture(scope="session")
def event_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_events(tmp_path_factory.mktemp("events") / "events.h5")


def pytest_terminal_summary(terminalreporter, config):
    """Print how often runs were killed, and in which stage, once rounds of it are done."""
    if config.getoption("-m") != "slow" or not hasattr(config, "cache"):
        return
    done = sorted(Path(config.cache.makedir("x")).parents[1].glob("v/kills/*/*"))
    if not done:
        return
    newest = max(done, key=lambda path: path.stat().st_mtime).parent
    rounds = [json.loads(path.read_text()) for path in newest.iterdir()]
    kills = sum((Counter(each["kills"]) for each in rounds), Counter())
    stages = ", ".join(f"{stage} {count}" for stage, count in kills.most_common())
    runs = sum(each["runs"] for each in rounds)
    terminalreporter.write_line(
        f"kill campaign: {kills.total()} kills of {runs} runs, all of which ended with the same "
        f"results ({stages})"
    )
