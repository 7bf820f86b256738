"""Which files a run leaves, below its directory: the one place that knows their names."""

from hashlib import sha256
from pathlib import Path

WEIGHTS = "weights.h5"
"""In the folder of what was trained: its weights and history."""
RESULT = "metrics.json"
"""In the folder of what was trained or measured; there when that is done."""
PREDICTIONS = "predictions.h5"
"""In the folder of a chain that was measured."""
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


def evaluation(run: Path) -> Path:
    """Folder of all that was measured on test; its result holds all chains and modes."""
    return run / "evaluate"


def evaluated(run: Path, chain: str, mode: str) -> Path:
    """Folder of a chain in a mode that was measured on test."""
    return evaluation(run) / part(chain) / mode


def calibration(run: Path) -> Path:
    """How often the truth lies in the bands of the reference."""
    return evaluation(run) / "validity.json"
