"""Searches move the events that weights train on as `posttrain.augment` says."""

import json
import shutil
import signal

import pytest
from process import Command, Limits, msml, until
from tiny import log, only_run, results

pytestmark = pytest.mark.xdist_group("darts")

MOVED = (
    "posttrain.augment={columns: [jets]}",
    "strategy.optimizer={name: adam, learning_rate: 1e-30}",
)
PATHS = ("tasks.momentum.candidates.noise=null", "strategy={batch_size: 60, epochs: 4}")
SEARCHES = {
    "darts": ("strategy.warmup=2", "strategy.order=first"),
    "spos": ("strategy=null", *PATHS, "strategy.name=spos"),
    "asng": ("strategy=null", *PATHS, "strategy.name=asng"),
}


def epochs(folder):
    path = only_run(folder) / "search" / "selection.json"
    return json.loads(path.read_text())["epochs"]


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHES)
def test_train_is_moved_and_valid_is_not(with_cache, name):
    """Momenta that move and true ones that do not are far apart, another way in each epoch."""
    msml(with_cache, "search", "tiny.yaml", *SEARCHES[name], *MOVED)
    task = "momentum/sf" if name == "darts" else "momentum"
    losses = [
        tuple(kept[split][task] for split in ("train", "valid")) for kept in epochs(with_cache)
    ]
    assert len(losses) == 4
    for train, valid in losses:
        assert train > 5 * valid
    assert len({train for train, _ in losses}) == 4
    assert len({valid for _, valid in losses}) == 1


@pytest.mark.slow
def test_interrupted(with_cache, tmp_path):
    """It goes on with the draws that would have followed."""
    other = shutil.copytree(with_cache, tmp_path / "other")
    asked = ("search", "tiny.yaml", "posttrain.augment={columns: [jets]}", *SEARCHES["darts"])
    msml(with_cache, *asked)
    command = Command(other, *asked, limits=Limits(epoch_seconds=0.2))
    until(lambda: any(log(run) for run in other.glob("runs/tiny/*") if list(run.glob("*.jsonl"))))
    command.signal(signal.SIGTERM)
    assert command.wait() == 85
    msml(other, *asked)
    assert epochs(other) == epochs(with_cache)
    assert results(only_run(other)) == results(only_run(with_cache))
