"""The final recipe of the HiggsML study in msml against LUMIN 0.9.1, on the same rows.

    python scripts/bench_lumin.py FOLDER [--with REQUIREMENT ...] [--threads N ...] [--epochs N]

LUMIN, with PyTorch, is installed into an environment of its own in FOLDER, as pip is configured;
what else pip is to be asked for is named by `--with`, such as a smaller build: torch==2.13.0+cpu.

Ten members over folds of 200,000 rows: the same network, batch size, augmentation, schedule and
optimizer, in each library's own training loop, with its validation; and the prediction of 55,000
rows by ten members with eight copies each. The rows are drawn again and again from a small table in
the challenge's format: they serve for timing alone. LUMIN trains its members one after another, of
which one is timed, on one thread unless told otherwise: more are slower for networks this small,
and where something else is at work far slower. msml trains them in one graph for each core. Each
side runs in a process of its own. Times are medians without the first epoch: by the clock, and of
all cores together (CPU), which other work on the machine changes less.
"""

import argparse
import json
import subprocess
import sys
import venv
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sides import apart, now

_HERE = Path(__file__).resolve().parent
_RECIPE = "recipes/higgsml/final.yaml"
_ROWS, _PREDICTED, _MEMBERS, _SMALL = 200_000, 55_000, 10, 5000
_UPDATES = 10_530  # of a member in a whole training


def installed(folder: Path, more: list[str]) -> Path:
    """Make the environment unless it is there; its interpreter."""
    python, done = folder / "env" / "bin" / "python", folder / "env" / "installed"
    if not done.exists():
        venv.create(folder / "env", with_pip=True)
        wanted = ["lumin==0.9.1", *more]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        done.touch()
    return python


def small_table(path: Path) -> Path:
    """Import a small table in the challenge's format; the event file."""
    sys.path.insert(0, str(_HERE.parent / "tests" / "studies" / "higgsml"))
    from made_table import table

    csv = path.with_suffix(".csv")
    if not path.exists():
        table(_SMALL, sets="tttbv").to_csv(csv, index=False)
        given = ["import", "higgsml", str(csv), f"output={path}"]
        subprocess.run([sys.executable, "-m", "msml", *given], check=True, capture_output=True)
    return path


class Study:
    """The final recipe, and train rows of a small table, drawn again and again.

    Args:
        path: The event file.
    """

    def __init__(self, path: Path) -> None:
        from msml.data.dataset import load_splits, make_pipelines
        from msml.data.events import describe
        from msml.recipe import load
        from msml.recipe.expand import expand
        from msml.recipe.schema import TrainRecipe
        from msml.training.augmentation import momenta

        self.recipe = load(_RECIPE, TrainRecipe, [f"data.file={path}"]).values
        self.tasks = expand(self.recipe)
        names = [*self.tasks["signal"].inputs, "label"]
        file = describe(path)
        pipelines = make_pipelines(self.recipe.data, file)
        about = (self.recipe.data, ["train"], names, path, None, pipelines)
        split = load_splits(*about)["train"]
        self.momenta = momenta(self.augment, file.columns, pipelines)
        rows = np.random.default_rng(1).integers(len(split), size=_ROWS)
        self.columns = {name: split.columns[name][rows] for name in names}
        self.weight = split.weight[rows]

    @property
    def augment(self) -> Any:
        """How events are moved."""
        return self.recipe.posttrain.augment

    def write(self, path: Path) -> None:
        """Keep the rows for LUMIN."""
        continuous = [name for name in self.columns if name not in ("jet_num", "label")]
        about = {"momenta": list(self.momenta), "continuous": continuous, "predicted": _PREDICTED}
        np.savez(path, weight=self.weight, **self.columns, **about)

    def chain(self, seed: int) -> Any:
        """A member."""
        from msml.chain import Chain
        from msml.models.build import build

        task = self.tasks["signal"]
        candidate = task.candidates["network"]
        shapes = [self.columns[name].shape[1:] for name in task.inputs]
        return Chain(
            self.tasks, {"signal": build(candidate.model, shapes, (1,), candidate.args, seed)}
        )


def epoch_seconds(study: Study, chains: list[Any], epochs: int) -> list[float]:
    """Train all members at once; the median time of an epoch, with its validation."""
    from msml.chain import WEIGHT
    from msml.training.environment import side_by_side
    from msml.training.epoch import to_device

    columns = to_device({**study.columns, WEIGHT: study.weight})
    parts = np.array_split(np.random.default_rng(2).permutation(_ROWS), _MEMBERS)
    lanes = np.array_split(np.arange(_MEMBERS), side_by_side())
    groups = [group_epoch(study, columns, chains, parts, lane.tolist()) for lane in lanes]
    ended = []
    with ThreadPoolExecutor(len(groups)) as pool:
        for number in range(epochs + 1):
            list(pool.map(lambda epoch, number=number: epoch(number), groups))
            ended.append(now())
    return np.median(np.diff(ended, axis=0), axis=0).tolist()


