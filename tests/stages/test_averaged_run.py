"""A run whose weights are averaged."""

import shutil

import pytest
from process import Command, Limits, fails, msml, until
from tiny import log, only_run, results, weights

from msml.training.checkpoint import load_arrays

pytestmark = pytest.mark.xdist_group("averaged_run")
ARGUMENTS = (
    "posttrain",
    "tiny.yaml",
    "posttrain.from=initial",
    "posttrain.modes=[joint]",
    "posttrain.epochs=8",
)
AVERAGED = (*ARGUMENTS, "posttrain.average={start: 2, every: 2}")
JOINT = "posttrain/sf+mlp/joint/weights.h5"


@pytest.mark.slow
def test_the_weights_as_trained_are_in_the_checkpoint(work):
    wild = "posttrain.optimizer={name: sgd, learning_rate: 1e+30}"
    assert "not finite" in fails(4, work, *AVERAGED, wild, limits=Limits())
    (path,) = only_run(work).rglob("checkpoint.h5")
    arrays, _ = load_arrays(path)
    state = [name for name in arrays if name.startswith("state/average/trained/")]
    assert state[0] == "state/average/trained/000"


@pytest.mark.slow
def test_killed(work, tmp_path):
    """It ends with the same; and the training itself is that without an average."""
    whole, plain = tmp_path / "whole", tmp_path / "plain"
    for folder in (whole, plain):
        folder.mkdir()
        for name in ("events.h5", "tiny.yaml"):
            shutil.copy(work / name, folder)
    msml(whole, *AVERAGED)
    msml(plain, *ARGUMENTS)
    command = Command(work, *AVERAGED, limits=Limits(epoch_seconds=0.1))
    until(lambda: list(work.glob("runs/*/*/metrics.jsonl")) and len(log(only_run(work))) >= 3)
    command.kill()
    assert list((work / "runs").rglob("checkpoint.h5"))
    msml(work, *AVERAGED)
    assert results(only_run(work)) == results(only_run(whole))
    assert weights(only_run(work) / JOINT) != weights(only_run(plain) / JOINT)
    first, second = (log(only_run(folder)) for folder in (work, plain))
    assert [r["train"] for r in first] == [r["train"] for r in second]
    differ = [a["valid"] != b["valid"] for a, b in zip(first, second, strict=True)]
    assert differ == [False, False, *[True] * 6]  # the mean of one is itself
