"""Export: a chain of a run as one Keras model and one ONNX file, which say the same."""

import importlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import tee
from pathlib import Path
from typing import Any

import numpy as np

from msml.data.kinematics import Array
from msml.data.schema import Column
from msml.data.stream import batches
from msml.errors import DataError, DisagreementError, RecipeError, ends
from msml.files import atomic_folder, fingerprint
from msml.progress import Meter
from msml.recipe.expand import chain_name
from msml.registry import load_plugins
from msml.runs import layout
from msml.runs.columns import column_of
from msml.runs.cost import BATCHES
from msml.runs.directory import kept_recipe, read_json, write_json
from msml.runs.manifest import git_state, versions
from msml.stages.export import onnx_file
from msml.stages.export.agreement import TOLERANCE, Agreement, Worst
from msml.stages.export.comparing import METER, compare_files, events_of_test, typed
from msml.stages.export.whole import Whole, networks_of, whole
from msml.stages.prediction.finished import Finished, finished
from msml.stages.prediction.reading import event_stream
from msml.training.environment import tensorflow
from msml.training.measure import EVALUATION_BATCH

KERAS, ONNX, ABOUT = "chain.keras", "chain.onnx", "chain.json"
"""The files of an exported chain."""

_FORMAT = 1
_LONGEST = 200  # letters of a message of Keras
_OWN = "msml."


