"""A training recipe small enough to run in seconds, and the files of its run."""

import json
import shutil
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from commands import run
from synthetic import synthetic_events, write_events

from msml.data.splits import split_rows
from msml.training.checkpoint import load_arrays

PAPER = {"train": 0.6, "valid": 0.2, "test": 0.2}

# XLA takes longer to compile than these trainings take to run.
RECIPE = """\
name: tiny
xla: false
data:
  file: events.h5
  transform: {jets: log_pt, taus: log_pt}
  weight: weight
tasks:
  momentum:
    inputs: [jets, calo_images]
    target: taus
    loss: {name: momentum_mse}
    weight: 0.5
    metrics: [momentum_mse, momentum_mse_gev2]
    candidates:
      sf: {model: tau_scale_factor}
      noise: {model: noise}
  higgs:
    inputs: [momentum]
    target: label
    loss: {name: bce_logits}
    weight: remainder
    metrics: [auc, bce]
    candidates:
      mlp: {model: higgs_mlp, args: {units: 8, layers: 1}}
chain: {momentum: sf, higgs: mlp}
pretrain: {optimizer: {name: adam, learning_rate: 1e-2}, batch_size: 50, epochs: 4, patience: 3}
posttrain:
  modes: [connected, sequential, joint]
  optimizer: {name: adam, learning_rate: 1e-2}
  batch_size: 50
  epochs: 4
  patience: 3
evaluate: {bootstrap: 10, cost: false}
"""


def write_recipe(folder: Path, text: str = RECIPE, name: str = "tiny.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def copy_of(finished: Path, folder: Path) -> Path:
    """Copy a folder in which a run was done."""
    shutil.copytree(finished, folder / "copy")
    return folder / "copy"


@contextmanager
def first_seed_done(folder: Path, event_file: Path, text: str) -> Iterator[Path]:
    """Work in a folder with a recipe and its events, in which the run of the first seed is done."""
    shutil.copy(event_file, folder / "events.h5")
    write_recipe(folder, text)
    with chdir(folder):
        run("run", "tiny.yaml", "seed=0")
        yield folder


def spoil_test_split(path: Path) -> None:
    """Write the synthetic events with garbage, of finite numbers, in the test split."""
    columns = synthetic_events()
    rows = split_rows(400, PAPER, 1)["test"]
    rng = np.random.default_rng(5)
    for name in ("jets", "calo_images", "taus", "weight"):
        columns[name][rows] = rng.uniform(1e3, 1e5, columns[name][rows].shape)
    columns["label"][rows] = 1 - columns["label"][rows]
    write_events(path, columns)


def runs(folder: Path, name: str = "tiny") -> list[Path]:
    return sorted((folder / "runs" / name).iterdir())


def only_run(folder: Path, name: str = "tiny") -> Path:
    (found,) = runs(folder, name)
    return found


def metrics(folder: Path, name: str = "tiny") -> Any:
    """What `evaluate` found."""
    return json.loads((only_run(folder, name) / "evaluate" / "metrics.json").read_text())


def weights(path: Path) -> dict[str, bytes]:
    """Weights of a file, bit for bit."""
    return {name: array.tobytes() for name, array in load_arrays(path)[0].items()}


def results(run: Path) -> dict[str, object]:
    """All that a run must give again, bit for bit, however it was interrupted."""
    found: dict[str, object] = {}
    for path in sorted([*run.rglob("weights.h5"), *run.rglob("pretrain/*/*.h5")]):
        found[str(path.relative_to(run))] = weights(path)
    for path in sorted(run.rglob("metrics.json")):
        found[str(path.relative_to(run))] = json.loads(path.read_text())
    for path in sorted(run.rglob("predictions.h5")):
        found[str(path.relative_to(run))] = path.read_bytes()
    return found


def log(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
