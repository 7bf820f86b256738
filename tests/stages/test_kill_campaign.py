"""A thousand runs killed at random moments of all stages: nothing is lost, no number differs.

What is done is kept in pytest's cache, by the code that it was done with: the same command goes on
where it was interrupted, and prints the figures of all rounds at the end (`tests/conftest.py`).
"""

import json
import random
import shutil
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
from process import Command, Limits, msml
from test_interrupted import check_same
from tiny import RECIPE, only_run, write_recipe

import msml as package

pytestmark = pytest.mark.slow

KILLS = 25
SEARCHES = {
    "chain": "",
    "darts": "{name: darts, batch_size: 60, epochs: 3}",
    "spos": "{name: spos, batch_size: 50, epochs: 3}",
    "grid": "{name: grid}",
}
ROUNDS = [
    (how, number)
    for how, rounds in {"chain": 28, "darts": 4, "spos": 4, "grid": 4}.items()
    for number in range(rounds)
]


def recipe(how: str) -> str:
    if how == "chain":
        return RECIPE
    text = RECIPE.replace("chain: {momentum: sf, higgs: mlp}", f"strategy: {SEARCHES[how]}")
    if how == "spos":  # takes no dummies
        text = text.replace("noise: {model: noise}", "other: {model: tau_scale_factor}")
    return text.replace("[connected, sequential, joint]", "[joint]")


def fresh(folder: Path, event_file: Path, how: str) -> Path:
    folder.mkdir()
    shutil.copy(event_file, folder / "events.h5")
    write_recipe(folder, recipe(how))
    return folder


def stage(folder: Path) -> str:
    """Say where a run was when it was killed: in the stage of its last epoch, before or after."""
    found = list(folder.glob("runs/tiny/*/metrics.jsonl"))
    lines = found[0].read_text().splitlines() if found else []
    complete = [line for line in lines if line.endswith("}")]
    if not complete:
        return "start"
    if list(folder.glob("runs/tiny/*/evaluate")):
        return "evaluate"
    return str(json.loads(complete[-1])["unit"]).split("/")[0]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, event_file):
    """For each search, a folder in which its run is done, and the seconds that it took."""
    known = {}

    def done(how: str) -> tuple[Path, float]:
        if how not in known:
            folder = fresh(tmp_path_factory.mktemp("campaign") / how, event_file, how)
            began = time.monotonic()
            msml(folder, "run", "tiny.yaml", limits=Limits())
            known[how] = folder, time.monotonic() - began
        return known[how]

    return done


def code() -> str:
    """What the package is made of."""
    root = Path(package.__file__).parent
    files = sorted(root.rglob("*.py"))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


@pytest.mark.parametrize(("how", "number"), ROUNDS)
def test_killed_at_random(how, number, tmp_path, event_file, undisturbed, request):
    key = f"kills/{code()}/{how}-{number}"
    if request.config.cache.get(key, None):
        return
    finished, seconds = undisturbed(how)
    rng = random.Random(f"{how}/{number}")
    kills: Counter[str] = Counter()
    runs = 0
    while kills.total() < KILLS:
        folder = fresh(tmp_path / str(runs), event_file, how)
        while True:
            command = Command(folder, "run", "tiny.yaml", limits=Limits())
            command.process.join(rng.uniform(0, 0.6 * seconds))  # or most would end first
            if command.process.exitcode is not None:
                break
            command.kill()
            kills[stage(folder)] += 1
        assert command.process.exitcode == 0, command.errors
        check_same(folder, finished)
        assert only_run(folder).name == only_run(finished).name
        shutil.rmtree(folder)
        runs += 1
    request.config.cache.set(key, {"runs": runs, "kills": dict(kills)})