@dataclass(frozen=True)
class Exported:
    """An exported chain, or one that was checked again.

    Attributes:
        inputs: Names of the columns that it needs.
        outputs: Names of what it gives.
        events: How many events both files were compared on.
        worst: The number that differs most.
        seconds: What ONNX Runtime takes for a batch of each of `BATCHES`; of an export only.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    events: int
    worst: Worst
    seconds: tuple[float, ...] = ()


def export(
    run: Path,
    output: Path,
    chain: str | None = None,
    mode: str | None = None,
    tolerance: float | None = None,
) -> Exported:
    """Write the result of a run as a Keras model and an ONNX file, with a description.

    Both see the columns of event files, in physical units, and give what `msml predict` writes.
    They are compared on events of test, 10,000 at most, and kept only if they agree.

    Args:
        run: The run's folder.
        output: The folder to make.
        chain: Names of the candidates, joined by `+`; the chosen ones where None.
        mode: How they were trained; the last of the recipe's modes where None.
        tolerance: Largest difference, in units of 1 and an output's spread; 1e-6 where None.

    Raises:
        RecipeError: The run or an option makes no sense, a package is not installed, or a part of
            the chain has no form in Keras's files or ONNX.
        IncompleteError: The run is not done.
        DataError: The folder exists or cannot be written, or the events of the run are gone.
        DisagreementError: The two files do not agree.
    """
    packages, allowed = onnx_file.packages(), TOLERANCE if tolerance is None else tolerance
    with atomic_folder(output) as folder:
        found = finished(run, chain, mode, precision="float32")
        tensorflow()
        made = whole(found)
        about = _about(found, made, packages)
        _save(made, folder / KERAS)
        onnx_file.write(folder / ONNX, made, about, networks_of(found))
        rows, blocks = events_of_test(found, made)
        blocks, again = tee(batches(blocks, EVALUATION_BATCH))
        read = replace(made, model=_load(folder / KERAS))
        compared = compare_files(folder / ONNX, read, blocks)
        result = _agreed(compared, made, output, rows, allowed)
        some = typed(made, next(again))
        seconds = tuple(onnx_file.latency(folder / ONNX, some, size) for size in BATCHES)
        result = replace(result, seconds=seconds)
        checked = {"split": "test", "tolerance": allowed, **asdict(result)}
        write_json(folder / ABOUT, {**about, "check": checked})
    return result


def check(
    folder: Path,
    files: Sequence[Path],
    columns: str | None = None,
    tree: str | None = None,
    plugins: Sequence[Path] = (),
    tolerance: float | None = None,
) -> Exported:
    """Compare the two files of an exported chain on any events.

    Args:
        folder: What `export` made.
        files: Events; this and the rest as of `event_stream`.
        columns: How tables become columns.
        tree: ROOT: name of the tree.
        plugins: Files with layers of the chain.
        tolerance: As of `export`; that of the export where None.

    Raises:
        RecipeError: An option makes no sense, or a package is not installed.
        DataError: A file is missing, damaged, or of other columns than the chain was trained on.
        DisagreementError: The two files do not agree.
    """
    onnx_file.packages()
    about, made = _read(folder, plugins)
    stream = event_stream(files, made.inputs, (), about["table"], columns, tree)
    with Meter("events") as meter:
        meter.add(METER, stream.events)
        compared = compare_files(folder / ONNX, made, stream.blocks(), meter)
    allowed = about["check"]["tolerance"] if tolerance is None else tolerance
    return _agreed(compared, made, folder, np.arange(compared.events), allowed)


def load(folder: Path, plugins: Sequence[Path] = ()) -> Any:
    """Load the Keras model of an exported chain, with the layers that it needs.

    Args:
        folder: What `export` made.
        plugins: Files with layers of the chain.

    Returns:
        A `keras.Model` of columns by name; it gives predictions by name.

    Raises:
        DataError: A file is missing or damaged.
    """
    return _read(folder, plugins)[1].model


def _about(found: Finished, made: Whole, packages: Mapping[str, str]) -> dict[str, Any]:
    """Describe an exported chain."""
    run, environment = found.setup.directory.path, found.setup.environment
    recipe, manifest = kept_recipe(run), read_json(layout.manifest(run), "sessions", "data")
    trained = manifest["sessions"][-1]
    return {
        "format": _FORMAT,
        "name": recipe.values.name,
        "run": run.name,
        "recipe_sha256": fingerprint(recipe.plain()),
        "events_sha256": manifest["data"]["sha256"],
        "chain": chain_name(found.chosen),
        "mode": found.mode,
        "opset": onnx_file.OPSET,
        "inputs": {name: _described(column) for name, column in made.inputs.items()},
        "outputs": {name: _described(column) for name, column in made.outputs.items()},
        "trained": {"versions": trained["versions"], "git": trained.get("git")},
        "versions": {**versions(environment.tensorflow, environment.keras), **packages},
        "git": git_state(Path.cwd()),
        "layers": _layer_modules(made.model),
        "plugins": [Path(name).name for name in recipe.values.plugins],
        "table": found.about.table,
    }


def _described(column: Column) -> dict[str, Any]:
    """Describe a column in JSON, its shape with the axis of events."""
    return {**asdict(column), "shape": [onnx_file.EVENTS, *column.lengths]}


def _layer_modules(model: Any) -> list[str]:
    """Name the modules whose layers a Keras file needs."""
    inner = [each for each in model.layers if hasattr(each, "layers")]
    own = {type(each).__module__ for each in model.layers} | {
        module for each in inner for module in _layer_modules(each)
    }
    return sorted(module for module in own if not module.startswith("keras."))


def _save(made: Whole, path: Path) -> None:
    """Write the Keras file.

    Raises:
        RecipeError: A model cannot be saved.
    """
    try:
        made.model.save(path)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise RecipeError(f"Keras cannot save the chain: {_line(error)}") from error


def _load(path: Path) -> Any:
    """Read a Keras file whose layers are imported.

    Raises:
        DataError: It is missing or damaged, or layers are not there.
    """
    import keras

    if not path.exists():
        raise DataError(f"{path}: no such file")
    try:
        return keras.saving.load_model(path, compile=False)
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        why = "no Keras file, or damaged, or with layers that are not registered for saving"
        raise DataError(f"{path}: {why}: {_line(error)}") from error


def _line(error: Exception) -> str:
    return ends(" ".join(str(error).split()), _LONGEST)


def _read(folder: Path, plugins: Sequence[Path]) -> tuple[dict[str, Any], Whole]:
    """Read what an exported chain says of itself, and its model."""
    path = folder / ABOUT
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected a folder that msml export has made")
    about = read_json(path, "format", "inputs", "outputs", "layers", "table", "check")
    if about["format"] != _FORMAT:
        raise DataError(f"{path}: of format {about['format']}, expected {_FORMAT}")
    inputs, outputs = (
        {name: column_of({k: v for k, v in each.items() if k != "shape"}) for name, each in given}
        for given in (about["inputs"].items(), about["outputs"].items())
    )
    tensorflow()
    for module in about["layers"]:
        if module.startswith(_OWN):
            importlib.import_module(module)
    load_plugins(plugins)
    return about, Whole(_load(folder / KERAS), inputs, outputs)


def _agreed(
    compared: Agreement, made: Whole, folder: Path, rows: Array, tolerance: float
) -> Exported:
    """Say how well both files agree.

    Raises:
        DataError: There was no event to compare.
        DisagreementError: They do not.
    """
    worst = compared.worst()
    if worst is None:
        raise DataError(f"{folder}: there are no events to check it with")
    worst = replace(worst, event=int(rows[worst.event]))
    if not worst.difference <= tolerance:
        message = f"Keras and ONNX Runtime do not agree to {tolerance:g}: {worst}"
        raise DisagreementError(f"{folder}: {message}; --tolerance allows more")
    return Exported(tuple(made.inputs), tuple(made.outputs), compared.events, worst)
