"""Which files a run leaves, below its directory: the one place that knows their names."""

from hashlib import sha256
from pathlib import Path

WEIGHTS = "weights.h5"
"""In the folder of what was trained: its weights and history."""
RESULT = "metrics.json"
"""In the folder of what was trained or measured; there when that is done."""
PREDICTIONS = "predictions.h5"
"""In the folder of a chain that was measured."""
IMPORTANCE = "importance.json"
"""In the folder of a chain that was measured: what a task loses without an input."""
DEPENDENCE = "dependence.json"
"""In the folder of a chain that was measured: how a task's answer depends on an input."""
CALIBRATED = "calibrated.json"
"""In the folder of a chain that was measured: what turns its logits into calibrated ones."""
CONFORMAL = "conformal.json"
"""In the folder of a chain that was measured: intervals around what it estimates."""
CHECKPOINT = "checkpoint.h5"
"""In the folder of what is being trained: its state; it goes when that is done."""
TRANSFORMS = "transforms.json"
"""In the run: what the transforms of the data have learnt."""
COLUMNS = "columns.json"
"""In the run: what its events say of the columns that are used."""
UNFINISHED = "unfinished.json"
"""In the run: how the last attempt began and ended; it goes when that has ended well."""

MEASURED = ("chain", "mode", "metrics")
"""What the result of a chain that was measured has at least."""


# A file system allows 255 bytes; temporary files have longer names than what they become.
_LONGEST = 200


def part(name: str) -> str:
    """Make a part of a path of a name: of a long one the beginning, and a hash of it all."""
    if len(name.encode()) <= _LONGEST:
        return name
    cut = name.encode()[: _LONGEST - 13].decode(errors="ignore")
    return f"{cut}-{sha256(name.encode()).hexdigest()[:12]}"


def recipe(run: Path) -> Path:
    """The resolved recipe."""
    return run / "recipe.yaml"


def manifest(run: Path) -> Path:
    """Versions, git state and times of each session."""
    return run / "manifest.json"


def log(run: Path) -> Path:
    """A line for every epoch."""
    return run / "metrics.jsonl"


def checksums(run: Path) -> Path:
    """Of the lines of the log."""
    return run / "metrics.crc32"


def transforms(run: Path) -> Path:
    """What the transforms of the data have learnt."""
    return run / TRANSFORMS


def columns(run: Path) -> Path:
    """What the events say of the columns that are used."""
    return run / COLUMNS


def pretrained(run: Path, task: str, candidate: str) -> Path:
    """Metrics of a pre-trained candidate; its weights lie beside them, as `.h5`."""
    return run / "pretrain" / task / f"{part(candidate)}.json"


def search(run: Path) -> Path:
    """Folder of the search: its weights are those of the chosen chain."""
    return run / "search"


def selection(run: Path, stage: str = "search") -> Path:
    """What the search, or the grid beside it, decided."""
    return run / stage / "selection.json"


def supernet(run: Path) -> Path:
    """Weights and history of all candidates of a search."""
    return search(run) / "supernet.h5"


def grid(run: Path) -> Path:
    """Folder of a grid's combinations."""
    return run / "grid"


def combination(run: Path, chain: str) -> Path:
    """Folder of a combination that a grid trained."""
    return grid(run) / part(chain)


def posttrained(run: Path, chain: str, mode: str) -> Path:
    """Folder of a chain that was trained in a mode."""
    return run / "posttrain" / part(chain) / mode


def member(trained: Path, number: int) -> Path:
    """Folder of a member of an ensemble, in that of the ensemble."""
    return trained / f"member-{number}"


def together(first: Path, mark: str) -> Path:
    """State of what is trained at once, in the folder of the first; it goes when that is done."""
    return first / f"together-{mark}.h5"


def lr_range(run: Path, *names: str) -> Path:
    """Result of a learning-rate range test of what has these names; its figure lies beside it."""
    return run.joinpath("lr_range", *names[:-1], f"{part(names[-1])}.json")


def cost(run: Path, chain: str, form: str) -> Path:
    """What a chain costs in one form: alone, or as all that `joint` makes of it."""
    return run / "cost" / part(chain) / f"{form}.json"


def evaluation(run: Path, unblind: bool = False) -> Path:
    """Folder of all that was measured on test; its result holds all chains and modes.

    What `evaluate.unblind` shows has a folder of its own: neither result is lost to the other.
    """
    return run / ("unblinded" if unblind else "evaluate")


def is_unblinded(run: Path) -> bool:
    """Whether a run has results of `evaluate.unblind`."""
    return (evaluation(run, True) / RESULT).exists()


def evaluated(evaluation: Path, chain: str, mode: str) -> Path:
    """Folder, in that of an evaluation, of a chain in a mode that was measured on test."""
    return evaluation / part(chain) / mode


def calibration(evaluation: Path) -> Path:
    """How often the truth lies in the bands of the reference, in the folder of an evaluation."""
    return evaluation / "validity.json"