def group_epoch(
    study: Study,
    columns: dict[str, Any],
    chains: list[Any],
    parts: list[Any],
    members: list[int],
) -> Callable[[int], None]:
    """Make an epoch, by its number, of some members in one graph, with its validation."""
    from msml.training.augmentation import augmented
    from msml.training.replicas import (
        make_replica_loss_step,
        make_replica_step,
        replica_epochs,
        replica_measurement,
        shuffled_replicas,
        stack,
    )
    from msml.training.steps import make_optimizer

    settings, stacked = study.recipe.posttrain, stack([chains[m] for m in members])
    valid = [parts[member] for member in members]
    train = [np.setdiff1d(np.arange(_ROWS), part) for part in valid]
    steps = -(-len(train[0]) // settings.batch_size)
    weights = {"signal": 1.0}
    optimizer = make_optimizer(
        replace(settings, clip_norm=None), list(stacked.weights), "float32", steps
    )
    step = make_replica_step(stacked, weights, optimizer, None)
    step, _ = augmented(step, study.augment, study.momenta, members)
    about: Any = {"losses": 2, "xla": False}
    epoch = replica_epochs(step, columns, train, settings.batch_size, **about)
    shuffled = shuffled_replicas(epoch, train, [(member, "bench") for member in members])
    loss = make_replica_loss_step(stacked, weights)
    measure = replica_measurement(loss, columns, valid, **about)

    def run(number: int) -> None:
        shuffled(number)
        measure()

    return run


def prediction_seconds(study: Study, chains: list[Any]) -> list[float]:
    """Predict with an ensemble, with all copies of the events; a first time is not counted."""
    from msml.ensemble import Ensemble
    from msml.training.augmentation import views
    from msml.training.epoch import to_device
    from msml.training.measure import predictor

    shares = [1 / len(chains)] * len(chains)
    predict = predictor(Ensemble(chains, shares, views(study.augment, study.momenta)))
    predict(to_device({name: column[:2000] for name, column in study.columns.items()}))
    began = now()
    predict(to_device({name: column[:_PREDICTED] for name, column in study.columns.items()}))
    return (now() - began).tolist()


def measure(path: Path, epochs: int) -> None:
    """Time msml's side in this process, and print what was found."""
    from msml.training.environment import tensorflow, use_threads

    tensorflow()
    study = Study(path)
    use_threads(study.recipe.threads)
    chains = [study.chain(seed) for seed in range(_MEMBERS)]
    trained = _ROWS - _ROWS // _MEMBERS
    found = {
        "parameters": chains[0].parameters(),
        "updates": -(-trained // study.recipe.posttrain.batch_size),
        "epoch": epoch_seconds(study, chains, epochs),
        "prediction": prediction_seconds(study, chains),
    }
    print(json.dumps(found))


def main() -> None:
    """Run all sides in turn, and print the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--with", dest="more", nargs="*", default=[], metavar="REQUIREMENT")
    parser.add_argument("--threads", nargs="*", type=int, default=[1], metavar="N")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--side", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    events, rows, epochs = folder / "higgsml.h5", folder / "rows.npz", str(given.epochs)
    if given.side:
        measure(events, given.epochs)
        return
    python = installed(folder, given.more)
    Study(small_table(events)).write(rows)
    lumin = str(_HERE / "lumin_side.py")
    sides = {
        f"LUMIN, {threads} thread{'s' * (threads > 1)}": apart(
            lumin, str(rows), str(folder), str(threads), epochs, python=python
        )
        for threads in given.threads
    }
    ours = apart(__file__, str(folder), "--side", "--epochs", epochs)
    show(sides, ours)


def show(sides: dict[str, dict[str, Any]], ours: dict[str, Any]) -> None:
    """Print the times of ten members; ratios are to LUMIN's best."""
    (parameters,) = {side["parameters"] for side in (*sides.values(), ours)}
    title = f"ten networks of {parameters:,} parameters, {_ROWS:,} rows, seconds"
    table = Table(title=title, box=None)
    for heading in ("", *sides, "msml", "LUMIN/msml"):
        table.add_column(heading, justify="right")
    for place, word in enumerate(("", ", CPU")):
        theirs = [_MEMBERS * each["epoch"][place] / each["updates"] for each in sides.values()]
        update = [*theirs, ours["epoch"][place] / ours["updates"]]
        predicted = [each["prediction"][place] for each in (*sides.values(), ours)]
        for name, seconds in (
            ("an update", update),
            (f"training, {_UPDATES:,} updates", [_UPDATES * each for each in update]),
            (f"prediction, {_PREDICTED:,} rows", predicted),
        ):
            texts = [f"{each:.3g}" if each < 100 else f"{each:.0f}" for each in seconds]
            ratio = min(seconds[:-1]) / seconds[-1]
            table.add_row(name + word, *texts, f"{ratio:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
